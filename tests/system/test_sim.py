"""The simulator against a broker and a client we didn't write: what a scenario says is what's on the wire."""

import contextlib
import itertools
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port
from tests.system.foreign.site import Broker, have_mosquitto
from tests.waiting import wait_until

from holdfast.sim.ends.publishing import on_the_wire
from holdfast.sim.site.loading import load_scenario, parse_time
from holdfast.sim.site.running import Stage
from holdfast.sim.tape.format import TapeReader

pytestmark = [pytest.mark.system, pytest.mark.skipif(not have_mosquitto(), reason="mosquitto isn't installed")]
ROOT = Path(__file__).parents[2]
START = "2026-01-05T06:00:00Z"
Heard = list[tuple[float, str, bytes]]


def words(*more: object) -> list[str]:
    return [sys.executable, "-m", "holdfast", "sim", *map(str, more)]


def sim(*more: object) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    return subprocess.Popen(words(*more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def done(process: subprocess.Popen[str], within_s: float = 30.0) -> str:
    out, err = process.communicate(timeout=within_s)
    assert process.returncode == 0, err
    return out


class Listener:
    """paho, subscribed to everything; knows when each message came."""

    def __init__(self, port: int, name: str = "listener") -> None:
        self.heard: Heard = []
        ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name)
        self.client.on_message = lambda _c, _u, m: self.heard.append((time.monotonic(), m.topic, bytes(m.payload)))
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_connect = lambda c, *_: c.subscribe("#", 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(10)

    def of(self, device: str) -> list[bytes]:
        return [payload for _, topic, payload in self.heard if topic.endswith(f"/{device}")]

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker("mosquitto", tmp_path / "broker")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    made = Listener(broker.port)
    yield made
    made.stop()


def scenario(folder: Path, port: int, groups: str, faults: str = "") -> Path:
    path = folder / "scenario.yaml"
    said = "\n".join(f"  {line}" for line in groups.replace("PORT", str(port)).splitlines())
    path.write_text(f"seed: 5\nstart: {START}\ngroups:\n{said}\nfaults:\n{faults or '  []'}\n")
    return path


FAULTS = """\
  - {kind: duplicates, devices: r-001, share: 0.3}
  - {kind: reordered, devices: r-002, share: 0.3}
  - {kind: dropout, devices: r-003, from: 5s, for: 5s}
  - {kind: stuck, devices: r-004, from: 5s, for: 10s}
  - {kind: clock_skew, devices: r-005, seconds: -90}
  - {kind: garbage, devices: r-006, from: 5s, for: 5s}
  - {kind: storm, devices: r-007, from: 5s, for: 2s, times: 20}
  - {kind: half_open, devices: r-008, from: 5s, for: 5s}
  - {kind: slow, devices: r-009, by: 1s}
  - {kind: drift, devices: r-010, points: temperature, step: 100, from: 10s}
"""
ROOMS = 'r: {model: room, count: 11, protocol: mqtt, end: {url: "mqtt://127.0.0.1:PORT"}}'


def bodies(raw: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(each) for each in raw]


def test_faults_are_on_the_wire_as_the_scenario_says(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    """20 s at five times the pace, heard by paho; their hash is the one that's told without a socket."""
    groups = f"{ROOMS}\np: {{model: pump, count: 4, protocol: sparkplug, end: {{url: 'mqtt://127.0.0.1:PORT'}}}}"
    path = scenario(tmp_path, broker.port, groups, FAULTS)
    told = json.loads(done(sim(path, "--seconds", 20, "--speed", 5, "--json")))
    assert json.loads(done(sim(path, "--seconds", 20, "--hash", "--json"))) == told
    sent = sum(protocol["frames"] for protocol in told["protocols"].values())
    wait_until(lambda: len(listener.heard) >= sent)
    expected: dict[str, list[bytes]] = defaultdict(list)
    stage = Stage(load_scenario(path), parse_time(START))
    for showing in stage.showings(20):
        expected[showing.device] += [said.payload for said in on_the_wire(showing.frames, showing.faults)]
    for device in (f"r-{n:03}" for n in range(1, 12)):
        payloads = expected[device]
        assert listener.of(device) == payloads, device
    start_ms = parse_time(START) // 10**6

    copies = [body["id"] for body in bodies(listener.of("r-001"))]
    assert len(copies) > len(set(copies)) == 20
    swapped = [body["id"] for body in bodies(listener.of("r-002"))]
    assert swapped != sorted(swapped)
    for device in ("r-003", "r-008"):
        seconds = [(body["ts"] - start_ms) / 1000 for body in bodies(listener.of(device))]
        assert len(seconds) == 15
        assert not [s for s in seconds if 5 <= s < 10]
    stuck = bodies(listener.of("r-004"))
    assert len({(b["temperature"], b["co2"], b["illuminance"]) for b in stuck if 5 <= b["id"] - 1 < 14}) == 1
    assert len({b["temperature"] for b in stuck}) > 3
    assert all(body["ts"] < start_ms - 70_000 for body in bodies(listener.of("r-005")))
    bad = 0
    for payload in listener.of("r-006"):
        try:
            json.loads(payload)
        except ValueError:
            bad += 1
    assert bad == 5
    assert len(listener.of("r-007")) == 20 + 2 * 19
    assert [body["temperature"] > 100 for body in bodies(listener.of("r-010"))].count(True) == 10

    late = defaultdict(list)
    for at, topic, payload in listener.heard:
        if topic[-5:] in ("r-009", "r-011"):
            late[topic[-5:]].append(at - json.loads(payload)["ts"] / 1000 / 5)
    assert 0.7 < statistics.median(late["r-009"]) - statistics.median(late["r-011"]) < 1.5
    log = (tmp_path / "broker" / "log").read_text()
    assert log.count("New client connected from 127.0.0.1") >= 12
    connected = {n: log.count(f" as sim-r-{n:03} ") for n in range(1, 12)}
    assert connected[3] == 2  # it was away, and came back
    assert connected[8] == 1  # half-open: its connection stayed
    assert connected[1] == 1


def test_ctrl_c_ends_it_cleanly_with_a_hash_that_can_be_made_again(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    process = sim(scenario(tmp_path, broker.port, ROOMS.replace("count: 11", "count: 11, every: 100ms")))
    wait_until(lambda: len(listener.heard) > 50)
    process.send_signal(signal.SIGINT)
    out = done(process)
    digest = out.split("sha256 ")[1].split()[0]
    again = shlex.split(out.split("again: holdfast sim ")[1])
    assert json.loads(done(sim(*again, "--json")))["sha256"] == digest
    assert "disconnected" in (tmp_path / "broker" / "log").read_text()


def test_a_broker_that_is_killed_and_returns_is_published_to_again(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    process = sim(scenario(tmp_path, broker.port, ROOMS.replace("count: 11", "count: 3, every: 100ms")), "--seconds", 4)
    wait_until(lambda: len(listener.heard) > 20)
    broker.kill()
    time.sleep(0.5)
    broker.start()
    after = Listener(broker.port, "after")
    try:
        done(process)
        for device in ("r-001", "r-002", "r-003"):
            wait_until(lambda: json.loads(after.of(device)[-1])["id"] == 40)  # noqa: B023  # awaited in this turn
            ids = {json.loads(payload)["id"] for payload in after.of(device)}
            assert ids == set(range(min(ids), 41))
    finally:
        after.stop()


def test_no_broker_and_a_wrong_scenario_are_told_with_what_to_do(tmp_path: Path) -> None:
    nowhere = sim(scenario(tmp_path, free_port(), ROOMS), "--seconds", 1)
    _, err = nowhere.communicate(timeout=30)
    assert nowhere.returncode == 1
    assert "nothing listens there: is the program started there, and is this its port?" in err
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("groups:\n  a: {model: rom, protocol: mqtt}\n")
    process = sim(wrong)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 78
    assert "wrong.yaml:2: groups.a.model: `rom` is no plant model" in err


def publish(port: int, pauses: list[float]) -> Heard:
    """Real traffic of a foreign client: binary payloads on several topics, with these pauses."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "plant")
    client.connect("127.0.0.1", port)
    client.loop_start()
    said: Heard = []
    for n, pause in enumerate(pauses):
        time.sleep(pause)
        topic, payload = f"plant/{n % 3}", bytes((n % 256,)) * (n % 50) + b"\x00\xff"
        said.append((time.monotonic(), topic, payload))
        client.publish(topic, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()
    return said


def recording(file: Path, port: int) -> subprocess.Popen[str]:
    """Once it says so, it's subscribed."""
    process = sim("record", file, "--from", f"mqtt://127.0.0.1:{port}")
    assert process.stderr is not None
    assert "recording #" in process.stderr.readline()
    return process


def test_real_traffic_is_recorded_and_replayed_byte_for_byte_with_its_pauses_scaled(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    file = tmp_path / "plant.tape"
    recorder = recording(file, broker.port)
    said = publish(broker.port, [0.0, *([0.02] * 20), 1.0, *([0.02] * 20)])
    wait_until(lambda: len(listener.heard) >= len(said))
    time.sleep(0.2)
    recorder.send_signal(signal.SIGTERM)
    assert f": {len(said)} messages in " in done(recorder)
    lasted = said[-1][0] - said[0][0]
    for speed in (1, 100):
        listener.heard.clear()
        told = json.loads(
            done(sim("replay", file, "--to", f"mqtt://127.0.0.1:{broker.port}", "--speed", speed, "--json"))
        )
        wait_until(lambda: len(listener.heard) >= len(said))
        assert [(t, p) for _, t, p in listener.heard] == [(t, p) for _, t, p in said]
        assert told["messages"] == told["acked"] == len(said)
        times = [at for at, _, _ in listener.heard]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        if speed == 1:
            assert times[-1] - times[0] == pytest.approx(lasted, abs=0.5)
            assert gaps.index(max(gaps)) == 20
            assert max(gaps) == pytest.approx(1.0, abs=0.3)
        else:
            assert times[-1] - times[0] < lasted / 5
        assert told["late_p50_s"] < 0.1


def test_a_recorder_that_is_killed_loses_no_more_than_its_last_second(tmp_path: Path, broker: Broker) -> None:
    file = tmp_path / "plant.tape"
    recorder = recording(file, broker.port)
    said = publish(broker.port, [0.01] * 50)
    time.sleep(1.3)
    more = publish(broker.port, [0.01] * 20)
    recorder.kill()
    recorder.communicate()
    with file.open("rb") as tape:
        reader = TapeReader(tape)
        found = [(r.topic, r.payload) for r in reader]
    every = [(t, p) for _, t, p in said + more]
    assert len(found) >= len(said)
    assert found == every[: len(found)]
    torn = file.read_bytes()[:-7]
    file.write_bytes(torn)
    process = sim("replay", file, "--to", f"mqtt://127.0.0.1:{broker.port}", "--speed", "max")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "are a torn block" in err


@pytest.mark.slow
def test_a_node_reads_the_whole_site_by_the_settings_that_are_written_for_it(tmp_path: Path) -> None:
    """Each protocol's values arrive under their metrics and units."""
    port, api = free_port(), free_port()
    end = "end: {url: 'mqtt://127.0.0.1:PORT'}"
    groups = (
        f"rooms: {{model: room, count: 3, protocol: mqtt, {end}}}\n"
        f"pumps: {{model: pump, count: 3, protocol: sparkplug, {end}}}\n"
        f"sensors: {{model: cold_store, count: 3, protocol: lorawan, {end}}}"
    )
    path = scenario(tmp_path, port, groups)
    path.write_text(path.read_text().replace(f"start: {START}", "start: now"))
    node = tmp_path / "site" / "node.yaml"
    done(sim(path, "--node", node))
    node.write_text(node.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{api}") + "journal: {ballast: 0MB}\n")
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with (tmp_path / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast", "run", str(node)], stdout=log, stderr=log, env=env
        )
    try:
        wait_until(lambda: answers(api))
        done(sim(path, "--seconds", 3))
        out = subprocess.run(
            [sys.executable, "-m", "holdfast", "last", str(node), "--json"], env=env, capture_output=True, check=True
        ).stdout
    finally:
        process.terminate()
        process.wait(30)
    found = json.loads(out)
    series = {row["series"]: row for row in found["series"]}
    for name, unit in (
        ("rooms-001/air.temperature", "Cel"), ("rooms-003/air.co2", "ppm"),
        ("sensors-002/store.temperature", "Cel"), ("sensors-001/electric.energy", "kWh"),
        ("sim:pumps:pumps-001/bearing.vibration", "m/s"), ("sim:pumps:pumps-003/shaft.speed", None),
    ):  # fmt: skip
        row = series[f"sim-site/{name}"]
        assert unit is None or row["unit"] == unit
        assert row["quality"] == "good"


def answers(port: int) -> bool:
    import urllib.request

    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/status", timeout=1).close()
        return True
    return False
