"""Closed-loop QoS 1 load: N connections, each with a window of unacknowledged messages. Prints one JSON line.

python -m benchmarks.load --port 1883 --devices 100 --window 20 --seconds 10 --warm 2
"""

import argparse
import json
import selectors
import socket
import time
from dataclasses import dataclass, field

import numpy as np

from benchmarks.messages import Device, connect_packet, make_device

BLOCK = 400


@dataclass
class Connection:
    device: Device
    sock: socket.socket
    window: int
    block: memoryview = field(default_factory=lambda: memoryview(b""))
    credit: int = 0
    acked: int = 0
    spare: int = 0
    out: memoryview = field(default_factory=lambda: memoryview(b""))


def dial(device: Device, port: int, window: int) -> Connection:
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(connect_packet(f"load-{device.number}"))
    answer = sock.recv(4, socket.MSG_WAITALL)
    if answer[:1] != b"\x20" or answer[3] != 0:
        raise SystemExit(f"CONNACK {answer!r}")
    sock.setblocking(False)
    return Connection(device, sock, window, credit=window)


class Load:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rng = np.random.default_rng(1)
        self.wait = selectors.EpollSelector()
        self.connections = [dial(make_device(n), args.port, args.window) for n in range(args.devices)]
        for c in self.connections:
            self.wait.register(c.sock, selectors.EVENT_READ, c)

    def push(self, c: Connection) -> None:
        """Send as many messages as the window allows."""
        size = c.device.packet_bytes
        while c.credit:
            if not len(c.block):
                now_ms = time.time_ns() // 1_000_000
                c.block = memoryview(c.device.block(BLOCK, now_ms, self.rng).tobytes())
            count = min(c.credit, len(c.block) // size)
            c.out, c.block = c.block[: count * size], c.block[count * size :]
            c.credit -= count
            if not self.flush(c):
                return

    def flush(self, c: Connection) -> bool:
        while len(c.out):
            try:
                c.out = c.out[c.sock.send(c.out) :]
            except BlockingIOError:
                self.wait.modify(c.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, c)
                return False
        return True

    def pull(self, c: Connection) -> None:
        """Count PUBACKs: each is four bytes."""
        data = c.sock.recv(65536)
        if not data:
            raise SystemExit("the broker closed a connection")
        acks, c.spare = divmod(c.spare + len(data), 4)
        c.acked += acks
        c.credit += acks

    def run(self) -> dict[str, float]:
        args = self.args
        start = time.monotonic()
        marks: list[tuple[float, int]] = []
        for c in self.connections:
            self.push(c)
        end = start + args.warm + args.seconds
        while (now := time.monotonic()) < end:
            if now - start >= args.warm and not marks:
                marks.append((now, self.acked))
            for key, events in self.wait.select(0.05):
                c = key.data
                if events & selectors.EVENT_WRITE and self.flush(c):
                    self.wait.modify(c.sock, selectors.EVENT_READ, c)
                if events & selectors.EVENT_READ:
                    self.pull(c)
                if not len(c.out) and 2 * c.credit >= c.window:
                    self.push(c)
        marks.append((time.monotonic(), self.acked))
        (t0, n0), (t1, n1) = marks
        self.settle()
        sent = sum(c.device.sent - len(c.block) // c.device.packet_bytes for c in self.connections)
        cpu = time.process_time()
        return {"per_s": (n1 - n0) / (t1 - t0), "acked": self.acked, "sent": sent, "load_cpu_s": cpu}

    @property
    def acked(self) -> int:
        return sum(c.acked for c in self.connections)

    def settle(self) -> None:
        """Wait for the last acks, so that sent == acked."""
        deadline = time.monotonic() + 10
        while any(len(c.out) or c.credit < c.window for c in self.connections) and time.monotonic() < deadline:
            for key, _ in self.wait.select(0.1):
                self.pull(key.data)
                self.flush(key.data)
            for c in self.connections:
                self.flush(c)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm", type=float, default=2)
    print(json.dumps(Load(parser.parse_args()).run()))


if __name__ == "__main__":
    main()
