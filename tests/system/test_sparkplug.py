"""Cirrus Link's Sparkplug edge node (npm: sparkplug-client), at the node's own listener and behind Mosquitto."""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.foreign.site import Broker, have_mosquitto
from tests.system.mqtt_peers import House, Peer
from tests.system.npm import NODE, fetched
from tests.waiting import wait_until

from holdfast.commands.asking import canonical
from holdfast.commands.service import Asked
from holdfast.journal import commanded
from holdfast.journal.commanded import Stored
from holdfast.model.command import State
from holdfast.model.quality import Quality, Reason, encode_quality, quality_of

pytestmark = pytest.mark.system

HERE = Path(__file__).parent / "sparkplug"
OFFLINE = encode_quality(Quality.BAD, Reason.OFFLINE)
ASKED = 'asked [["Node Control/Rebirth","Boolean",true]]'
ALL = ("plant:edge-1/temperature", "plant:edge-1/serial", "plant:edge-1:pump/starts", "plant:edge-1:pump/on")


class Edge:
    """The process, with what it said."""

    def __init__(self, script: Path, port: int, *words: str) -> None:
        command = [str(NODE), str(script), str(port), *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        self.said.extend(line.strip() for line in self._process.stdout)

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


class Plant:
    """A node that reads Sparkplug."""

    def __init__(self, folder: Path, brokers: str = "") -> None:
        self.house = House(folder, profile="builtin:sparkplug", beside=brokers)

    def send(self, device: str, name: str, params: dict[str, Any], deadline_s: float = 20.0, number: str = "") -> str:
        asked = Asked(device, name, "test", canonical(params), "", number, deadline_s)
        stored: Stored = self.house.do(self.house.node.commands.service.ask(asked))[0]
        return stored.command.id

    def command(self, device: str, name: str, params: dict[str, Any], deadline_s: float = 20.0) -> Stored:
        """How it ended."""
        number = self.send(device, name, params, deadline_s)
        self.house.do(self.house.node.commands.service.wait(number, deadline_s + 5))
        return self.stored(number)

    def stored(self, number: str) -> Stored:
        found: Stored = self.house.do(
            asyncio.to_thread(self.house.node.journal.look, lambda db: commanded.find(db, number))
        )
        return found

    def last(self, name: str) -> tuple[object, Quality] | None:
        node = self.house.node
        device, _, metric = name.partition("/")
        for number in range(len(node.journal.catalogue)):
            series = node.journal.catalogue[number]
            if (series.device, series.metric) == (device, metric):
                found = node.last_values.get(number)
                return None if found is None else (found.value, quality_of(found.quality))
        return None


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetched(HERE, tmp_path_factory.mktemp("sparkplug")) / "edge.mjs"


@pytest.fixture(params=["listener", "mosquitto"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Plant, int]]:
    """A node and the port at which edge nodes speak: its own, or that of a broker to which it subscribes."""
    if request.param == "listener":
        plant = Plant(tmp_path)
        yield plant, plant.house.port
        plant.house.stop()
        return
    if not have_mosquitto():
        pytest.skip("mosquitto isn't installed")
    broker = Broker("mosquitto", tmp_path / "broker")
    broker.start()
    url = f'brokers: {{plant: {{url: "mqtt://127.0.0.1:{broker.port}", subscribe: {{"spBv1.0/#": 1}}}}}}'
    plant = Plant(tmp_path, url)
    wait_until(lambda: plant.house.node.edge.brokers[0].status().state == "working")
    yield plant, broker.port
    plant.house.stop()
    broker.kill()


@pytest.mark.timeout(120)
def test_births_data_a_gap_and_the_death_of_a_foreign_edge_node(place: tuple[Plant, int], script: Path) -> None:
    plant, port = place
    edge = Edge(script, port)
    try:
        wait_until(lambda: plant.last(ALL[3]) == (True, Quality.GOOD))
        assert plant.last(ALL[0]) == (20.5, Quality.GOOD)
        assert plant.last(ALL[1]) == ("A-17", Quality.GOOD)
        assert plant.last(ALL[2]) == (-5, Quality.GOOD)
        edge.tell("data 21.5")
        wait_until(lambda: plant.last(ALL[0]) == (21.5, Quality.GOOD))
        edge.tell("zdata 21.75")
        wait_until(lambda: plant.last(ALL[0]) == (21.75, Quality.GOOD))
        assert edge.said == ["connected", "born"]
        edge.tell("gap")
        edge.tell("data 22.5")
        wait_until(lambda: edge.said[2:] == [ASKED, "born"])
        wait_until(lambda: plant.last(ALL[0]) == (20.5, Quality.GOOD))  # as the rebirth says
        edge.tell("ddeath")
        wait_until(lambda: plant.last(ALL[3]) == (None, Quality.BAD))
        assert plant.last(ALL[0]) == (20.5, Quality.GOOD)
    finally:
        edge.kill()
    wait_until(lambda: [plant.last(name) for name in ALL] == [(None, Quality.BAD)] * 4)


@pytest.mark.timeout(120)
def test_metrics_are_written_by_commands_and_read_back(place: tuple[Plant, int], script: Path) -> None:
    plant, port = place
    edge = Edge(script, port)
    try:
        wait_until(lambda: plant.last(ALL[3]) == (True, Quality.GOOD))
        done = plant.command("plant:edge-1", "write", {"setpoint": 21.25, "mode": "manual"})
        assert (done.state, json.loads(done.answer.result)) == (State.DONE, {"setpoint": 21.25, "mode": "manual"})
        wait_until(lambda: plant.last("plant:edge-1/setpoint") == (21.25, Quality.GOOD))
        done = plant.command("plant:edge-1:pump", "write", {"on": False, "level": -3})
        assert (done.state, json.loads(done.answer.result)) == (State.DONE, {"on": False, "level": -3})
        wait_until(lambda: plant.last(ALL[3]) == (False, Quality.GOOD))
        written = [
            'written [["mode","String","manual"],["setpoint","Float",21.25]]',
            'written [["level","Int16",-3],["on","Boolean",false]]',
        ]
        wait_until(lambda: edge.said[2:] == written)
        edge.tell("stubborn")
        failed = plant.command("plant:edge-1:pump", "write", {"level": 9})
        assert (failed.state, failed.answer.detail) == (State.FAILED, "`level` is reported as -3, not 9")
        edge.tell("mute")
        expired = plant.command("plant:edge-1:pump", "write", {"level": 9}, 1.0)
        assert (expired.state, expired.answer.doubt, expired.delivered_ns > 0) == (State.EXPIRED, True, True)
        for device, name, params, said in (
            (
                "plant:edge-1:pump",
                "write",
                {"levle": 1},
                "plant:edge-1:pump has no metric `levle`; its birth named level",
            ),
            ("plant:edge-1:pump", "write", {"level": 40_000}, "`level` is of type Int16: 40000 isn't"),
            ("plant:edge-1:pump", "write", {"on": 1}, "`on` is of type Boolean: 1 isn't"),
            ("plant:edge-1:pump", "stop", {}, "takes the command `write`, not `stop`"),
        ):
            refused = plant.command(device, name, params)
            assert refused.state is State.REFUSED
            assert said in refused.answer.detail
        assert plant.command("plant:edge-1", "rebirth", {}).state is State.DONE
        wait_until(lambda: ASKED in edge.said)
    finally:
        edge.kill()
    assert plant.command("plant:edge-1:pump", "write", {"level": 1}, 1.0).state is State.EXPIRED  # nobody is there


@pytest.mark.timeout(120)
def test_a_write_that_was_sent_before_a_restart_ends_by_what_is_reported_after_it(tmp_path: Path, script: Path) -> None:
    if not have_mosquitto():
        pytest.skip("mosquitto isn't installed")
    broker = Broker("mosquitto", tmp_path / "broker")
    broker.start()
    url = f'brokers: {{plant: {{url: "mqtt://127.0.0.1:{broker.port}", subscribe: {{"spBv1.0/#": 1}}}}}}'
    plant = Plant(tmp_path, url)
    edge = Edge(script, broker.port)
    try:
        wait_until(lambda: plant.last(ALL[3]) == (True, Quality.GOOD))
        edge.tell("mute")
        plant.send("plant:edge-1:pump", "write", {"level": 9}, number="once")
        wait_until(lambda: any(one.startswith("written") for one in edge.said))
        plant.house.stop()
        edge.tell("obey")
        plant = Plant(tmp_path, url)
        wait_until(lambda: plant.house.node.edge.brokers[0].status().state == "working")
        edge.tell("data 4")  # whose birth this life doesn't know: it asks for one
        wait_until(lambda: ASKED in edge.said)
        wait_until(lambda: plant.stored("once").ended_ns)
        assert plant.stored("once").state is State.FAILED  # its birth reports 7: it never took it over
        assert sum(one.startswith("written") for one in edge.said) == 1
    finally:
        edge.kill()
        plant.house.stop()
        broker.kill()


def test_the_node_says_that_it_is_the_host_while_it_runs(tmp_path: Path) -> None:
    house = House(tmp_path, ", sparkplug_host: scada", profile="builtin:sparkplug")
    edge = Peer(house.port, "edge")
    edge.subscribe("spBv1.0/STATE/scada")
    wait_until(lambda: len(edge.heard) == 1)
    house.stop()
    wait_until(lambda: len(edge.heard) == 2)
    edge.client.loop_stop()
    said = [(one.topic, json.loads(one.payload)) for one in edge.heard]
    assert [(topic, state["online"]) for topic, state in said] == [
        ("spBv1.0/STATE/scada", True),
        ("spBv1.0/STATE/scada", False),
    ]
    assert 0 <= time.time() - said[1][1]["timestamp"] / 1000 < 60


@pytest.mark.timeout(120)
def test_a_node_whose_birth_was_missed_is_asked_once_and_then_read(place: tuple[Plant, int], script: Path) -> None:
    plant, port = place
    edge = Edge(script, port, "shy")
    try:
        wait_until(lambda: edge.said == ["connected", "shy"])
        for value in (1, 2, 3):
            edge.tell(f"data {value}")
        wait_until(lambda: plant.last(ALL[0]) == (20.5, Quality.GOOD))
        edge.tell("data 4")
        wait_until(lambda: plant.last(ALL[0]) == (4.0, Quality.GOOD))
        assert edge.said.count(ASKED) == 1
    finally:
        edge.kill()
