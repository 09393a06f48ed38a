"""In which order rows of several lanes came: what the rules saw, to be shown to them again after a restart (G7).

A commit whose readings went to one lane only needs no weave: its group has the order. Weaves live until the rules'
next checkpoint, so there are never more than a few seconds of them.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.journal.blobs import decode_readings
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import OWN, Group, GroupKind
from holdfast.journal.transaction import Transaction
from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import READING_LANES, Lane
from holdfast.storage.sqlite import rows

_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Weave:
    """One commit. ends: the last seq of each lane after it; lanes: each row's place in READING_LANES, shape (n,)."""

    ends: dict[Lane, int]
    lanes: NDArray[np.uint8]

    def has(self, group: Group) -> bool:
        """Are these rows of the commit?"""
        n = int(np.count_nonzero(self.lanes == READING_LANES.index(group.lane)))
        return _is_own(group) and group.last == self.ends[group.lane] and len(group) == n


def keep(tx: Transaction, stay: NDArray[np.uint8]) -> None:
    """Remember the order of the readings that this commit has just stored. stay: of each row, as it came."""
    ends = msgspec.json.encode([tx.draft.heads[lane] for lane in READING_LANES]).decode()
    packed = zlib.compress(stay.tobytes(), 1)
    tx.db.execute("INSERT INTO weaves (ends, lanes) VALUES (?, ?)", (ends, packed))


def forget(tx: Transaction) -> None:
    """The rules have a checkpoint as of now."""
    tx.db.execute("DELETE FROM weaves")


def in_order(journal: JournalReader, after: dict[Lane, int]) -> Iterator[tuple[int, Batch]]:
    """Own readings above `after`, in the order they came: (rows of the lanes read for it, batch). Blocking.

    Where the order isn't known any more (the checkpoint was of other rules), lane after lane.
    """
    streams = {lane: _Stream(journal, lane, after.get(lane, 0)) for lane in READING_LANES}
    for weave in _read(journal):
        parts: dict[Lane, Batch] = {}
        for group in _upto(weave, streams):
            if weave.has(group):
                parts[group.lane] = decode_readings(group.blob)
            else:
                yield len(group), _own(group)
        if parts:
            woven = _woven(weave, parts, journal)
            yield len(woven), woven
    for stream in streams.values():
        for group in stream.upto(None):
            yield len(group), _own(group)


def _upto(weave: Weave, streams: Mapping[Lane, "_Stream"]) -> Iterator[Group]:
    for lane, stream in streams.items():
        yield from stream.upto(weave.ends[lane])


class _Stream:
    """A lane's groups, once each."""

    def __init__(self, journal: JournalReader, lane: Lane, after: int) -> None:
        self._journal, self._lane, self._at = journal, lane, after
        self._ahead: list[Group] = []

    def upto(self, last: int | None) -> Iterator[Group]:
        """The groups not given yet that end at or below `last`; None = all."""
        while True:
            if not self._ahead:
                self._ahead = self._journal.read(self._lane, self._at, _AT_ONCE)
            if not self._ahead or (last is not None and self._ahead[0].last > last):
                return
            group = self._ahead.pop(0)
            self._at = group.last
            yield group


def _read(journal: JournalReader) -> list[Weave]:
    with journal._connection() as db:  # noqa: SLF001  # same room
        found = rows(db, "SELECT ends, lanes FROM weaves ORDER BY id")
    return [
        Weave(
            dict(zip(READING_LANES, msgspec.json.decode(ends), strict=True)),
            np.frombuffer(zlib.decompress(lanes), np.uint8),
        )
        for ends, lanes in found
    ]


def _woven(weave: Weave, parts: dict[Lane, Batch], journal: JournalReader) -> Batch:
    """The rows of the lanes that are still there, in the order they came."""
    present = [(place, parts[lane]) for place, lane in enumerate(READING_LANES) if lane in parts]
    joined = concatenate([part for _, part in present], _text_series(journal, present))
    at = np.concatenate([np.flatnonzero(weave.lanes == place) for place, _ in present])
    return joined.take(np.argsort(at, kind="stable"))


def _text_series(journal: JournalReader, present: list[tuple[int, Batch]]) -> NDArray[np.bool_] | None:
    if not any(part.texts for _, part in present):
        return None
    catalogue = getattr(journal, "catalogue", None)
    return None if catalogue is None else catalogue.is_text


def _own(group: Group) -> Batch:
    return decode_readings(group.blob) if _is_own(group) else Batch.empty()


def _is_own(group: Group) -> bool:
    return group.kind is GroupKind.READINGS and group.origin == OWN
