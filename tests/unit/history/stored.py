"""Groups in memory, as a journal would give them; and rows in plain Python, for oracles."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from holdfast.journal.blobs import encode_events, encode_readings
from holdfast.journal.records import GENESIS, Group, GroupKind
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane


class Row(NamedTuple):
    series: int
    ts: int
    value: float
    quality: int = 0


def batch(rows: Sequence[Row], texts: tuple[str, ...] = ()) -> Batch:
    return Batch(
        np.array([r.series for r in rows], np.int32),
        np.array([r.ts for r in rows], np.int64),
        np.array([r.value for r in rows], np.float64),
        np.array([r.quality for r in rows], np.uint8),
        texts,
    )


class StoredGroups:
    """Implements `history.ports.Between` and `Latest`."""

    def __init__(self) -> None:
        self.groups: list[Group] = []

    def add(self, rows: Sequence[Row], texts: tuple[str, ...] = (), lane: Lane = Lane.BULK) -> None:
        self.add_batch(batch(rows, texts), lane)

    def add_batch(self, rows: Batch, lane: Lane = Lane.BULK) -> None:
        times = int(rows.ts.min()), int(rows.ts.max())
        self._append(lane, len(rows), GroupKind.READINGS, times, encode_readings(rows))

    def add_many(self, groups: int, rows: int, before_ns: int) -> None:
        """Groups of `rows` rows of series 0, a second apart, the newest first; without an object a row."""
        values = np.arange(rows, dtype=np.float64)
        for group in range(groups):
            ts = before_ns - 10**9 * (1 + group) + np.arange(rows, dtype=np.int64)
            self.add_batch(Batch(np.zeros(rows, np.int32), ts, values, np.zeros(rows, np.uint8)))

    def add_events(self, events: Sequence[Event]) -> None:
        times = [e.ts for e in events]
        self._append(Lane.CRITICAL, len(events), GroupKind.EVENTS, (min(times), max(times)), encode_events(events))

    def head(self, lane: Lane) -> int:
        return max((g.last for g in self.groups if g.lane == lane), default=0)

    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        return (g for g in self.groups if g.lane == lane and g.ts_max >= from_ns and g.ts_min <= to_ns)

    def latest_events(self, lane: Lane, limit: int) -> list[Group]:
        return [g for g in reversed(self.groups) if g.lane == lane and g.kind is GroupKind.EVENTS][:limit]

    def _append(self, lane: Lane, count: int, kind: GroupKind, times: tuple[int, int], blob: bytes) -> None:
        first = self.head(lane) + 1
        self.groups.append(Group(lane, first, first + count - 1, kind, *times, GENESIS, blob))
