"""One device's MQTT 3.1.1 connection: QoS 1 with a window, reconnects, and resends what was not acknowledged.

Non-blocking and loop-free: the fleet's selector calls it. Its record survives every reconnect, so what it says was
acknowledged, was.
"""

import contextlib
import errno
import socket
from collections import deque
from collections.abc import Callable

PAUSE_S = 0.05
_CONNECT_S = 2.0
_DUP = 0x08
_PUBACK, _CONNACK = 0x40, 0x20


def varint(n: int) -> bytes:
    """Variable byte integer (MQTT 3.1.1 §2.2.3)."""
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


class DeviceClient:
    """acked: called with the message number of each PUBACK."""

    def __init__(self, host: str, port: int, name: str, topic: str, window: int, acked: Callable[[int], None]) -> None:
        self.sock: socket.socket | None = None
        self.reconnects = -1
        self._where = (host, port)
        self._name = name.encode()
        self._topic = len(topic.encode()).to_bytes(2, "big") + topic.encode()
        self._window = window
        self._acked = acked
        self._waiting: dict[int, tuple[int, bytes]] = {}
        self._queue: deque[tuple[int, bytes]] = deque()
        self._pid = 0
        self._out = bytearray()
        self._in = b""
        self._retry_at = 0.0

    @property
    def is_settled(self) -> bool:
        """Is everything acknowledged?"""
        return not self._waiting and not self._queue

    @property
    def wants_write(self) -> bool:
        """Is something left to send?"""
        return bool(self._out)

    def connect(self, now: float) -> bool:
        """Try to connect, unless the last try was just now; True when a new connection stands."""
        if self.sock is not None or now < self._retry_at:
            return False
        self._retry_at = now + PAUSE_S
        try:
            sock = socket.create_connection(self._where, timeout=_CONNECT_S)
        except OSError:
            return False
        try:
            body = b"\x00\x04MQTT\x04\x00\x00\x00" + len(self._name).to_bytes(2, "big") + self._name
            sock.sendall(b"\x10" + varint(len(body)) + body)
            answer = sock.recv(4, socket.MSG_WAITALL)
        except OSError:
            answer = b""
        if len(answer) < 4 or answer[0] != _CONNACK or answer[3] != 0:
            sock.close()
            return False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.sock = sock
        self.reconnects += 1
        self._in = b""
        self._out = bytearray()
        for _, packet in self._waiting.values():  # MQTT 3.1.1 §4.4: again, in order, with DUP
            self._out += bytes([packet[0] | _DUP]) + packet[1:]
        return True

    def publish(self, number: int, payload: bytes) -> None:
        """Send a message when the window allows; it is never dropped."""
        self._queue.append((number, payload))
        self._fill()

    def write(self) -> None:
        """Send what the socket takes."""
        if self.sock is None or not self._out:
            return
        try:
            sent = self.sock.send(self._out)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                self.lost()
            return
        del self._out[:sent]

    def read(self) -> None:
        """Take PUBACKs in."""
        if self.sock is None:
            return
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lost()
            return
        self._in += data
        while len(self._in) >= 4 and self._in[0] == _PUBACK:
            done = self._waiting.pop(int.from_bytes(self._in[2:4], "big"), None)
            self._in = self._in[4:]
            if done is not None:
                self._acked(done[0])
        self._fill()

    def lost(self) -> None:
        """The connection is gone; connect again later."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def close(self) -> None:
        """DISCONNECT and close."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.send(b"\xe0\x00")
            self.lost()

    def _fill(self) -> None:
        if self.sock is None:
            return
        while self._queue and len(self._waiting) < self._window:
            number, payload = self._queue.popleft()
            self._pid = self._pid % 65535 + 1
            body = self._topic + self._pid.to_bytes(2, "big") + payload
            packet = b"\x32" + varint(len(body)) + body
            self._waiting[self._pid] = number, packet
            self._out += packet
        self.write()
