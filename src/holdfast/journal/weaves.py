"""What the rules were told since their last checkpoint, commit by commit, to be told again after a restart (G7).

A weave says in which order rows of several lanes came, and what was told between them: time that passed, somebody's
acknowledgement (`steps`, which this room stores and doesn't read). Weaves live until the rules' next checkpoint, so
there are never more than a few seconds of them. A commit of readings in one lane, without steps, needs none.
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
from holdfast.model.lane import READING_LANES, Lane, padded
from holdfast.storage.sqlite import rows

_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Weave:
    """One commit.

    ends:  the last seq of each lane after it
    lanes: each row's place in READING_LANES, shape (n,); empty when all are in one
    steps: what the rules were told; empty: the rows
    """

    ends: dict[Lane, int]
    lanes: NDArray[np.uint8]
    steps: bytes = b""

    def has(self, group: Group) -> bool:
        """Are these rows of the commit?"""
        if not len(self.lanes):
            return _is_own(group) and group.last == self.ends[group.lane]
        n = int(np.count_nonzero(self.lanes == READING_LANES.index(group.lane)))
        return _is_own(group) and group.last == self.ends[group.lane] and len(group) == n


@dataclass(frozen=True, slots=True)
class Told:
    """What the rules were told at once: `rows` read from the journal for it, own readings in order, steps."""

    rows: int
    batch: Batch
    steps: bytes = b""


def keep(tx: Transaction, place: NDArray[np.uint8]) -> None:
    """Remember the order of the readings just stored. place: of each row, as it came, in READING_LANES."""
    packed = zlib.compress(place.tobytes(), 1)
    tx.db.execute("INSERT INTO weaves (ends, lanes) VALUES (?, ?)", (_ends(tx), packed))


def note(tx: Transaction, steps: bytes, *, is_woven: bool) -> None:
    """Remember what the rules were told, in the commit that stored the rows of it. is_woven: was there a `keep`?"""
    if is_woven:
        tx.db.execute("UPDATE weaves SET steps = ? WHERE id = (SELECT max(id) FROM weaves)", (steps,))
    else:
        tx.db.execute("INSERT INTO weaves (ends, lanes, steps) VALUES (?, x'', ?)", (_ends(tx), steps))


def _ends(tx: Transaction) -> str:
    return msgspec.json.encode([tx.draft.heads[lane] for lane in READING_LANES]).decode()


def forget(tx: Transaction) -> None:
    """The rules have a checkpoint as of now."""
    tx.db.execute("DELETE FROM weaves")


def in_order(journal: JournalReader, after: dict[Lane, int]) -> Iterator[tuple[int, Batch]]:
    """Own readings above `after`, in the order they came: (rows of the lanes read for it, batch). Blocking."""
    return ((one.rows, one.batch) for one in told(journal, after))


def told(journal: JournalReader, after: dict[Lane, int]) -> Iterator[Told]:
    """What the rules were told of what is above `after`, in order. Blocking.

    Where the order isn't known any more (the checkpoint was of other rules), lane after lane.
    """
    streams = {lane: _Stream(journal, lane, after.get(lane, 0)) for lane in READING_LANES}
    for weave in _read(journal):
        parts: dict[Lane, Batch] = {}
        for group in _upto(weave, streams):
            if weave.has(group):
                parts[group.lane] = decode_readings(group.blob)
            else:
                yield Told(len(group), _own(group))
        if parts or weave.steps:
            woven = _woven(weave, parts, journal)
            yield Told(len(woven), woven, weave.steps)
    for stream in streams.values():
        for group in stream.upto(None):
            yield Told(len(group), _own(group))


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
        found = rows(db, "SELECT ends, lanes, steps FROM weaves ORDER BY id")
    return [
        Weave(
            dict(zip(READING_LANES, padded(msgspec.json.decode(ends)), strict=True)),
            np.frombuffer(zlib.decompress(lanes) if lanes else b"", np.uint8),
            steps or b"",
        )
        for ends, lanes, steps in found
    ]


def _woven(weave: Weave, parts: dict[Lane, Batch], journal: JournalReader) -> Batch:
    """The rows of the lanes that are still there, in the order they came."""
    present = [(place, parts[lane]) for place, lane in enumerate(READING_LANES) if lane in parts]
    if not present:
        return Batch.empty()
    if not len(weave.lanes):
        return present[0][1]
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
