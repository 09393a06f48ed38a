"""What one viewer watches: each says what changed since it was last asked, as JSON of about so many bytes at most."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import Raw

from holdfast.history.errors import QueryInvalid
from holdfast.history.last_values import LastValues
from holdfast.model.series import Catalogue
from holdfast.web.live.changes import Kept, Table
from holdfast.web.live.messages import Topic, Trouble, Watch, joined
from holdfast.web.live.sources import Sources

ROW_BYTES, TEXT_BYTES = 52, 250
"""What a reading takes at most in a frame, but for odd texts, which are cut where newest values are kept."""
RECHOOSE_TURNS = 8
"""New series are looked for every 2 s."""


class Watching(Protocol):
    """A watch at work."""

    def tell(self, room: int) -> Raw | Trouble | None:
        """What changed since the last call, of about `room` bytes; None = nothing. The rest comes with later calls."""
        ...

    def close(self) -> None:
        """Nothing is asked any more."""
        ...


class StatusWatch:
    """The node at a glance."""

    def __init__(self, sources: Sources) -> None:
        self._sources, self._number = sources, 0

    def tell(self, room: int) -> Raw | None:  # noqa: ARG002  # a status is small
        """The status, when it's new."""
        found, self._number = self._sources.status(self._number)
        return found

    def close(self) -> None:
        """Nothing is held."""


class TableWatch:
    """Rows of a table that change. first: which of them the first answer holds; fits: which are meant at all."""

    def __init__(
        self,
        sources: Sources,
        topic: Topic,
        table: Table,
        key: str,
        *,
        first: Callable[[Any], bool] = lambda _: True,
        fits: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        self._sources, self._topic, self._table, self._key = sources, topic, table, key
        self._first, self._fits = first, fits
        self._version, self._reaches = 0, -1
        self._told: Trouble | None = None

    def tell(self, room: int) -> Raw | Trouble | None:
        """Rows that changed; the first time also when there are none."""
        trouble = self._sources.troubles.get(self._topic)
        if trouble != self._told:
            self._told = trouble
            if trouble is not None:
                return trouble
        if not self._sources.is_ready(self._topic):
            return None
        is_first = self._reaches < 0
        if is_first:
            self._reaches = self._table.version
        rows, self._version = self._table.since(self._version, room, self._means)
        return Raw(b'{"%s":%s}' % (self._key.encode(), joined(rows))) if rows or is_first else None

    def _means(self, kept: Kept) -> bool:
        return self._fits(kept.row) and (kept.version > self._reaches or self._first(kept.row))

    def close(self) -> None:
        """Nothing is held."""


class LogsWatch:
    """Lines of the log, those of a while ago first."""

    def __init__(self, sources: Sources) -> None:
        self._sources, self._number, self._has_told = sources, 0, False

    def tell(self, room: int) -> Raw | None:
        """Lines that are new."""
        lines, self._number = self._sources.logs(self._number, room)
        if not lines and self._has_told:
            return None
        self._has_told = True
        return Raw(b'{"lines":%s}' % joined(lines))

    def close(self) -> None:
        """Nothing is held."""


class LastWatch:
    """Newest values of the series that patterns mean."""

    def __init__(self, sources: Sources, known: LastValues, wanted: Watch) -> None:
        """Choose the series.

        Raises:
            QueryInvalid: when a pattern is none.
        """
        self._sources, self._known, self._wanted = sources, known, wanted
        self._ids, self._counts = np.empty(0, np.int32), np.empty(0, np.int64)
        self._total, self._turn, self._has_told = -1, 0, False
        self._choose()

    @property
    def ids(self) -> Sequence[int]:
        """The series, by name."""
        chosen: list[int] = self._ids.tolist()
        return chosen

    def tell(self, room: int) -> Raw | None:
        """Rows of series that had a reading since; all of them at first."""
        if self._sources.following.number - self._turn >= RECHOOSE_TURNS:
            self._choose()
        counts = self._known.counts(self._ids)
        changed = np.flatnonzero(counts != self._counts)
        if not len(changed) and self._has_told:
            return None
        rows = self._sources.last(self._ids[changed].tolist())
        if sum(map(len, rows)) + len(rows) > room:
            sizes = np.cumsum([len(row) + 1 for row in rows])
            most = max(1, int(np.searchsorted(sizes, room, "right")))
            rows, changed = rows[:most], changed[:most]
        self._counts[changed] = counts[changed]
        self._has_told = True
        return Raw(b'{"series":%s,"total":%d}' % (joined(rows), self._total))

    def _choose(self) -> None:
        self._turn = self._sources.following.number
        ids = self._sources.choose(self._wanted.series)
        if len(ids) == self._total:
            return
        self._total, self._has_told = len(ids), False
        before = dict(zip(self._ids.tolist(), self._counts.tolist(), strict=True))
        self._ids = ids[: self._wanted.limit]
        self._counts = np.array([before.get(i, -1) for i in self._ids.tolist()], np.int64)

    def close(self) -> None:
        """Nothing is held."""


class ReadingsWatch:
    """Every reading of some series from now on. One that isn't known yet is told from when it is."""

    def __init__(self, sources: Sources, catalogue: Catalogue, names: Sequence[str]) -> None:
        """Follow them.

        Raises:
            QueryInvalid: when one is no name, or means several series.
        """
        if not names or any("*" in name for name in names):
            raise QueryInvalid("readings are watched by whole names", "`GET /api/v1/series` lists them")
        self._sources, self._catalogue, self._names = sources, catalogue, tuple(names)
        self._ids: list[int] = []
        self._counts = np.empty(0, np.int64)
        self._number = self._turn = sources.following.number
        self._choose()

    def tell(self, room: int) -> Raw | None:
        """The rows that came since; the newest where there are too many, and how many were left out."""
        following = self._sources.following
        if following.number - self._turn >= RECHOOSE_TURNS:
            self._choose()
        counts = following.counts(np.array(self._ids, np.int32))
        come = counts - self._counts
        if not come.any():
            self._number = following.number
            return None
        after, self._number, self._counts = self._number, following.number, counts
        most = max(1, room // (self._row_bytes * len(self._ids)))
        told, skipped = dict[str, bytes](), 0
        for series, n, batches in zip(self._ids, come.tolist(), following.since(after, self._ids), strict=True):
            if not n:
                continue
            piece, rows = self._sources.piece(series, after, batches, most)
            skipped += n - rows
            if rows:
                told[self._catalogue[series].name] = piece
        parts = b",".join(_quoted(name) + b":" + piece for name, piece in told.items())
        return Raw(b'{"series":{%s},"skipped":%d}' % (parts, skipped))

    @property
    def _row_bytes(self) -> int:
        return TEXT_BYTES if self._catalogue.is_text[self._ids].any() else ROW_BYTES

    def _choose(self) -> None:
        self._turn = self._sources.following.number
        found = self._sources.choose(self._names).tolist()
        if found == self._ids:
            return
        following = self._sources.following
        following.follow(found)
        following.unfollow(self._ids)
        before = dict(zip(self._ids, self._counts.tolist(), strict=True))
        now = following.counts(np.array(found, np.int32)).tolist()
        self._ids = found
        self._counts = np.array([before.get(i, n) for i, n in zip(found, now, strict=True)], np.int64)

    def close(self) -> None:
        """Follow them no more."""
        self._sources.following.unfollow(self._ids)
        self._ids, self._counts = [], np.empty(0, np.int64)


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)


def device_watch(sources: Sources, wanted: Watch) -> TableWatch:
    """Devices whose names fit."""
    fits = (lambda _: True) if wanted.match == "*" else lambda row: fnmatchcase(row.name, wanted.match)
    return TableWatch(sources, "devices", sources.devices, "changed", fits=fits)


def alert_watch(sources: Sources) -> TableWatch:
    """Alerts: the open ones at first."""
    return TableWatch(sources, "alerts", sources.alerts, "changed", first=lambda row: row.state == "open")


def event_watch(sources: Sources) -> TableWatch:
    """Events: the latest ones at first."""
    return TableWatch(sources, "events", sources.events, "events")
