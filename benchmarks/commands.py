"""How long from a reading to the command that a rule makes of it, at the device, under load.

    python -m benchmarks.commands [--rate 10000] [--seconds 20] [--alert] [--rules 100]

A gateway with one rule takes `rate` messages/s from 100 other devices. Beside them one device sends a hot reading and
waits for its command at its own MQTT session (QoS 1), acknowledges and answers it, then cools down; so each latency is
from before the reading's send to after the command's receipt, on this machine. At the end every command must be on
disk, each with the answer it got. With --alert the rule publishes its event instead: what the same way costs without a
command. With --rules so many other rules look at every device: limits, windows of samples and of time by turns.
"""

import argparse
import json
import os
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.messages import connect_packet, varint
from benchmarks.options import percentiles
from benchmarks.processes import free_port, python, running, wait_for_port
from holdfast.journal import commanded
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.reader import JournalReader

RULES = """rules:
  trip:
    select: air.temperature
    from: readings where device = 'hotplate'
    when: air.temperature > 60
    severity: critical
    do: [%s]
"""
COMMAND = '{command: {device: "{device}", name: stop, params: {because: "{rule}"}, deadline: 60s}}'
ALERT = '{publish: "devices/{device}/commands/alert"}'
OTHERS = (
    "select: 'air.temperature as x', when: x > {limit}",
    "select: 'avg(air.humidity) as x', window: sliding {n} samples, when: x > {limit}, for: 3 samples",
    "select: 'max(air.co2) as x', window: tumbling {n}s, when: x > {limit}",
    "select: 'light.illuminance as x', when: x > {limit}, for: 2 samples",
)
"""Rules whose limits nothing passes."""
PAUSE_S = 0.02
WARM_S = 2.0
PROFILE = "builtin:rooms"


def others(count: int) -> str:
    """The text of so many further rules."""
    lines = [OTHERS[i % len(OTHERS)].format(limit=100_000 + i, n=5 + i % 7) for i in range(count)]
    return "".join(f"  other-{i}: {{{line}}}\n" for i, line in enumerate(lines))


class Hotplate:
    """The device: one socket, MQTT 3.1.1, read whole packets at a time."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.sendall(connect_packet("hotplate"))
        self._read()
        wanted = b"devices/hotplate/commands/+"
        self._sock.sendall(b"\x82" + varint(5 + len(wanted)) + b"\0\x01" + _text(wanted) + b"\x01")
        self._read()
        self._number = 0

    def _read(self) -> tuple[int, bytes]:
        first = self._exactly(1)[0]
        length = shift = 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._sock.recv(count - len(data))
            if not piece:
                raise SystemExit("the gateway closed the connection")
            data += piece
        return data

    def publish(self, topic: str, payload: str) -> None:
        self._number = self._number % 65_535 + 1
        body = _text(topic.encode()) + self._number.to_bytes(2, "big") + payload.encode()
        self._sock.sendall(b"\x32" + varint(len(body)) + body)

    def reading(self, temperature: float) -> None:
        rest = '"hum":40.0,"lux":1.0,"co2":500.0,"occ":true'
        self.publish(
            "acme/hotplate/telemetry", f'{{"id":{self._number},"ts":{time.time():.6f},"temp_c":{temperature},{rest}}}'
        )

    def command(self) -> tuple[str, str]:
        """Wait for the next command: its topic and its id; acknowledged."""
        while True:
            first, body = self._read()
            if first >> 4 == 3:
                size = int.from_bytes(body[:2], "big")
                self._sock.sendall(b"\x40\x02" + body[2 + size : 4 + size])
                return body[2 : 2 + size].decode(), json.loads(body[4 + size :])["id"]


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def measure(port: int, seconds: float, *, is_alert: bool) -> tuple[list[float], list[str]]:
    """Milliseconds from reading to command, and the commands' ids."""
    plate, found, ids = Hotplate(port), list[float](), list[str]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        plate.reading(80.5)
        topic, number = plate.command()
        found.append((time.perf_counter() - began) * 1e3)
        ids.append(number)
        if is_alert:
            plate.reading(20.5)
            plate.command()  # the event that it's over
        else:
            plate.publish(f"{topic}/result", '{"status":"done"}')
            plate.reading(20.5)
        time.sleep(PAUSE_S)
    time.sleep(1.0)
    return found, ids


def main() -> None:
    """Run, and print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--alert", action="store_true")
    parser.add_argument("--rules", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "rules.yaml").write_text(RULES % (ALERT if args.alert else COMMAND) + others(args.rules))
        (folder / "gw.yaml").write_text(
            f"node: gw\nmqtt: {{listen: '127.0.0.1:{port}', anonymous: true}}\n"
            f"profiles: ['{PROFILE}']\nrules: [rules.yaml]\n"
        )
        with running(*python("holdfast.node", str(folder / "gw.yaml")), log=folder / "gw.log", env=dict(os.environ)):
            wait_for_port(port)
            words = [str(port), "100", str(args.rate), str(args.seconds + 2 * WARM_S)]
            with running(*python("benchmarks.pace", *words), stdout=subprocess.PIPE) as pace:
                time.sleep(WARM_S)
                found, ids = measure(port, args.seconds, is_alert=args.alert)
                assert pace.stdout is not None
                sent = json.loads(pace.stdout.read())
        reader = JournalReader(folder / "data" / FILE_NAME)
        rows = {row.command.id: row for row in reader.look(lambda db: commanded.past(db, "", "", 1 << 40, 1_000_000))}
        reader.close()
    states = Counter(rows[number].state.value if number in rows else "lost" for number in ids)
    print(json.dumps({"commands": len(ids), "states": states, **percentiles(found, "ms"), "load": sent}))


if __name__ == "__main__":
    main()
