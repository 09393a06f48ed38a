"""Load of N connections, each with a window of unfinished messages; for a listener's QoS 0, an open tap.

QoS 1 counts PUBACKs, QoS 2 PUBCOMPs. QoS 0 has no answer: as many as the sockets take are sent, `window` in a
write, and who receives them counts. Prints one JSON line; t0 and t1 are CLOCK_MONOTONIC, the same for all processes.

python -m benchmarks.load --port 1883 --devices 100 --window 20 --seconds 10 --warm 2 [--qos 2 --keep --small]
"""

import argparse
import json
import select
import socket
import time
from dataclasses import dataclass, field

import numpy as np

from benchmarks.messages import Device, connect_packet, make_device

BLOCK = 400
_READ, _WRITE = select.EPOLLIN, select.EPOLLOUT
_OPEN_TAP_BUFFER = 32 * 1024  # of a QoS 0 connection: what waits in sockets isn't received
_PUBCOMP = 0x70


@dataclass
class Connection:
    device: Device
    sock: socket.socket
    window: int
    block: memoryview = field(default_factory=lambda: memoryview(b""))
    credit: int = 0
    acked: int = 0
    rest: bytes = b""
    out: memoryview = field(default_factory=lambda: memoryview(b""))


def dial(device: Device, args: argparse.Namespace) -> Connection:
    sock = socket.create_connection(("127.0.0.1", args.port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not args.qos:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _OPEN_TAP_BUFFER)
    sock.sendall(connect_packet(f"load-{device.number}", clean=not args.keep))
    return Connection(device, sock, args.window, credit=args.window)


def greeted(c: Connection) -> Connection:
    """CONNACK came."""
    answer = c.sock.recv(4)
    if answer[:1] != b"\x20" or answer[3] != 0:
        raise SystemExit(f"CONNACK {answer!r}")
    c.sock.setblocking(False)
    return c


class Load:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rng = np.random.default_rng(1)
        self.wait = select.epoll()
        self.block = min(BLOCK, max(args.window, 80_000 // args.devices))
        fleet = [make_device(n, args.qos, is_small=args.small) for n in range(args.devices)]
        dialled = [dial(device, args) for device in fleet]  # a round trip each would take a minute on a busy machine
        self.connections = {c.sock.fileno(): greeted(c) for c in dialled}
        for fd in self.connections:
            self.wait.register(fd, _READ if args.qos else _READ | _WRITE)

    def push(self, c: Connection) -> None:
        """Send as many messages as the window allows."""
        size = c.device.packet_bytes
        while c.credit:
            if not len(c.block):
                now_ms = time.time_ns() // 1_000_000
                c.block = memoryview(c.device.block(self.block, now_ms, self.rng).tobytes())
            count = min(c.credit, len(c.block) // size)
            now, c.block = c.block[: count * size], c.block[count * size :]
            c.out = memoryview(bytes(c.out) + now) if len(c.out) else now
            c.credit -= count
            if not self.flush(c):
                return

    def flush(self, c: Connection) -> bool:
        while len(c.out):
            try:
                c.out = c.out[c.sock.send(c.out) :]
            except BlockingIOError:
                self.wait.modify(c.sock.fileno(), _READ | _WRITE)
                return False
        return True

    def pull(self, c: Connection) -> None:
        """Count what is finished: all packets that come are four bytes."""
        data = c.sock.recv(65536)
        if not data:
            raise SystemExit("the broker closed a connection")
        if c.rest or len(data) & 3:
            data = c.rest + data
            whole = len(data) & ~3
            data, c.rest = data[:whole], data[whole:]
        done = len(data) // 4
        if self.args.qos == 2:
            done = self.release(c, data)
        c.acked += done
        c.credit += done

    def release(self, c: Connection, data: bytes) -> int:
        """PUBREL for each PUBREC; how many PUBCOMPs there were."""
        kinds = data[::4]
        done = kinds.count(_PUBCOMP)
        if done < len(kinds):
            answer = bytearray(data)
            if done:
                answer = bytearray().join(data[4 * i : 4 * i + 4] for i, kind in enumerate(kinds) if kind != _PUBCOMP)
            answer[::4] = b"\x62" * (len(kinds) - done)
            c.out = memoryview(bytes(c.out) + answer)
        return done

    def turn(self) -> None:
        for fd, events in self.wait.poll(0.05):
            c = self.connections[fd]
            if events & _WRITE and self.flush(c) and self.args.qos:
                self.wait.modify(fd, _READ)
            if events & _READ:
                self.pull(c)
            if not self.args.qos and not len(c.out):
                c.credit = c.window
            if not len(c.out) and 2 * c.credit >= c.window:
                self.push(c)
            elif len(c.out):
                self.flush(c)

    def run(self) -> dict[str, float]:
        args = self.args
        marks: list[tuple[float, int, float]] = []
        for c in self.connections.values():
            self.push(c)
        start = time.monotonic()
        end = start + args.warm + args.seconds
        while (now := time.monotonic()) < end:
            if now - start >= args.warm and not marks:
                marks.append((now, self.acked, time.process_time()))
            self.turn()
        if not marks:
            raise SystemExit("the machine is too busy: the load generator got no time to measure in")
        marks.append((time.monotonic(), self.acked, time.process_time()))
        (t0, n0, cpu0), (t1, n1, cpu1) = marks
        if args.qos:
            self.settle()
        sent = sum(c.device.sent - len(c.block) // c.device.packet_bytes for c in self.connections.values())
        return {
            "per_s": (n1 - n0) / (t1 - t0),
            "acked": self.acked,
            "sent": sent,
            "load_cpu_s": time.process_time(),
            "load_share": (cpu1 - cpu0) / (t1 - t0),
            "t0": t0,
            "t1": t1,
        }

    @property
    def acked(self) -> int:
        return sum(c.acked for c in self.connections.values())

    def settle(self) -> None:
        """Wait for the last acks, so that sent == acked."""
        deadline = time.monotonic() + 10
        unfinished = {fd for fd, c in self.connections.items() if len(c.out) or c.credit < c.window}
        while unfinished and time.monotonic() < deadline:
            for fd, events in self.wait.poll(0.1):
                c = self.connections[fd]
                if events & _READ:
                    self.pull(c)
                if self.flush(c):
                    self.wait.modify(fd, _READ)
                    if c.credit >= c.window:
                        unfinished.discard(fd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm", type=float, default=2)
    parser.add_argument("--qos", type=int, default=1, choices=(0, 1, 2))
    parser.add_argument("--keep", action="store_true", help="persistent sessions")
    parser.add_argument("--small", action="store_true", help="one reading a message")
    print(json.dumps(Load(parser.parse_args()).run()))


if __name__ == "__main__":
    main()
