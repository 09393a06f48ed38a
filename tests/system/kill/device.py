"""An independent device process: its own MQTT 3.1.1 client over a raw socket, its own record of PUBACKs.

It imports nothing of Holdfast. Each device publishes numbered messages at QoS 1 with a window of unacknowledged ones,
reconnects when the gateway dies and sends again (DUP) what was not acknowledged, in order. Each PUBACK is appended to
the record as "<device> <ts_ms> <co2 * 100>" before the next message is sent; the record is complete at SIGTERM, when
the process has stopped publishing, has every message acknowledged, and exits 0.

python device.py PORT RECORD DEVICES RATE SEED [PREFIX OF THE DEVICES' NAMES]
"""

import random
import selectors
import signal
import socket
import sys
import time

WINDOW = 20
RETRY_S = 0.05


def varint(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


class Device:
    def __init__(self, name: str, port: int, selector: selectors.BaseSelector) -> None:
        self.name = name
        self.port = port
        self.selector = selector
        self.sock: socket.socket | None = None
        self.retry_at = 0.0
        self.waiting: dict[int, tuple[bytes, str]] = {}
        self.next_pid = 0
        self.count = 0
        self.last_ms = 0
        self.buffer = b""

    def connect(self, now: float) -> None:
        if now < self.retry_at:
            return
        self.retry_at = now + RETRY_S
        try:
            sock = socket.create_connection(("127.0.0.1", self.port), timeout=1)
            name = self.name.encode()
            body = b"\x00\x04MQTT\x04\x00\x00\x3c" + len(name).to_bytes(2, "big") + name
            sock.sendall(b"\x10" + varint(len(body)) + body)
            answer = sock.recv(4, socket.MSG_WAITALL)
            if len(answer) < 4 or answer[3] != 0:
                raise OSError(f"CONNACK {answer!r}")
            for packet, _ in self.waiting.values():
                sock.sendall(bytes([packet[0] | 8]) + packet[1:])
        except OSError:
            return
        sock.settimeout(0)
        self.sock, self.buffer = sock, b""
        self.selector.register(sock, selectors.EVENT_READ, self)

    def lost(self) -> None:
        if self.sock is not None:
            self.selector.unregister(self.sock)
            self.sock.close()
            self.sock = None

    def publish(self, rng: random.Random) -> None:
        if self.sock is None or len(self.waiting) >= WINDOW:
            return
        self.count += 1
        ms = max(time.time_ns() // 1_000_000, self.last_ms + 1)
        self.last_ms = ms
        co2 = rng.randrange(40_000, 200_000)
        payload = (
            f'{{"id":{self.count},"ts":{ms / 1000:.3f},"temp_c":21.5,"hum":40.0,"lux":100.0,'
            f'"co2":{co2 // 100}.{co2 % 100:02d},"occ":false}}'
        ).encode()
        topic = f"acme/{self.name}/telemetry".encode()
        self.next_pid = self.next_pid % 65535 + 1
        body = len(topic).to_bytes(2, "big") + topic + self.next_pid.to_bytes(2, "big") + payload
        packet = b"\x32" + varint(len(body)) + body
        self.waiting[self.next_pid] = packet, f"{self.name} {ms} {co2}\n"
        try:
            self.sock.sendall(packet)
        except OSError:
            self.lost()

    def read(self, record: list[str]) -> None:
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
        self.buffer += data
        while len(self.buffer) >= 4:
            if self.buffer[:2] != b"\x40\x02":
                raise SystemExit(f"unexpected packet {self.buffer[:8]!r}")
            acked = self.waiting.pop(int.from_bytes(self.buffer[2:4], "big"), None)
            if acked is not None:
                record.append(acked[1])
            self.buffer = self.buffer[4:]


def main() -> None:
    port, path, devices, rate, seed, *prefix = sys.argv[1:]
    selector = selectors.DefaultSelector()
    fleet = [Device(f"{(prefix or ['kill'])[0]}-{n:02d}", int(port), selector) for n in range(int(devices))]
    rng = random.Random(int(seed))
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    published, start = 0, time.monotonic()
    with open(path, "w", buffering=1, encoding="ascii") as out:
        while not stop or any(d.waiting for d in fleet):
            now = time.monotonic()
            for device in fleet:
                if device.sock is None:
                    device.connect(now)
            due = int((now - start) * float(rate))
            while published < due and not stop:
                fleet[published % len(fleet)].publish(rng)
                published += 1
            record: list[str] = []
            for key, _ in selector.select(0.002):
                key.data.read(record)
            if record:
                out.write("".join(record))


if __name__ == "__main__":
    main()
