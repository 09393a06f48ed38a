"""Readings leave the journal's groups for files: one bounded step, which the caller commits.

Until the commit the new files have hidden names and nobody reads them; what a crash leaves is removed at the next
start. The commit names the pieces and moves the cursor together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import HistoryError
from holdfast.history.lake.layout import DAY_NS
from holdfast.history.lake.writing import Target, write_rows
from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.pieces import (
    HISTORY,
    LANES,
    STAYS,
    Memory,
    Piece,
    add_alert_marks,
    add_piece,
    drop_stragglers,
)
from holdfast.journal.reader import JournalReader, chain_at
from holdfast.journal.records import Group, GroupKind
from holdfast.journal.transaction import EXCERPT, Transaction
from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import Lane

# Messages of applications lie in lane 0, too, and may have 1 MB each.
READ_BYTES = 64 << 20
ALERTS = ("alert.raised", "anomaly.detected")


@dataclass(frozen=True, slots=True)
class Made:
    """What a step made, to be committed by `commit`. done: lane -> seq; alerts: (ts, node, device)."""

    pieces: tuple[Piece, ...] = ()
    done: dict[Lane, int] = field(default_factory=dict)
    stragglers: tuple[int, ...] = ()
    alerts: tuple[tuple[int, str, str], ...] = ()
    rows: int = 0
    chains: dict[Lane, tuple[int, bytes]] = field(default_factory=dict)
    """Where the last group that was read ended, and the chain there."""


class RowsMoved(HistoryError):
    """Rows were restamped while they were being read; what was made of them must be thrown away."""


@dataclass(slots=True)
class _Gathered:
    batches: list[Batch] = field(default_factory=list)
    kept: list[Batch] = field(default_factory=list)
    """Of lanes that stay (residency)."""
    rows: int = 0
    alerts: list[tuple[int, str, str]] = field(default_factory=list)
    chains: dict[Lane, tuple[int, bytes]] = field(default_factory=dict)

    def take(self, group: Group) -> None:
        if group.origin == EXCERPT.peer:
            return  # copies: their originals lie in lane LOCAL
        if group.kind is GroupKind.READINGS:
            batch = decode_readings(group.blob)
            (self.kept if group.lane.is_secret else self.batches).append(batch)
            self.rows += len(batch)
        elif group.kind is GroupKind.EVENTS:
            events = decode_events(group.blob)
            self.alerts += [(e.ts, e.node, e.device) for e in events if e.kind in ALERTS and e.device]


def compact(
    reader: JournalReader,
    memory: Memory,
    upto: dict[Lane, int],
    max_rows: int,
    target: Target,
    keep_of: NDArray[np.int32],
    keeps: Sequence[str],
) -> Made:
    """Make files of the readings after `memory.done`, up to `upto`, at most about `max_rows`.

    keep_of: shape (catalogue,), which of the patterns `keeps` rules a series

    Raises:
        StorageError: when a file can't be written; nothing is left of the others.
    """
    got = _Gathered()
    late = []
    for place in memory.stragglers:
        if got.rows >= max_rows:
            break
        group = reader.group(place)
        late.append(place)
        if group is not None:
            got.take(group)
    done = {lane: _gather(reader, lane, memory.done.get(lane, 0), upto, max_rows, got) for lane in upto}
    pieces = _write(target, got.batches, keep_of, keeps)
    pieces += _write(target, got.kept, keep_of, [pattern + STAYS for pattern in keeps])
    return Made(tuple(pieces), done, tuple(late), tuple(got.alerts), got.rows, got.chains)


def commit(tx: Transaction, made: Made) -> None:
    """Name the pieces and say how far the lanes are, in the caller's transaction.

    Raises:
        RowsMoved: when the rows are no longer those that were read.
    """
    for lane, (seq, chain) in made.chains.items():
        if chain_at(tx.db, lane, seq) not in (chain, None):
            raise RowsMoved(f"rows up to {seq} of lane {int(lane)} changed while they were read")
    for piece in made.pieces:
        add_piece(tx.db, piece)
    for lane, seq in made.done.items():
        if seq > tx.draft.cursors.get((HISTORY, lane), 0):
            tx.set_cursor(HISTORY, lane, seq)
    drop_stragglers(tx.db, made.stragglers)
    add_alert_marks(tx.db, made.alerts)
    tx.count("history_rows", made.rows)


def lanes_to_read() -> tuple[Lane, ...]:
    """Alerts first: readings near them are known by the time they could become coarser."""
    return (Lane.CRITICAL, *LANES)


def _gather(reader: JournalReader, lane: Lane, after: int, upto: dict[Lane, int], max_rows: int, got: _Gathered) -> int:
    done, end = after, upto[lane]
    while got.rows < max_rows and done < end:
        try:
            groups = reader.read(lane, done, max(1, min(max_rows - got.rows, 100_000)), READ_BYTES)
        except GroupCorrupt:  # the scrub makes it a gap, which then is passed over
            return done
        if not groups:
            return max(done, end)  # dropped, or shed with the gap delivered
        for group in groups:
            if group.last > end:
                return done
            got.take(group)
            done = group.last
            got.chains[lane] = (group.last, group.chain)
    return done


def may_leave(piece: Piece) -> bool:
    """Are its readings free to leave the site?"""
    return not piece.keep.endswith(STAYS)


def _write(target: Target, batches: Sequence[Batch], keep_of: NDArray[np.int32], keeps: Sequence[str]) -> list[Piece]:
    if not batches:
        return []
    rows = concatenate(batches, target.catalogue.is_text)
    day, keep = rows.ts // DAY_NS, keep_of[rows.series]
    pieces: list[Piece] = []
    for one_day in np.unique(day).tolist():
        of_day = day == one_day
        for rule in np.unique(keep[of_day]).tolist():
            pieces += write_rows(target, one_day, keeps[rule], rows.take(of_day & (keep == rule)))
    return pieces
