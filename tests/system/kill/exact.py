"""A device and a listener that keep QoS 2's promise at their end, over any number of killed connections."""

import contextlib
import socket
import threading
import time
from collections import deque

from tests.unit.adapters.mqtt.doubles import connect, publish, subscribe

PUBLISH, PUBREC, PUBREL, PUBCOMP, CONNACK = 3, 5, 6, 7, 2
WINDOW = 10


class Exact:
    """One client with a lasting session (3.1.1); speaks on a thread of its own until it's told to end."""

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self.name = name
        self.resumed: list[bool] = []
        self._ends = threading.Event()
        self._sock: socket.socket | None = None
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def end(self) -> None:
        self._ends.set()
        self._thread.join()

    def greeted(self) -> list[bytes]:
        """What to say once connected."""
        raise NotImplementedError

    def heard(self, kind: int, packet: bytes) -> list[bytes]:
        """What to say to a packet."""
        raise NotImplementedError

    def _live(self) -> None:
        while not self._ends.is_set():
            with contextlib.suppress(OSError):
                self._speak()
            time.sleep(0.01)

    def _speak(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=0.2) as sock:
            sock.sendall(connect(self.name, flags=0))
            data = b""
            while not self._ends.is_set():
                try:
                    piece = sock.recv(65_536)
                except TimeoutError:
                    continue
                if not piece:
                    return
                data += piece
                answers: list[bytes] = []
                while len(data) >= 2 and len(data) >= data[1] + 2:
                    packet, data = data[: data[1] + 2], data[data[1] + 2 :]
                    answers += self._answer(packet)
                sock.sendall(b"".join(answers))

    def _answer(self, packet: bytes) -> list[bytes]:
        kind = packet[0] >> 4
        if kind == CONNACK:
            self.resumed.append(packet[2] == 1)
            return self.greeted()
        return self.heard(kind, packet)


class Device(Exact):
    """Publishes numbers at QoS 2, each until its PUBCOMP."""

    def __init__(self, port: int, topic: str) -> None:
        self.topic = topic
        self.done = 0
        self.said = 0
        self.is_over = False
        self._open: dict[int, int] = {}
        self._released: set[int] = set()
        self._free = deque(range(1, WINDOW + 1))
        super().__init__(port, "device")

    def greeted(self) -> list[bytes]:
        again = [
            _ack(0x62, pid) if pid in self._released else self._publish(pid, number, dup=True)
            for pid, number in self._open.items()
        ]
        return again + self._more()

    def heard(self, kind: int, packet: bytes) -> list[bytes]:
        pid = int.from_bytes(packet[2:4], "big")
        if kind == PUBREC and pid in self._open:
            self._released.add(pid)
            return [_ack(0x62, pid)]
        if kind == PUBCOMP and pid in self._released:
            self._released.discard(pid)
            del self._open[pid]
            self._free.append(pid)
            self.done += 1
            return self._more()
        return []

    def finish(self, within_s: float) -> None:
        """Begin nothing more; wait until all is through."""
        self.is_over = True
        deadline = time.monotonic() + within_s
        while self._open:
            assert time.monotonic() < deadline, f"{self._open} are still open"
            time.sleep(0.01)

    def _more(self) -> list[bytes]:
        frames = []
        while self._free and not self.is_over:
            pid = self._free.popleft()
            self.said += 1
            self._open[pid] = self.said
            frames.append(self._publish(pid, self.said))
        return frames

    def _publish(self, pid: int, number: int, *, dup: bool = False) -> bytes:
        payload = b'{"ts":%d,"temp":%d}' % (1_700_000_000 + number, number % 50)
        return publish(self.topic, payload, pid=pid, qos=2, dup=dup)


class Listener(Exact):
    """Subscribes at QoS 2 and keeps every message once, as a receiver must."""

    def __init__(self, port: int, topic: str) -> None:
        self.topic = topic
        self.kept: list[bytes] = []
        self.is_subscribed = False
        self._received: set[int] = set()
        super().__init__(port, "listener")

    def greeted(self) -> list[bytes]:
        return [] if self.resumed[-1] else [subscribe(self.topic, 2)]

    def heard(self, kind: int, packet: bytes) -> list[bytes]:
        if kind == PUBLISH:
            at = 4 + int.from_bytes(packet[2:4], "big")
            pid = int.from_bytes(packet[at : at + 2], "big")
            if pid not in self._received:
                self._received.add(pid)
                self.kept.append(packet[at + 2 :])
            return [_ack(0x50, pid)]
        if kind == PUBREL:
            pid = int.from_bytes(packet[2:4], "big")
            self._received.discard(pid)
            return [_ack(0x70, pid)]
        self.is_subscribed = self.is_subscribed or kind == 9
        return []


def _ack(first: int, pid: int) -> bytes:
    return bytes((first, 2)) + pid.to_bytes(2, "big")
