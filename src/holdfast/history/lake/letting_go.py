"""One deed of retention: what is made for it first, then its transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.history.lake.coarsen import around_alerts
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.layout import DAY_NS
from holdfast.history.lake.retention import Deed, Step
from holdfast.history.lake.writing import Target
from holdfast.journal.pieces import (
    AROUND_ALERTS,
    COLD,
    RAW,
    Loss,
    PieceFile,
    add_loss,
    drop_file,
    drop_piece,
    put_file,
    read_pieces,
)
from holdfast.journal.reader import JournalReader
from holdfast.journal.snapshot import snapshot
from holdfast.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Ready:
    """A step with the file that was made for it."""

    step: Step
    around: PieceFile | None = None


def prepare(step: Step, reader: JournalReader, lake: Lake, target: Target, within_ns: int) -> Ready:
    """Make what must be kept before the rest goes.

    Raises:
        PieceDamaged, PieceGone, StorageError: when it can't be made.
    """
    if step.deed is not Deed.COARSEN or not within_ns:
        return Ready(step)
    day = step.piece.day * DAY_NS
    with snapshot(reader) as moment:
        marks = moment.alert_marks(day - within_ns, day + DAY_NS + within_ns)
    return Ready(step, around_alerts(lake, step.piece, marks, within_ns, target))


def commit(tx: Transaction, ready: Ready, now_ns: int) -> bool:
    """Do it in the caller's transaction; False when the piece has changed meanwhile."""
    step = ready.step
    piece = step.piece
    if read_pieces(tx.db, "WHERE id = ?", (piece.id,)) != [piece]:
        return False
    if step.deed is Deed.EVICT:
        for file in step.files:
            put_file(tx.db, piece.id, replace(file, places=COLD))
        return True
    if ready.around is not None:
        put_file(tx.db, piece.id, ready.around)
    rest = [file for file in piece.files if file not in step.files]
    if not rest and ready.around is None:
        drop_piece(tx.db, piece, now_ns)
    else:
        for file in step.files:
            drop_file(tx.db, piece.id, file, now_ns)
    _account(tx, ready, rest, now_ns)
    return True


def _account(tx: Transaction, ready: Ready, rest: Sequence[PieceFile], now_ns: int) -> None:
    """Readings that are gone as they came: how many, and what is left of them."""
    step, piece = ready.step, ready.step.piece
    kept = 0 if ready.around is None else ready.around.rows
    if any(file.step == RAW for file in step.files):
        finest = min((file.step for file in rest if file.step > 0), default=0)
        add_loss(tx.db, Loss(piece.day, piece.keep, finest, piece.rows - kept, step.reason, now_ns))
    elif not any(file.step != AROUND_ALERTS for file in rest):
        add_loss(tx.db, Loss(piece.day, piece.keep, 0, piece.rows, step.reason, now_ns))
    tx.count(f"history_left.{step.reason}", sum(file.rows for file in step.files))
