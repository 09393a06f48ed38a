"""Gives a child rows back that it lost on its own disk: as it sent them, with its own series numbers. Blocking."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.journal.blobs import decode_events, decode_messages, decode_readings
from holdfast.journal.journal import Journal
from holdfast.journal.records import Branch, Group, GroupKind
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.wire.columns import encode_events, encode_messages, encode_readings
from holdfast.wire.messages import GENESIS, BatchHeader, Fetch, Kind

_KINDS: dict[GroupKind, Kind] = {
    GroupKind.READINGS: "readings",
    GroupKind.EVENTS: "events",
    GroupKind.MESSAGES: "messages",
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows first..last of the child, inside a group here."""

    group: Group
    branch: int
    first: int
    last: int

    @property
    def rows(self) -> slice:
        """Where they are in the group."""
        return slice(self.first - self.group.origin_first, self.last - self.group.origin_first + 1)


def fetched(journal: Journal, child: str, wanted: Fetch) -> bytes | None:
    """The rows as the body of a batch with one group; None when not all of them are here.

    Raises:
        GroupCorrupt: when a group here is damaged.
    """
    lane = Lane(wanted.lane)
    branches = {branch.number: branch for branch in journal.branches(child)}
    pieces = _covering(journal, branches, wanted, lane)
    if not pieces or len({piece.group.kind for piece in pieces}) != 1:
        return None
    kind = pieces[0].group.kind
    header = BatchHeader(
        session=0,
        lane=lane,
        first=wanted.first,
        last=wanted.last,
        chain_before=GENESIS,
        chain=GENESIS,
        kind=_KINDS[kind],
        bounds=(wanted.last,),
        branch=wanted.branch,
    )
    if kind is GroupKind.MESSAGES:
        return encode_messages(header, [[one for p in pieces for one in decode_messages(p.group.blob)[p.rows]]])
    if kind is GroupKind.EVENTS:
        return encode_events(header, [[event for p in pieces for event in decode_events(p.group.blob)[p.rows]]])
    joined = _joined(journal, child, pieces)
    return None if joined is None else encode_readings(header, [joined])


def _joined(journal: Journal, child: str, pieces: Sequence[_Piece]) -> Batch | None:
    maps = {p.branch: _inverse(journal.series_map(child, p.branch)) for p in pieces}
    is_text = journal.catalogue.is_text
    parts = [_as_sent(decode_readings(p.group.blob), p.rows, maps[p.branch], is_text) for p in pieces]
    if len(parts) > 1 and any(part.texts for part in parts):
        return None  # the child's own list of texts can't be told from several
    columns = [(part.series, part.ts, part.value, part.quality) for part in parts]
    series, ts, value, quality = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Batch(series, ts, value, quality, parts[0].texts)


def _covering(journal: Journal, branches: dict[int, Branch], wanted: Fetch, lane: Lane) -> list[_Piece]:
    """What covers first..last without a hole, of the branch and those it came from; empty when something is missing."""
    found = sorted(_pieces(journal, branches, wanted, lane), key=lambda piece: (piece.first, -piece.last))
    taken: list[_Piece] = []
    at = wanted.first
    for piece in found:
        if piece.first <= at <= piece.last:
            taken.append(_Piece(piece.group, piece.branch, at, piece.last))
            at = piece.last + 1
    return taken if at == wanted.last + 1 else []


def _pieces(journal: Journal, branches: dict[int, Branch], wanted: Fetch, lane: Lane) -> Iterator[_Piece]:
    number, limit = wanted.branch, wanted.last
    while number in branches:
        branch = branches[number]
        for group in journal.of_child(branch.peer, number, lane, wanted.first, limit):
            last = group.origin_first + len(group) - 1
            yield _Piece(group, number, max(wanted.first, group.origin_first), min(limit, last))
        number, limit = branch.parent, min(limit, branch.marks[lane].fork)


def _inverse(series_map: NDArray[np.int32]) -> NDArray[np.int32]:
    """Own series id -> the child's, shape (largest + 1,); -1 = none of its."""
    inverse = np.full(int(series_map.max(initial=-1)) + 1, -1, np.int32)
    inverse[series_map] = np.arange(len(series_map), dtype=np.int32)
    return inverse


def _as_sent(batch: Batch, rows: slice, inverse: NDArray[np.int32], is_text: NDArray[np.bool_]) -> Batch:
    """Some rows with the child's series ids, and only their own texts, numbered from 0 as in the child's group.

    A merged group's texts lie one child's group after the other, each named by rows of its own.
    """
    series, value = batch.series[rows], batch.value[rows]
    texts: tuple[str, ...] = ()
    speaks = is_text[series] & np.isfinite(value)
    if speaks.any():
        first, last = int(value[speaks].min()), int(value[speaks].max())
        texts = batch.texts[first : last + 1]
        value = np.where(speaks, value - first, value)
    return Batch(inverse[series], batch.ts[rows], value, batch.quality[rows], texts)
