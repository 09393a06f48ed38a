"""What is counted of devices, as columns by device number. Fed with whole batches; pure.

Each message is exactly one of accepted, refused (bad), held (its device isn't taken) or a repeat.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.journal.devices import CountsRow
from holdfast.kernel.clock import NS_PER_S

Longs = NDArray[np.int64]
HOURS = 25
"""The current hour and the 24 before it."""
HOUR_NS = 3600 * NS_PER_S
_RATE_S = 60.0


class Fate(IntEnum):
    """What became of a message."""

    ACCEPTED = 0
    REFUSED = 1
    HELD = 2
    REPEATED = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """Messages of followed devices, in order of arrival, shape (n,).

    fate:     `Fate`
    size:     bytes of payload
    received: when it came, ns UTC
    told:     its own time, else `received`
    """

    device: NDArray[np.int32]
    fate: NDArray[np.uint8]
    size: NDArray[np.int32]
    received: Longs
    told: Longs

    def take(self, which: NDArray[np.bool_]) -> "Seen":
        """Some of them."""
        return Seen(self.device[which], self.fate[which], self.size[which], self.received[which], self.told[which])


class Day(NamedTuple):
    """A device's last 24 hours and the current one: messages judged (accepted or refused), and refused."""

    judged: int
    refused: int


class Tally:
    """Counts of every device. `changed`: which ones since `take_changed`."""

    def __init__(self) -> None:
        self._counts = np.zeros((0, len(CountsRow._fields) - 1), np.int64)
        self._seen_boot = np.zeros(0, np.int64)
        self._judged = np.zeros((HOURS, 0), np.int32)
        self._refused = np.zeros((HOURS, 0), np.int32)
        self._rate = np.zeros(0)
        self._since_turn = np.zeros(0, np.int64)
        self._first_boot = np.zeros(0, np.int64)
        self._turned_boot = 0
        self._hour = 0
        self._is_changed = np.zeros(0, np.bool_)

    def make_room(self, devices: int) -> None:
        """There are so many numbers now."""
        more = devices - len(self._counts)
        if more <= 0:
            return
        more = max(more, len(self._counts) // 4)
        self._counts = np.concatenate([self._counts, np.zeros((more, self._counts.shape[1]), np.int64)])
        self._judged = np.concatenate([self._judged, np.zeros((HOURS, more), np.int32)], 1)
        self._refused = np.concatenate([self._refused, np.zeros((HOURS, more), np.int32)], 1)
        self._rate = np.concatenate([self._rate, np.zeros(more)])
        for name in ("_seen_boot", "_since_turn", "_first_boot"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more, np.int64)]))
        self._is_changed = np.concatenate([self._is_changed, np.zeros(more, np.bool_)])

    def recall(self, row: CountsRow, wall_ns: int, boot_ns: int) -> None:
        """Go on from what was stored."""
        self.make_room(row.device + 1)
        self._counts[row.device] = row[1:]
        if row.last_ns:
            self._seen_boot[row.device] = boot_ns - max(0, wall_ns - row.last_ns)

    def take(self, seen: Seen, boot_ns: int) -> None:
        """Count messages. boot_ns: now."""
        n = len(self._counts)
        device, counts = seen.device, self._counts
        messages = np.bincount(device, minlength=n)
        counts[:, 2] += messages
        if seen.fate.any():
            for of_fate, column in ((Fate.REFUSED, 4), (Fate.HELD, 5), (Fate.REPEATED, 6)):
                counts[:, column] += np.bincount(device[seen.fate == of_fate], minlength=n)
        counts[:, 7] += np.bincount(device, seen.size, n).astype(np.int64)
        # Messages come in stretches of one device, at times that ascend: its ends tell as much.
        ends = np.flatnonzero(np.append(device[1:] != device[:-1], True))
        known = np.flatnonzero(messages)
        np.maximum.at(counts[:, 1], device[ends], seen.received[ends])
        new = known[counts[known, 0] == 0]
        if len(new):
            first = np.full(n, np.iinfo(np.int64).max)
            np.minimum.at(first, device, seen.received)
            counts[new, 0] = first[new]
            self._first_boot[new] = boot_ns
        self._seen_boot[known] = boot_ns
        self._is_changed[known] = True
        self._since_turn += messages
        self._take_hours(seen)

    def _take_hours(self, seen: Seen) -> None:
        self._to_hour(int(seen.received.max()) // HOUR_NS)
        n, hour = len(self._counts), self._hour % HOURS
        judged = seen.device if not seen.fate.any() else seen.device[seen.fate <= Fate.REFUSED]
        self._judged[hour] += np.bincount(judged, minlength=n).astype(np.int32)
        refused = seen.fate == Fate.REFUSED
        if refused.any():
            self._refused[hour] += np.bincount(seen.device[refused], minlength=n).astype(np.int32)

    def add_readings(self, devices: NDArray[np.int32]) -> None:
        """The device of each reading that was stored."""
        if len(devices):
            readings = np.bincount(devices, minlength=len(self._counts))
            self._counts[:, 3] += readings
            self._is_changed |= readings > 0

    def turn(self, wall_ns: int, boot_ns: int) -> None:
        """Let time pass; about once a second."""
        self._to_hour(wall_ns // HOUR_NS)
        passed = 0.0 if not self._turned_boot else (boot_ns - self._turned_boot) / NS_PER_S
        self._turned_boot = boot_ns
        if passed > 0:
            self._rate += (self._since_turn / passed * 60 - self._rate) * -np.expm1(-passed / _RATE_S)
            self._since_turn[:] = 0

    def _to_hour(self, hour: int) -> None:
        """Hours begin empty. A clock that was set back goes on in the latest hour."""
        for later in range(max(self._hour + 1, hour - HOURS + 1), hour + 1):
            self._judged[later % HOURS] = self._refused[later % HOURS] = 0
        self._hour = max(self._hour, hour)

    def counts(self, device: int) -> CountsRow:
        """One device's counts."""
        if device >= len(self._counts):
            return CountsRow(device)
        return CountsRow(device, *self._counts[device].tolist())

    def day(self, device: int) -> Day:
        """One device's last day."""
        if device >= len(self._counts):
            return Day(0, 0)
        return Day(int(self._judged[:, device].sum()), int(self._refused[:, device].sum()))

    def shares(self) -> NDArray[np.float64]:
        """Share of each device's messages of the last day that was refused, shape (devices,)."""
        shares: NDArray[np.float64] = self._refused.sum(0) / np.maximum(1, self._judged.sum(0))
        return shares

    def rate(self, device: int, started_boot: int) -> float:
        """Messages a minute, of about the last minute. started_boot: when this process began to look."""
        if device >= len(self._counts):
            return 0.0
        looked_s = (self._turned_boot - max(started_boot, int(self._first_boot[device]))) / NS_PER_S
        return float(self._rate[device] / -np.expm1(-max(1.0, looked_s) / _RATE_S))

    @property
    def seen_boot(self) -> Longs:
        """When each device was last heard, ns since boot; 0 = never. Shape (devices,)."""
        return self._seen_boot

    def merge(self, device: int, into: int) -> None:
        """Two were one."""
        self.make_room(max(device, into) + 1)
        ours, theirs = self._counts[into], self._counts[device]
        firsts = [first for first in (ours[0], theirs[0]) if first]
        ours[2:] += theirs[2:]
        ours[0], ours[1] = min(firsts, default=0), max(ours[1], theirs[1])
        theirs[:] = 0
        for hours in (self._judged, self._refused):
            hours[:, into] += hours[:, device]
            hours[:, device] = 0
        self._seen_boot[into] = max(self._seen_boot[into], self._seen_boot[device])
        self._is_changed[into] = True

    def take_changed(self) -> list[CountsRow]:
        """Counts of the devices that changed since the last call."""
        changed = np.flatnonzero(self._is_changed).tolist()
        self._is_changed[:] = False
        return [self.counts(device) for device in changed]

    def hours(self, device: int) -> tuple[int, bytes]:
        """The current hour, and one device's hours as bytes: judged, then refused, 25 32-bit integers each."""
        both = np.stack([self._judged[:, device], self._refused[:, device]])
        return self._hour, both.astype("<i4").tobytes()

    def recall_hours(self, device: int, hour: int, data: bytes, now_ns: int) -> None:
        """Go on from stored hours."""
        self._to_hour(max(hour, now_ns // HOUR_NS))
        both = np.frombuffer(data, "<i4").reshape(2, HOURS)
        for one in range(max(hour - HOURS + 1, self._hour - HOURS + 1), hour + 1):
            self._judged[one % HOURS, device] = both[0, one % HOURS]
            self._refused[one % HOURS, device] = both[1, one % HOURS]
