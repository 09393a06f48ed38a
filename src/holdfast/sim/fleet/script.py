"""What each device says, and when it misbehaves: from a seed, the same every time but for the clock. Pure."""

from collections import deque
from dataclasses import dataclass
from random import Random

from holdfast.sim.fleet.payloads import READINGS, SHAPES, malformed
from holdfast.sim.fleet.record import Kind
from holdfast.sim.fleet.recording import Row

LIMIT, WINDOW = 26.0, 10
"""The demo rule `overheat`: mean of the last 10 samples above 26 °C."""
HOT, HOT_SAMPLES = 32.0, 12
FAULTY_EVERY = 5
"""Every fifth device has a heating fault now and then."""
_FIRST_FAULT, _FAULT_EVERY = (20, 60), (150, 400)
STALE_MS = 120_000


@dataclass(frozen=True, slots=True)
class Mix:
    """Fractions of messages that misbehave."""

    malformed: float = 0.01
    stale: float = 0.005
    duplicate: float = 0.01


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish. temperature: what the hub should hold, NaN when it should hold nothing."""

    kind: Kind
    payload: bytes
    ts_ms: int
    readings: int
    temperature: float
    crossing: bool


class DeviceScript:
    """One device. `next` gives its messages one by one."""

    def __init__(self, number: int, seed: int, recording: list[Row], mix: Mix) -> None:
        self.name = f"room-{number:03d}"
        topic, self._encode = SHAPES[number % len(SHAPES)]
        self.topic = topic.format(device=self.name)
        self._rng = Random(f"{seed}/{number}")
        self._recording = recording
        self._mix = mix
        self._at = self._rng.randrange(len(recording))
        self._number = 0
        self._last_ms = 0
        self._last: Message | None = None
        self._window: deque[float] = deque(maxlen=WINDOW)
        self._is_raised = False
        self._hot_left = 0
        self._until_fault = self._rng.randrange(*_FIRST_FAULT) if number % FAULTY_EVERY == 0 else -1

    def next(self, now_ms: int) -> Message:
        """The next message, at the wall time `now_ms`."""
        dice = self._rng.random()
        mix = self._mix
        if dice < mix.duplicate and self._last is not None:
            last = self._last
            return Message(Kind.DUPLICATE, last.payload, last.ts_ms, 0, float("nan"), crossing=False)
        self._number += 1
        if dice < mix.duplicate + mix.stale:
            # spread in ms, so that two stale messages of a device differ
            ts_ms = now_ms - STALE_MS - self._number
            payload = self._encode(self._number, ts_ms, self._row()).encode()
            return Message(Kind.STALE, payload, ts_ms, 0, float("nan"), crossing=False)
        ts_ms = self._last_ms = max(now_ms, self._last_ms + 1)
        row = self._row()
        text = self._encode(self._number, ts_ms, row)
        if dice < mix.duplicate + mix.stale + mix.malformed:
            payload = malformed(text, self._rng.randrange(4))
            return Message(Kind.MALFORMED, payload, ts_ms, 0, float("nan"), crossing=False)
        self._last = Message(Kind.VALID, text.encode(), ts_ms, READINGS, row.temperature, self._crosses(row))
        return self._last

    def _row(self) -> Row:
        self._at = (self._at + 1) % len(self._recording)
        row = self._recording[self._at]
        if self._hot_left:
            self._hot_left -= 1
            return Row(HOT, row.humidity, row.light, row.co2, row.occupied)
        if self._until_fault >= 0:
            self._until_fault -= 1
            if self._until_fault < 0:
                self._hot_left = HOT_SAMPLES
                self._until_fault = self._rng.randrange(*_FAULT_EVERY)
        return row

    def _crosses(self, row: Row) -> bool:
        """Does this sample raise the alert? A rising edge; the alert clears when the mean is no longer above."""
        self._window.append(row.temperature)
        is_hot = sum(self._window) / len(self._window) > LIMIT
        crosses = is_hot and not self._is_raised
        self._is_raised = is_hot
        return crosses
