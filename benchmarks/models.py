"""From MQTT to `alerts/ml`, 1,000 series at 10 Hz through the pump autoencoder: `python -m benchmarks.models`; 2 min.

125 pumps send 8 sensors each, ten times a second, over 125 connections (QoS 1). After the 400 rows in which a pump's
baseline is learnt, each pump is disturbed for a second in turn. Said are: PUBACK latency with the models and without,
arrival → result as the node measures it, publish → `alerts/ml` as a subscriber sees it, CPU and memory of the node.

three: eleven of the pumps are judged by the other two models that ship, too, as if they were rooms and bearings.

    python -m benchmarks.models [--seconds 20] [--models pump|three|none] [--within 10ms] [--faults [--rounds 3]]

faults: PUBACKs beside models that never return or fail, by turns with one that is well (`benchmarks.model_faults`)
within: `intake.decide_within`: how long messages gather before they're decided; the default is 2 ms.
"""

import argparse
import json
import selectors
import socket
import struct
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.processes import free_port, python, running, wait_for_port

PUMPS, HZ, LEARN_S = 125, 10, 42.0
SENSORS = ("accelerometer1", "accelerometer2", "current", "pressure", "temperature", "thermocouple", "voltage", "flow")
USUAL = np.array([0.027, 0.040, 2.0, 0.05, 66.0, 25.0, 232.0, 32.0])
SPREAD = np.array([0.0005, 0.0006, 0.4, 0.25, 0.3, 0.05, 6.0, 0.5])
_PROFILE = """profiles:
  pumps:
    topic: pumps/{device}
    version: 1
    time: {field: ts, unit: ns}
    fields:
%s
"""
_PUMP = "    pump: {model: 'builtin:pump-anomaly', record: [score, label, ms], alert: {when: 'score > 3'}}\n"
_SOME = "from: \"readings where device like 'p10%'\""
_OTHERS = (
    f"    room: {{model: 'builtin:occupancy', {_SOME}, record: [label], "
    "inputs: {air.co2: pressure, light.illuminance: current, air.temperature: temperature, air.humidity: flow}}\n"
    f"    bearing: {{model: 'builtin:bearing-fault', {_SOME}, record: [label], "
    "inputs: {acceleration.x: accelerometer1, shaft.speed: voltage}}\n"
)
_MODELS = {"none": "", "pump": _PUMP, "three": _PUMP + _OTHERS}


def node(folder: Path, which: str, within: str = "2ms") -> tuple[Path, int, int]:
    mqtt, api = free_port(), free_port()
    fields = "\n".join(f"      {name}: {{metric: {name}}}" for name in SENSORS)
    (folder / "profiles.yaml").write_text(_PROFILE % fields)
    models = f"models:\n  deploy:\n{_MODELS[which]}" if _MODELS[which] else ""
    (folder / "node.yaml").write_text(
        f'node: gw\nmqtt: {{listen: "127.0.0.1:{mqtt}", anonymous: true}}\napi: {{listen: "127.0.0.1:{api}"}}\n'
        f"profiles: [profiles.yaml]\njournal: {{ballast: 0MB}}\n"
        f"intake: {{decide_within: {within}}}\n{models}"
    )
    return folder / "node.yaml", mqtt, api


def connect(port: int, name: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack(">H", len(name)) + name.encode()
    sock.sendall(b"\x10" + bytes([len(body)]) + body)
    sock.recv(4, socket.MSG_WAITALL)
    sock.setblocking(False)
    return sock


def packet(device: str, number: int, values: np.ndarray) -> bytes:
    payload = json.dumps({"ts": time.time_ns(), **dict(zip(SENSORS, map(float, values), strict=True))}).encode()
    topic = f"pumps/{device}".encode()
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", number) + payload
    n, size = len(body), b""
    while True:
        size += bytes([n % 128 | (128 if n > 127 else 0)])
        n //= 128
        if not n:
            return b"\x32" + size + body


class Fleet:
    """All pumps, evenly spaced in time."""

    def __init__(self, port: int) -> None:
        self.sockets = [connect(port, f"pump-{i}") for i in range(PUMPS)]
        self.wait = selectors.DefaultSelector()
        for i, sock in enumerate(self.sockets):
            self.wait.register(sock, selectors.EVENT_READ, i)
        self.rng = np.random.default_rng(1)
        self.sent_at: dict[tuple[int, int], float] = {}
        self.acks: list[float] = []
        self.late = 0.0
        self.odd: float | None = None
        """What the first pump's current is instead."""

    def play(self, seconds: float, *, disturbed: bool) -> None:
        began, sent = time.monotonic(), 0
        rate = PUMPS * HZ
        while (passed := time.monotonic() - began) < seconds:
            if sent < passed * rate:
                self._send(sent, passed, disturbed=disturbed)
                self.late = max(self.late, passed - sent / rate)
                sent += 1
            else:
                self._read(max(0.0, sent / rate - passed))

    def _send(self, sent: int, passed: float, *, disturbed: bool) -> None:
        pump, number = sent % PUMPS, sent // PUMPS % 60_000 + 1
        values = USUAL + SPREAD * self.rng.standard_normal(len(SENSORS))
        if disturbed and int(passed * PUMPS / 4) % PUMPS in range(pump - 15, pump + 15):
            values += 25 * SPREAD
        if self.odd is not None and not pump:
            values[SENSORS.index("current")] = self.odd
        self.sent_at[pump, number] = time.monotonic()
        self.sockets[pump].send(packet(f"p{pump}", number, values))

    def _read(self, within: float) -> None:
        for key, _ in self.wait.select(within):
            data = key.fileobj.recv(4096)  # type: ignore[union-attr]  # sockets
            now = time.monotonic()
            for at in range(0, len(data) - 3, 4):
                number = int.from_bytes(data[at + 2 : at + 4])
                self.acks.append(now - self.sent_at.pop((key.data, number), now))


def alerts(port: int, found: list[float]) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2)

    def heard(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        found.append((time.time_ns() - json.loads(message.payload)["ts"]) / 1e9)

    client.on_message = heard
    client.connect("127.0.0.1", port)
    client.subscribe("alerts/ml")
    client.loop_start()
    return client


def quantiles(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1e3
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(seconds)}"


def metrics(api: int, name: str) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{api}/metrics", timeout=20) as answer:
        return [line for line in answer.read().decode().splitlines() if line.startswith(name)]


def run(which: str, seconds: float, within: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings, mqtt, api = node(Path(folder), which, within)
        with running(*python("holdfast", "run", str(settings)), log=Path(folder) / "log") as process:
            wait_for_port(mqtt)
            time.sleep(3)
            fleet, heard = Fleet(mqtt), list[float]()
            client = alerts(mqtt, heard)
            fleet.play(LEARN_S, disturbed=False)
            fleet.acks.clear()
            heard.clear()
            fleet.late = 0.0
            usage = psutil.Process(process.pid)
            before, began = usage.cpu_times(), time.monotonic()
            fleet.play(seconds, disturbed=True)
            after, took = usage.cpu_times(), time.monotonic() - began
            busy = (after.user + after.system - before.user - before.system) / took
            print(f"{which}: PUBACK {quantiles(fleet.acks)}; alerts/ml {quantiles(heard)}")
            rss = usage.memory_info().rss / 2**20
            print(f"  node: {busy:.2f} of a core, {rss:.0f} MiB; sender late {fleet.late:.3f} s")
            for name in ("holdfast_model_latency_seconds", "holdfast_model_rows_s", "holdfast_model_batch_rows"):
                for line in metrics(api, name):
                    print("  " + line.removeprefix("holdfast_"))
            client.loop_stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--models", choices=tuple(_MODELS), default="")
    parser.add_argument("--within", default="2ms")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.faults:
        from benchmarks import model_faults  # noqa: PLC0415  # it builds on this module

        model_faults.main(args.seconds, args.rounds, args.within)
        return
    for which in (args.models,) if args.models else ("none", "pump"):
        run(which, args.seconds, args.within)


if __name__ == "__main__":
    main()
