"""Devices that raise or clear an alert with every message, and a watcher of when each reaches the hub's journal.

python -m benchmarks.alarm PORT RATE: publishes until SIGTERM, then prints how many messages were acknowledged. Each of
`DEVICES` is hot and cold by turns, so that every message is an event; its ts is when it was published.
"""

import contextlib
import json
import selectors
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from benchmarks.messages import connect_packet, varint
from holdfast.journal.blobs import decode_events
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.reader import JournalReader
from holdfast.model.lane import Lane

RULES = """rules:
  benchmark-alarm:
    select: air.temperature
    from: readings where device like 'alarm-%'
    when: air.temperature > 60
    severity: critical
"""
_POLL_S = 0.004
DEVICES = 40


def packet(number: int) -> bytes:
    """The `number`-th QoS 1 PUBLISH of all, stamped now."""
    now_ms = time.time_ns() // 1_000_000
    topic = f"acme/alarm-{number % DEVICES:03d}/telemetry".encode()
    temperature = 20.5 if number // DEVICES % 2 else 80.5
    stamp = f"{now_ms // 1000}.{now_ms % 1000:03d}"
    payload = f'{{"id":{number},"ts":{stamp},"temp_c":{temperature},"hum":40.0,"lux":1.0,"co2":500.0,"occ":true}}'
    body = len(topic).to_bytes(2, "big") + topic + (number % 65535 + 1).to_bytes(2, "big") + payload.encode()
    return b"\x32" + varint(len(body)) + body


class Watcher(threading.Thread):
    """Polls the hub's journal file for new rows of lane 0; latency is from publishing to seeing the row, polled."""

    def __init__(self, hub: Path) -> None:
        super().__init__(daemon=True)
        self._path = hub / FILE_NAME
        self._over = threading.Event()
        self.latencies_ms: list[float] = []
        self.seen_at: list[float] = []

    def run(self) -> None:
        reader = JournalReader(self._path)
        after = reader.heads()[Lane.CRITICAL]
        while not self._over.wait(_POLL_S):
            for group in reader.read(Lane.CRITICAL, after, 10_000):
                now = time.time_ns()
                after = group.last
                events = decode_events(group.blob)
                self.latencies_ms += [(now - e.ts) / 1e6 for e in events]
                self.seen_at += [time.monotonic()] * len(events)
        reader.close()

    def stop(self) -> None:
        self._over.set()
        self.join()


def publish(port: int, rate: float) -> int:
    """Publish at `rate` until SIGTERM; returns the PUBACKs."""
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(connect_packet("alarms"))
    sock.recv(4, socket.MSG_WAITALL)
    sock.setblocking(False)
    wait = selectors.DefaultSelector()
    wait.register(sock, selectors.EVENT_READ)
    sent = acks = 0
    due = time.monotonic()
    until = None
    while until is None or (acks < 4 * sent and time.monotonic() < until):
        if over and until is None:
            until = time.monotonic() + 5
        if until is None and time.monotonic() >= due:
            with contextlib.suppress(BlockingIOError):
                sock.send(packet(sent))
                sent += 1
            due += 1 / rate
        for _ in wait.select(max(0.0, min(due - time.monotonic(), 0.05))):
            acks += len(sock.recv(65536))
    return acks // 4


if __name__ == "__main__":
    print(json.dumps({"acked": publish(int(sys.argv[1]), float(sys.argv[2]))}))
