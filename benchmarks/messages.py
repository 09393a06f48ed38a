"""Pre-encoded PUBLISH packets of the three room shapes or of one reading, made a block at a time with numpy.

Every packet of a device has the same length, so any slice of a block is a run of whole packets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

READINGS_PER_MESSAGE = 5
Bytes = NDArray[np.uint8]

_TIME = "@" * 13
_ISO = "@" * 24
SHAPES = (
    (
        "acme/{device}/telemetry",
        '{"id":!!!!!!!!!!,"ts":@@@@@@@@@@.@@@,"temp_c":##.##,"hum":$$.$$,"lux":426.0,"co2":~~~~.~~,"occ":true}',
    ),
    (
        "site/bravo/{device}/up",
        '{"meta":{"seq":!!!!!!!!!!,"time":"' + _ISO + '"},"air":{"temperature":{"value":##.##,"unit":"F"},'
        '"humidity":{"value":$$.$$,"unit":"%"},"co2":{"value":~~~~.~~,"unit":"ppm"}},'
        '"light":{"value":426.0,"unit":"lx"},"presence":1}',
    ),
    (
        "senml/{device}",
        '{"bt":' + _TIME + ',"e":[{"n":"temp","v":##.##,"u":"Cel"},{"n":"rh","v":$$.$$,"u":"%RH"},'
        '{"n":"lux","v":426.0,"u":"lx"},{"n":"co2","v":~~~~.~~,"u":"ppm"},{"n":"occ","vb":true}]}',
    ),
)
ONE_READING = ("hall/{device}/t", '{"id":!!!!!!!!!!,"ts":@@@@@@@@@@.@@@,"temp_c":##.##,"site":"hall-3"}')
_ZERO = ord("0")


@dataclass
class Device:
    """One device: its packet template and how far it has come. pid_at: 0 = QoS 0, without packet identifiers."""

    number: int
    template: Bytes
    shape: int
    pid_at: int
    seq: int = 1_000_000_000
    last_ms: int = 0
    sent: int = 0

    @property
    def packet_bytes(self) -> int:
        return len(self.template)

    def block(self, count: int, now_ms: int, rng: np.random.Generator) -> Bytes:
        """The next `count` packets, shape (count, packet_bytes)."""
        out = np.tile(self.template, (count, 1))
        start = max(now_ms, self.last_ms + 1)
        times = start + np.arange(count, dtype=np.int64)
        self.last_ms = int(times[-1])
        if self.pid_at:
            pids = (self.sent + np.arange(count)) % 65535 + 1
            out[:, self.pid_at] = pids >> 8
            out[:, self.pid_at + 1] = pids & 255
        warm = 7000 if self.shape == 1 else 2200  # 70 degF or 22 Cel, in hundredths
        walk = np.cumsum(rng.integers(-1, 2, count))
        fill(out, self.template, ord("!"), self.seq + np.arange(count))
        fill(out, self.template, ord("#"), warm + walk % 200)
        fill(out, self.template, ord("$"), 4000 + walk % 500)
        fill(out, self.template, ord("~"), 100000 + 25 * (walk % 100))
        if self.shape == 1:
            iso = np.datetime_as_string(times.astype("datetime64[ms]"), unit="ms", timezone="UTC")
            out[:, np.flatnonzero(self.template == ord("@"))] = (
                np.char.encode(iso, "ascii").view(np.uint8).reshape(count, -1)
            )
        else:
            fill(out, self.template, ord("@"), times)
        self.seq += count
        self.sent += count
        return out


def fill(out: Bytes, template: Bytes, mark: int, numbers: NDArray[np.int64]) -> None:
    """Write each number, zero-padded, over the template's marks."""
    places = np.flatnonzero(template == mark)
    rest = numbers
    for place in places[::-1]:
        rest, digit = np.divmod(rest, 10)
        out[:, place] = digit + _ZERO


def make_device(number: int, qos: int = 1, *, is_small: bool = False) -> Device:
    """Device `number`, of shape number % 3, or with one reading a message."""
    shape = 0 if is_small else number % len(SHAPES)
    topic, payload = ONE_READING if is_small else SHAPES[shape]
    name = topic.format(device=f"room-{number:04d}").encode()
    body = len(name).to_bytes(2, "big") + name + (b"\0\0" if qos else b"") + payload.encode()
    head = bytes((0x30 | qos << 1,)) + varint(len(body))
    template = np.frombuffer(head + body, np.uint8)
    return Device(number, template, shape, len(head) + 2 + len(name) if qos else 0)


def varint(n: int) -> bytes:
    """MQTT's variable byte integer (3.1.1 §2.2.3)."""
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def connect_packet(client: str, *, clean: bool = True) -> bytes:
    """CONNECT of MQTT 3.1.1, no keep-alive."""
    name = client.encode()
    body = b"\x00\x04MQTT\x04" + (b"\x02" if clean else b"\x00") + b"\x00\x00" + len(name).to_bytes(2, "big") + name
    return b"\x10" + varint(len(body)) + body
