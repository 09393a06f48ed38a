"""A gateway with LoRaWAN codecs, fed by Mosquitto's client: hostile scripts, kill -9, metrics."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.system.test_gateway import Gateway, reading
from tests.unit.codecs.lorawan.servers import the_things

pytestmark = pytest.mark.system

PROFILES = """profiles:
  honest: {topic: "v3/honest/devices/{device}/up", version: 1, format: lorawan, codec: honest.js}
  hostile: {topic: "v3/hostile/devices/{device}/up", version: 1, format: lorawan, codec: hostile.js}
"""
HONEST = "function decodeUplink(input) { return { data: { temperature: input.bytes[0] } }; }"
HOSTILE = "function decodeUplink() { return { data: new Array(4294967295).join('') }; }"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    (tmp_path / "lorawan.yaml").write_text(PROFILES)
    (tmp_path / "honest.js").write_text(HONEST)
    (tmp_path / "hostile.js").write_text(HOSTILE)
    one = Gateway(tmp_path)
    settings = one.settings.read_text().replace(
        "profiles: ['builtin:rooms']", "profiles: ['builtin:rooms', lorawan.yaml]"
    )
    one.settings.write_text(settings)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


def metrics(gateway: Gateway) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.api}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def uplink(number: int) -> bytes:
    return the_things(bytes([number % 40]), count=number, session_key_id="s1", received_at=None)


def workers(gateway: Gateway) -> list[psutil.Process]:
    assert gateway.process is not None
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    return [p for p in children if "holdfast.codecs.lorawan.worker" in p.cmdline()]


def test_a_hostile_script_is_stopped_switched_off_and_counted_while_all_else_goes_on(gateway: Gateway) -> None:
    assert gateway.publish("v3/honest/devices/room/up", uplink(1)) == 0
    for number in range(5):
        assert gateway.publish("v3/hostile/devices/bad/up", uplink(number)) == 0
        assert gateway.publish("v3/honest/devices/room/up", uplink(10 + number)) == 0
        assert gateway.publish("acme/room-1/telemetry", reading(number)) == 0
    counted = gateway.counters()
    assert (counted["messages_accepted"], counted["messages_rejected.script"]) == (11, 5)
    seen = metrics(gateway)
    assert seen['holdfast_codec_script_failures_total{fault="time"}'] == 3
    assert seen['holdfast_codec_script_failures_total{fault="off"}'] == 2
    assert seen["holdfast_codec_scripts_switched_off_total"] == 1
    assert seen["holdfast_codec_scripts_off"] == 1
    assert "CodecSwitchedOff script=" in gateway.log()
    assert "3 failures in a row, the last: it ran longer than 250 ms of CPU time" in gateway.log()


def test_killed_workers_are_replaced_and_none_outlives_its_node(gateway: Gateway) -> None:
    assert gateway.publish("v3/honest/devices/room/up", uplink(1)) == 0
    assert gateway.publish("v3/honest/devices/room/up", uplink(2)) == 0
    for worker in workers(gateway):
        worker.kill()
    assert gateway.publish("v3/honest/devices/room/up", uplink(3)) == 0
    assert gateway.publish("v3/honest/devices/room/up", uplink(4)) == 0
    assert gateway.counters()["messages_accepted"] == 4
    orphans = workers(gateway)
    assert orphans
    assert gateway.process is not None
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait(10)
    deadline = time.monotonic() + 10
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in orphans):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_can_open_nothing_and_knows_nothing_of_the_nodes_environment(gateway: Gateway) -> None:
    assert gateway.publish("v3/honest/devices/room/up", uplink(1)) == 0
    (worker, *_) = workers(gateway)
    assert set(worker.environ()) <= {"PYTHONPATH", "LC_CTYPE", "TZ"}
    assert worker.num_fds() == 3
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    assert "Max open files            3" in limits
    assert "Max file size             0" in limits
