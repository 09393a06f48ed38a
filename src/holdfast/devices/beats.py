"""How often a device sends, learned from its accepted messages, and the gaps in them. Columns by device number; pure.

A beat is the first accepted message of a device in half a second of its own time: what belongs together comes together.
The expected interval is the median of the last 16 distances between beats, without those shorter than a fifth of the
second longest: a device that sends a burst of single values every minute has an interval of a minute. A gap isn't
learned, unless there was another not long ago: then that's how the device sends.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.devices.tally import Fate, Longs, Seen
from holdfast.kernel.clock import NS_PER_S

KEPT = 16
LEAST = 4
"""Distances that must be known before anything is expected."""
BEAT_NS = NS_PER_S // 2
_SHORT = 0.2
_FORGET = 0.9
NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without messages of a device, ns of its own clock. missing: how many were to be expected."""

    device: int
    from_ns: int
    to_ns: int
    missing: int


class Beats:
    """Intervals of every device."""

    def __init__(self, late_after: float, patience_s: float) -> None:
        self._late_after, self._patience_s = late_after, patience_s
        self._ring = np.full((0, KEPT), np.nan, np.float32)
        self._count = np.zeros(0, np.int64)
        self._last = np.full(0, NEVER)
        self._interval = np.full(0, np.nan)
        self._messages = np.zeros(0)
        self._beats = np.zeros(0)
        self._since_gap = np.zeros(0, np.int64)
        self._is_changed = np.zeros(0, np.bool_)

    def make_room(self, devices: int) -> None:
        """There are so many numbers now."""
        more = devices - len(self._count)
        if more <= 0:
            return
        more = max(more, len(self._count) // 4)
        self._ring = np.concatenate([self._ring, np.full((more, KEPT), np.nan, np.float32)])
        self._count = np.concatenate([self._count, np.zeros(more, np.int64)])
        self._last = np.concatenate([self._last, np.full(more, NEVER)])
        self._interval = np.concatenate([self._interval, np.full(more, np.nan)])
        self._messages = np.concatenate([self._messages, np.zeros(more)])
        self._beats = np.concatenate([self._beats, np.zeros(more)])
        self._since_gap = np.concatenate([self._since_gap, np.full(more, KEPT)])
        self._is_changed = np.concatenate([self._is_changed, np.zeros(more, np.bool_)])

    @property
    def interval(self) -> NDArray[np.float64]:
        """Expected seconds between beats, NaN = not known. Shape (devices,)."""
        return self._interval

    def per_minute(self, device: int) -> float:
        """Expected messages a minute, 0 = not known."""
        if device >= len(self._count) or np.isnan(self._interval[device]):
            return 0.0
        return float(self._per_beat(np.array([device], np.int32))[0] / self._interval[device] * 60)

    def forget_times(self) -> None:
        """The clock was set: distances across that moment mean nothing."""
        self._last[:] = NEVER

    def take(self, seen: Seen) -> tuple[list[Gap], Seen]:
        """Learn from messages: the gaps that they end, and those that came later than others of their device."""
        good = seen if not seen.fate.any() else seen.take(seen.fate == Fate.ACCEPTED)
        late = good.take(good.told < self._last[good.device])
        if not len(good.device):
            return [], late
        messages = np.bincount(good.device, minlength=len(self._count))
        device, told = _sorted(good.device, good.told)
        beat = self._new_beats(device, told)
        at, times = device[beat], told[beat]
        is_first = np.append(True, at[1:] != at[:-1])
        before = np.where(is_first, self._last[at], np.append(NEVER, times[:-1]))
        known = before != NEVER
        distance = np.where(known, (times - np.where(known, before, times)) / NS_PER_S, np.nan)
        with np.errstate(invalid="ignore"):
            is_gap = distance > np.maximum(self._late_after * self._interval[at], self._patience_s)
        gaps = self._gaps(at, before, times, np.flatnonzero(is_gap))
        if is_gap.any():
            distance = np.where(is_gap & ~self._follow_gaps(at, is_first, is_gap), np.nan, distance)
        self._since_gap += np.bincount(at, minlength=len(self._count))
        after = np.searchsorted(at, at[is_gap], "right") - np.flatnonzero(is_gap) - 1
        self._since_gap[at[is_gap]] = after  # in order: the last of each device stays
        self._learn(messages, at, distance)
        self._last[at] = times
        return gaps, late

    def _new_beats(self, device: NDArray[np.int32], told: Longs) -> NDArray[np.intp]:
        """Which messages, sorted by device and time, begin a beat."""
        cell = told // BEAT_NS
        is_new = np.append(True, (device[1:] != device[:-1]) | (cell[1:] != cell[:-1]))
        last = self._last[device]
        return np.flatnonzero(is_new & ((last == NEVER) | (cell > last // BEAT_NS)))

    def _follow_gaps(
        self, at: NDArray[np.int32], is_first: NDArray[np.bool_], is_gap: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which beats come within the last `KEPT` of their device after a gap."""
        before: Longs = np.cumsum(is_gap) - is_gap
        in_batch = before > np.repeat(before[is_first], np.diff(np.append(np.flatnonzero(is_first), len(at))))
        recent: NDArray[np.bool_] = in_batch | (self._since_gap[at] < KEPT)
        return recent

    def _gaps(self, at: NDArray[np.int32], before: Longs, times: Longs, found: NDArray[np.intp]) -> list[Gap]:
        per_beat = self._per_beat(at[found])
        intervals = (times[found] - before[found]) / NS_PER_S / self._interval[at[found]]
        missing = np.maximum(1, np.rint(per_beat * (np.rint(intervals) - 1))).astype(np.int64)
        return [
            Gap(*one)
            for one in zip(
                at[found].tolist(), before[found].tolist(), times[found].tolist(), missing.tolist(), strict=True
            )
        ]

    def _per_beat(self, at: NDArray[np.int32]) -> NDArray[np.float64]:
        return np.maximum(1.0, self._messages[at] / np.maximum(1.0, self._beats[at]))

    def _learn(self, messages: NDArray[np.intp], at: NDArray[np.int32], distance: NDArray[np.float64]) -> None:
        n = len(self._count)
        beats = np.bincount(at, minlength=n)
        kept = _FORGET**beats
        self._messages = self._messages * kept + messages
        self._beats = self._beats * kept + beats
        good = ~np.isnan(distance)
        at, distance = at[good], distance[good]
        if not len(at):
            return
        start = np.flatnonzero(np.append(True, at[1:] != at[:-1]))
        rank = np.arange(len(at)) - np.repeat(start, np.diff(np.append(start, len(at))))
        self._ring[at, (self._count[at] + rank) % KEPT] = distance
        self._count += np.bincount(at, minlength=n)
        touched = at[start]
        self._interval[touched] = typical(self._ring[touched])
        self._is_changed[touched] = True

    def take_changed(self) -> list[int]:
        """Devices of which something was learned since the last call."""
        changed = np.flatnonzero(self._is_changed).tolist()
        self._is_changed[:] = False
        return changed

    def state(self, device: int) -> bytes:
        """What was learned of one, as bytes."""
        head = np.array([self._last[device], self._count[device]], "<i8").tobytes()
        weights = np.array([self._messages[device], self._beats[device]], "<f8").tobytes()
        ring: bytes = self._ring[device].astype("<f4").tobytes()
        return head + weights + ring

    def recall(self, device: int, data: bytes) -> None:
        """Go on from `state`."""
        self.make_room(device + 1)
        self._last[device], self._count[device] = np.frombuffer(data, "<i8", 2)
        self._messages[device], self._beats[device] = np.frombuffer(data, "<f8", 2, 16)
        self._ring[device] = np.frombuffer(data, "<f4", KEPT, 32)
        self._interval[device] = typical(self._ring[[device]])[0]

    def last(self, device: int) -> int:
        """The newest beat of a device by its own clock; NEVER = none is known."""
        return int(self._last[device]) if device < len(self._last) else int(NEVER)

    def set_last(self, device: int, at_ns: int) -> None:
        """A beat that was stored after what was learned was."""
        self._last[device] = max(self._last[device], at_ns)


def _sorted(device: NDArray[np.int32], told: Longs) -> tuple[NDArray[np.int32], Longs]:
    """By device and time, without those that can't begin a beat: the one before was in the same beat."""
    cell = told // BEAT_NS
    ascends = (device[1:] == device[:-1]) & (cell[1:] == cell[:-1]) & (told[1:] >= told[:-1])
    device, told = device[np.append(True, ~ascends)], told[np.append(True, ~ascends)]
    order = np.lexsort((told, device))
    return device[order], told[order]


def typical(rings: NDArray[np.float32]) -> NDArray[np.float64]:
    """The expected interval of each row of distances, NaN where fewer than `LEAST` are known. Shape (rows,)."""
    ordered = np.sort(rings, axis=1)  # NaN last
    known = KEPT - np.isnan(ordered).sum(1)
    rows = np.arange(len(rings))
    second = ordered[rows, np.maximum(known - 2, 0)]
    with np.errstate(invalid="ignore"):
        short = (ordered < _SHORT * second[:, None]).sum(1)
    middle = ordered[rows, np.clip(short + (known - short - 1) // 2, 0, KEPT - 1)]
    found: NDArray[np.float64] = np.where(known >= LEAST, middle, np.nan).astype(np.float64)
    return found
