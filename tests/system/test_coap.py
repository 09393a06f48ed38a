"""CoAP with libcoap on the other side: pushed, observed, written; killed, frozen, slowed, flooded, lied to."""

import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cbor2
import psutil
import pytest
from tests.system.coap_site import CoapNode, LibcoapServer, Pusher, SlowCable, have_libcoap, libcoap
from tests.unit.adapters.coap.doubles import FORMAT, block1, request
from tests.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.skipif(not have_libcoap(), reason="libcoap3-bin isn't installed")]
LISTEN = "coap:\n  field: {listen: '127.0.0.1:PORT', rate: 0}\n"
DEVICES = """coap:
  field: {listen: '127.0.0.1:PORT'}
  lab:
    maps:
      libcoap:
        points:
          clock: {path: time, metric: lab.clock, type: text}
          goal: {path: example_data, metric: lab.goal, unit: Cel, min: 5, max: 40, writable: true}
    devices:
      bench: {url: 'coap://127.0.0.1:%d', map: libcoap, every: 300ms, timeout: 1500ms, observe: true}
"""
GOAL, CLOCK = "bench/lab.goal", "bench/lab.clock"


@contextmanager
def running(node: CoapNode) -> Iterator[CoapNode]:
    node.start()
    try:
        yield node
        assert node.stop() == 0, node.log()
    finally:
        node.kill()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[LibcoapServer]:
    server = LibcoapServer(tmp_path)
    server.start()
    libcoap("-m", "put", "-t", "0", "-e", "21.5", f"{server.url}/example_data")
    yield server
    server.kill()


def test_what_libcoap_pushes_arrives_canonical_with_unit_and_quality(tmp_path: Path) -> None:
    with running(CoapNode(tmp_path, LISTEN)) as node:
        url = f"coap://127.0.0.1:{node.coap}"
        pack = '[{"bn":"urn:dev:ow:1:","n":"t","u":"Cel","v":21.5},{"n":"open","vb":true}]'
        assert "2.04" in libcoap("-v", "6", "-m", "put", "-t", "110", "-e", pack, f"{url}/senml")
        (tmp_path / "pack").write_bytes(cbor2.dumps([{-2: "urn:dev:ow:2:", 0: "t", 1: "K", 2: 300.0}]))
        assert "2.04" in libcoap("-v", "6", "-m", "post", "-t", "112", "-f", str(tmp_path / "pack"), f"{url}/senml")
        room = f'{{"id":1,"ts":{time.time():.3f},"temp_c":90,"hum":40,"lux":1,"co2":500,"occ":true}}'
        assert "2.04" in libcoap("-v", "6", "-m", "put", "-t", "50", "-e", room, f"{url}/acme/room/telemetry")
        assert node.value("urn:dev:ow:1/t") == (21.5, "Cel", "good")
        assert node.value("urn:dev:ow:1/open") == (True, "", "good")
        assert node.value("urn:dev:ow:2/t") == (300, "K", "good")
        assert node.value("room/air.temperature") == (90, "Cel", "bad")
        assert "4.15" in libcoap("-v", "6", "-m", "put", "-t", "41", "-e", "<x/>", f"{url}/senml")
        assert '</>;if="holdfast.push"' in libcoap(f"{url}/.well-known/core")


def test_a_pack_of_50_kb_comes_in_blocks_over_a_lossy_link_and_is_stored_once(tmp_path: Path) -> None:
    with running(CoapNode(tmp_path, LISTEN)) as node:
        records = ",".join(f'{{"n":"m{i}","u":"Cel","v":{i}}}' for i in range(1_800))
        (tmp_path / "pack").write_text(f'[{{"bn":"urn:dev:ow:big:"}},{records}]')
        assert (tmp_path / "pack").stat().st_size > 50_000
        said = libcoap(
            *("-l", "5", "-v", "6", "-m", "put", "-t", "110", "-f", str(tmp_path / "pack")),
            f"coap://127.0.0.1:{node.coap}/senml",
        )
        assert "2.04" in said
        assert node.value("urn:dev:ow:big/m1799") == (1799, "Cel", "good")
        assert len(node.stored("m7")) == 1
        assert node.metrics()['holdfast_coap_messages_total{link="field",result="stored"}'] == 1


def test_libcoap_s_resources_are_observed_and_polled_and_written_with_read_back(
    tmp_path: Path, bench: LibcoapServer
) -> None:
    with running(CoapNode(tmp_path, DEVICES % bench.port)) as node:
        wait_until(lambda: node.value(GOAL) == (21.5, "Cel", "good"))
        wait_until(lambda: len(node.stored("lab.clock")) >= 3)  # every second, by notifications
        done = node.command("bench", goal=23.5)
        assert (done["state"], done["result"]) == ("done", {"goal": 23.5})
        assert libcoap(f"{bench.url}/example_data").strip() == "23.5"
        wait_until(lambda: node.value(GOAL) == (23.5, "Cel", "good"))
        refused = node.command("bench", goal=99)
        assert refused["state"] == "refused"
        assert "outside of 5 to 40" in refused["detail"]
        assert node.command("bench", clock="x")["state"] == "refused"


@pytest.mark.parametrize(("how", "observe"), [("killed", "true"), ("frozen", "false")])
def test_a_device_that_is_killed_or_frozen_is_offline_and_comes_back_while_others_go_on(
    tmp_path: Path, bench: LibcoapServer, how: str, observe: str
) -> None:
    settings = (DEVICES % bench.port).replace("observe: true", f"observe: {observe}")
    with running(CoapNode(tmp_path, settings)) as node:
        wait_until(lambda: node.value(GOAL) == (21.5, "Cel", "good"))
        bench.kill() if how == "killed" else bench.send(signal.SIGSTOP)
        wait_until(lambda: node.newest()[GOAL]["reason"] == "offline")
        assert node.device("coap:lab")["state"] == "failing"
        assert node.adapter("coap:lab")["state"] == "working"  # the link does its work: the device doesn't
        url = f"coap://127.0.0.1:{node.coap}"
        began = time.monotonic()
        pack = '[{"bn":"urn:dev:ow:1:","n":"t","v":1}]'
        assert "2.04" in libcoap("-v", "6", "-m", "put", "-t", "110", "-e", pack, f"{url}/senml")
        assert time.monotonic() - began < 3
        if how == "killed":
            bench.start()
            libcoap("-m", "put", "-t", "0", "-e", "24.5", f"{bench.url}/example_data")
        else:
            bench.send(signal.SIGCONT)
        back = 24.5 if how == "killed" else 21.5
        wait_until(lambda: node.value(GOAL) == (back, "Cel", "good"))
        wait_until(lambda: node.device("coap:lab")["state"] == "working")


def test_a_slow_device_is_heard_late_and_is_not_offline(tmp_path: Path, bench: LibcoapServer) -> None:
    cable = SlowCable(bench.port)
    try:
        with running(CoapNode(tmp_path, DEVICES % cable.port)) as node:
            wait_until(lambda: node.value(GOAL) == (21.5, "Cel", "good"))
            cable.delay_s = 0.35
            libcoap("-m", "put", "-t", "0", "-e", "25.5", f"{bench.url}/example_data")
            wait_until(lambda: node.value(GOAL) == (25.5, "Cel", "good"))
            assert node.device("coap:lab")["failures"] == 0
    finally:
        cable.cut()


def test_after_kill_9_under_load_everything_answered_2_04_is_there_once(tmp_path: Path) -> None:
    node, rng = CoapNode(tmp_path, LISTEN), random.Random(3)
    node.start()
    pusher = Pusher(node.coap)
    try:
        for _ in range(2):
            seen = len(pusher.stored)
            wait_until(lambda: len(pusher.stored) > seen + 200)  # noqa: B023  # awaited in this turn
            time.sleep(rng.random() / 10)
            node.kill()
            node.start()
    finally:
        pusher.finish()
        assert node.stop() == 0
    stored = [int(value) for value in node.stored("air.co2")]
    assert len(pusher.stored) > 400
    assert sorted(stored) == sorted(pusher.stored)  # nothing lost; what was sent again has its id, so nothing doubled


def test_lies_floods_and_half_sent_bodies_do_not_stop_the_node_nor_fill_it(tmp_path: Path) -> None:
    settings = "coap:\n  field: {listen: '127.0.0.1:PORT', rate: 2000, half_sent: 2MiB}\n"
    with running(CoapNode(tmp_path, settings)) as node:
        assert node.process is not None
        rng, process = random.Random(11), psutil.Process(node.process.pid)
        sound = [request(1, extra=FORMAT[110]), request(2, extra=block1(0, more=True, szx=6), payload=b"x" * 1024)]
        began = process.memory_info().rss
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
            liar.connect(("127.0.0.1", node.coap))
            for number in range(20_000):
                data = bytearray(rng.choice(sound) if number % 4 else rng.randbytes(rng.randrange(80)))
                data[2:4] = number.to_bytes(2, "big")
                for _ in range(rng.randrange(3)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
                try:
                    liar.send(data)
                except ConnectionRefusedError:
                    raise AssertionError(node.log()) from None
                if number % 100 == 0:
                    time.sleep(0.01)
        pack = '[{"bn":"urn:dev:ow:sane:","n":"t","v":1}]'
        assert "2.04" in libcoap(
            *("-a", "127.0.0.3", "-v", "6", "-m", "put", "-t", "110", "-e", pack), f"coap://127.0.0.1:{node.coap}/senml"
        )
        found = node.metrics()
        assert found['holdfast_coap_messages_total{link="field",result="malformed"}'] > 1_000
        assert found['holdfast_coap_half_sent_bytes{link="field"}'] <= 2 * 1024 * 1024
        assert process.memory_info().rss - began < 60 * 1024 * 1024
        assert "Traceback" not in node.log()
