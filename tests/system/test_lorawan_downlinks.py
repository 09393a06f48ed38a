"""Commands to LoRaWAN devices through a network server that speaks by its documents (Node, mqtt.js) at Mosquitto."""

import asyncio
import contextlib
import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.ports import free_port
from tests.system.foreign.site import Broker, have_mosquitto
from tests.system.mqtt_peers import House
from tests.system.npm import fetched
from tests.system.test_gateway import Gateway
from tests.system.test_sparkplug import Edge
from tests.waiting import wait_until

from holdfast.commands.asking import canonical
from holdfast.commands.service import Asked
from holdfast.journal import commanded
from holdfast.journal.commanded import Stored
from holdfast.model.command import State

pytestmark = pytest.mark.system

HERE = Path(__file__).parent / "lorawan"
PROFILES = """profiles:
  tts: {topic: "v3/{application}/devices/{device}/up", version: 1, format: lorawan, codec: valve.js}
  tts-others: {topic: "v3/{application}/devices/{device}/+/+", version: 1, format: ignore}
  cs: {topic: "application/{application}/device/{device}/event/up", version: 1, format: lorawan}
  cs-others: {topic: "application/{application}/device/{device}/event/+", version: 1, format: ignore}
"""
SCRIPT = """
function decodeUplink(input) { return { data: { temperature: input.bytes[0] } }; }
function encodeDownlink(input) {
  if (input.data.open === undefined) return { errors: ["say whether it shall be open"] };
  if (input.data.open === "loop") { while (true) {} }
  return { fPort: 9, bytes: [input.data.open ? 1 : 0, 255] };
}
"""
TTS, CS = "0004A30B001C0530", "0004a30b001c0531"
PUSH = "v3/site@ttn/devices/valve-1/down/push "
DOWN = "application/17c82e96-be03-4f38-aef3-f83d48582d97/device/0004a30b001c0531/command/down "


class Site:
    """A node, its broker, and the network server at that."""

    def __init__(self, folder: Path, script: Path) -> None:
        (folder / "lorawan.yaml").write_text(PROFILES)
        (folder / "valve.js").write_text(SCRIPT)
        self.folder, self.api = folder, free_port()
        self.broker = Broker("mosquitto", folder / "broker")
        self.broker.start()
        self.server = Edge(script, self.broker.port)
        wait_until(lambda: self.server.said == ["connected"])
        self.start()

    def start(self) -> None:
        subscribe = '{"v3/+/devices/+/up": 1, "v3/+/devices/+/down/+": 1, "application/+/device/+/event/+": 1}'
        more = f'brokers: {{lora: {{url: "mqtt://127.0.0.1:{self.broker.port}", subscribe: {subscribe}}}}}\n'
        more += f'api: {{listen: "127.0.0.1:{self.api}"}}'
        self.house = House(self.folder, profile="lorawan.yaml", beside=more)
        self.node = self.house.node
        wait_until(lambda: self.node.edge.brokers[0].status().state == "working")

    def hear(self, *kinds: str) -> None:
        """Uplinks, as the devices send them: the node learns where they are."""
        for kind in kinds:
            before = self.accepted()
            self.server.tell(f"up {kind}")
            wait_until(partial(self.grows, self.accepted, before))

    def accepted(self) -> int:
        return self.node.journal.counters().get("messages_accepted", 0)

    @staticmethod
    def grows(count: Callable[[], int], before: float) -> bool:
        return count() > before

    def send(self, device: str, number: str, params: dict[str, Any], deadline_s: float = 30.0) -> None:
        asked = Asked(device, "downlink", "test", canonical(params), "", number, deadline_s)
        self.house.do(self.node.commands.service.ask(asked))

    def stored(self, number: str) -> Stored:
        look = self.node.journal.look
        found: Stored = self.house.do(asyncio.to_thread(look, lambda db: commanded.find(db, number)))
        return found

    def ended(self, number: str) -> Stored:
        wait_until(lambda: self.stored(number).ended_ns)
        return self.stored(number)

    def reaches(self, number: str, state: State) -> None:
        wait_until(lambda: self.stored(number).state is state)

    def heard(self, start: str) -> list[dict[str, Any]]:
        """Downlinks that the network server was asked for."""
        return [json.loads(one.removeprefix(start)) for one in self.server.said if one.startswith(start)]

    def asked(self, start: str, count: int) -> list[dict[str, Any]]:
        """So many downlinks, once they were told."""
        wait_until(lambda: len(self.heard(start)) >= count)
        return self.heard(start)

    def stop(self) -> None:
        self.house.stop()
        self.server.kill()
        self.broker.kill()


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not have_mosquitto():
        pytest.skip("mosquitto isn't installed")
    return fetched(HERE, tmp_path_factory.mktemp("lorawan")) / "server.mjs"


@pytest.fixture
def site(tmp_path: Path, script: Path) -> Iterator[Site]:
    made = Site(tmp_path, script)
    yield made
    made.stop()


@pytest.mark.timeout(120)
def test_a_downlink_through_the_things_stack_ends_by_what_it_says_of_it(site: Site) -> None:
    site.hear("tts")
    site.send(TTS, "d1", {"f_port": 3, "frm_payload": "AQI=", "priority": "HIGH"})
    site.reaches("d1", State.DELIVERED)
    pushed = {"f_port": 3, "frm_payload": "AQI=", "confirmed": False, "priority": "HIGH"}
    assert site.asked(PUSH, 1) == [{"downlinks": [pushed | {"correlation_ids": ["holdfast:d1"]}]}]
    site.server.tell("sent")
    done = site.ended("d1")
    assert (done.state, json.loads(done.answer.result)) == (State.DONE, {"event": "sent", "f_cnt": 2, "f_port": 3})
    for number, words, state, detail in (
        ("d2", ("sent", "ack"), State.DONE, ""),
        ("d3", ("sent", "nack"), State.FAILED, "the device didn't acknowledge it"),
        ("d4", ("failed",), State.FAILED, "failed to schedule"),
    ):
        site.send(TTS, number, {"f_port": 3, "frm_payload": "AQI=", "confirmed": True})
        site.reaches(number, State.DELIVERED)
        for word in words:
            assert not site.stored(number).ended_ns
            site.server.tell(word)
        done = site.ended(number)
        assert (done.state, done.answer.detail) == (state, detail)
        assert done.answer.doubt is ("nack" in words)
    assert len(site.asked(PUSH, 4)) == 4


@pytest.mark.timeout(120)
def test_a_vendors_script_encodes_or_refuses_what_is_sent(site: Site) -> None:
    site.hear("tts", "cs")
    site.send(TTS, "open", {"decoded_payload": {"open": True}})
    site.reaches("open", State.DELIVERED)
    (pushed,) = site.asked(PUSH, 1)[0]["downlinks"]
    assert (pushed["f_port"], pushed["frm_payload"], "decoded_payload" in pushed) == (9, "Af8=", False)
    for number, params, said in (
        ("n1", {"decoded_payload": {}}, "the script refuses it: say whether it shall be open"),
        ("n2", {"decoded_payload": {"open": "loop"}}, "the script's encodeDownlink failed: it ran longer than 250 ms"),
        ("n3", {"frm_payload": "AQ=="}, "`f_port` is missing"),
        ("n4", {"f_port": 1, "frm_payload": "?"}, "no base64"),
        ("n5", {"f_port": 1, "frm_payload": ""}, "1 to 242 bytes"),
        ("n6", {"f_port": 1}, "exactly one of"),
        ("n7", {"f_port": 300, "frm_payload": "AQ=="}, "<= 223"),
    ):
        site.send(TTS, number, params)
        refused = site.ended(number)
        assert refused.state is State.REFUSED
        assert said in refused.answer.detail
    site.send(CS, "formatted", {"f_port": 4, "decoded_payload": {"open": True}})  # by ChirpStack's own codec
    wait_until(lambda: [one["object"] for one in site.heard(DOWN)] == [{"open": True}])
    assert len(site.heard(PUSH)) == 1


@pytest.mark.timeout(120)
def test_a_downlink_through_chirpstack_ends_by_its_transmission_or_its_acknowledgement(site: Site) -> None:
    site.hear("cs")
    for number, confirmed, words, state, detail in (
        ("0b8e6f6a4f0f4d0f9a4e3a8c2f1d7e55", False, ("txack",), State.DONE, ""),
        ("by-hand", True, ("txack", "csack"), State.DONE, ""),
        ("again", True, ("csnack",), State.FAILED, "the device didn't acknowledge it"),
        ("large", False, ("log",), State.FAILED, "DOWNLINK_PAYLOAD_SIZE: Payload too large"),
    ):
        before = len(site.heard(DOWN))
        site.send(CS, number, {"f_port": 4, "frm_payload": "AQ==", "confirmed": confirmed})
        wait_until(partial(site.grows, lambda: len(site.heard(DOWN)), before))
        for word in words:
            assert not site.stored(number).ended_ns
            site.server.tell(word)
            if word == "txack" and confirmed:
                site.reaches(number, State.DELIVERED)
        done = site.ended(number)
        assert (done.state, done.answer.detail) == (state, detail)
    first = site.heard(DOWN)[0]
    assert first == {
        "id": "0b8e6f6a-4f0f-4d0f-9a4e-3a8c2f1d7e55",
        "devEui": CS,
        "confirmed": False,
        "fPort": 4,
        "data": "AQ==",
    }
    assert len({one["id"] for one in site.heard(DOWN)}) == 4


@pytest.mark.timeout(120)
def test_after_a_restart_no_downlink_is_made_twice_and_what_was_said_meanwhile_counts(site: Site) -> None:
    site.hear("tts", "cs")
    site.send(TTS, "kept", {"f_port": 3, "frm_payload": "AQ==", "confirmed": True}, 60)
    site.reaches("kept", State.DELIVERED)
    site.send(CS, "queued", {"f_port": 3, "frm_payload": "AQ=="}, 60)
    wait_until(lambda: len(site.heard(DOWN)) == 1)
    site.reaches("queued", State.SENT)
    site.house.stop()
    site.server.tell("ack")  # the broker keeps it for the node's session
    site.start()
    assert site.ended("kept").state is State.DONE
    site.hear("tts", "cs")  # once it knows again where the device is, ChirpStack is asked under the same id
    wait_until(lambda: any(one.startswith("duplicate") for one in site.server.said))
    site.server.tell("txack")
    assert site.ended("queued").state is State.DONE
    assert len(site.asked(PUSH, 1)) == 1
    assert len({one["id"] for one in site.heard(DOWN)}) == 1


@pytest.mark.timeout(120)
def test_a_command_waits_for_the_broker_and_one_without_a_way_back_says_so(site: Site) -> None:
    site.hear("tts")
    site.broker.kill()
    wait_until(lambda: site.node.edge.brokers[0].status().state == "failing")
    site.send(TTS, "later", {"f_port": 3, "frm_payload": "AQ=="})
    site.reaches("later", State.ACCEPTED)
    site.broker.start()
    wait_until(lambda: site.stored("later").state is State.DELIVERED)
    assert len(site.asked(PUSH, 1)) == 1
    uplink = {
        "end_device_ids": {"device_id": "h", "dev_eui": "00A1", "application_ids": {"application_id": "a"}},
        "uplink_message": {"f_port": 1, "f_cnt": 1, "frm_payload": "FQ==", "session_key_id": "s"},
    }
    url = f"http://127.0.0.1:{site.api}/api/v1/intake/lorawan/tts"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(uplink).encode()), timeout=10) as answer:
        assert json.load(answer)["quarantined"] == 0
    site.send("00A1", "nowhere", {"f_port": 3, "frm_payload": "AQ=="})
    ended = site.ended("nowhere")
    assert (ended.state, "come by HTTP" in ended.answer.detail) == (State.UNDELIVERABLE, True)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_killed_under_load_no_downlink_is_made_twice_and_each_command_ends_once(tmp_path: Path, script: Path) -> None:
    (tmp_path / "lorawan.yaml").write_text(PROFILES)
    (tmp_path / "valve.js").write_text(SCRIPT)
    broker = Broker("mosquitto", tmp_path / "broker")
    broker.start()
    server = Edge(script, broker.port)
    subscribe = '{"v3/+/devices/+/up": 1, "v3/+/devices/+/down/+": 1}'
    gateway = Gateway(
        tmp_path, f'brokers: {{lora: {{url: "mqtt://127.0.0.1:{broker.port}", subscribe: {subscribe}}}}}\n'
    )
    gateway.settings.write_text(gateway.settings.read_text().replace("'builtin:rooms'", "lorawan.yaml", 1))
    gateway.settings.write_text(gateway.settings.read_text().replace("rules: ['builtin:rooms']\n", ""))
    base = f"http://127.0.0.1:{gateway.api}/api/v1/devices/{TTS}/commands"
    numbers = [f"k{n:03d}" for n in range(60)]

    def send(number: str) -> None:
        body = {"name": "downlink", "id": number, "deadline": 12, "params": {"f_port": 3, "frm_payload": "AQ=="}}
        while True:  # as a caller does that was told nothing: again, under the same id
            with contextlib.suppress(httpx.HTTPError):
                if httpx.post(base, json=body, timeout=10).status_code in (200, 202):
                    return
            time.sleep(0.05)

    try:
        gateway.start()
        server.tell("quick")
        server.tell("up tts")
        wait_until(lambda: gateway.counters().get("messages_accepted", 0) >= 1)
        sender = threading.Thread(target=lambda: list(map(send, numbers)))
        sender.start()
        for share in (0.3, 0.6):
            wait_until(partial(Site.grows, lambda: len(pushed(server)), share * len(numbers)))
            assert gateway.process is not None
            gateway.process.kill()
            gateway.process.wait()
            gateway.start()
            server.tell("up tts")
        sender.join(60)
        rows = {number: httpx.get(f"{base}/{number}?wait=20", timeout=30).json() for number in numbers}
    finally:
        gateway.stop()
        server.kill()
        broker.kill()
    assert max(Counter(pushed(server)).values()) == 1
    ends = Counter((row["state"], row["doubt"]) for row in rows.values())
    assert set(ends) <= {("done", False), ("expired", True)}  # in doubt: killed between its mark and its push
    assert ends["done", False] >= 0.9 * len(numbers)


def pushed(server: Edge) -> list[str]:
    """Ids of the commands whose downlinks the network server was asked for."""
    said = [json.loads(one.removeprefix(PUSH)) for one in list(server.said) if one.startswith(PUSH)]
    return [name.removeprefix("holdfast:") for one in said for name in one["downlinks"][0]["correlation_ids"]]
