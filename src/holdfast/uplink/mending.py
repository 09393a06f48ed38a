"""Rows that can't be sent become a gap, so that the lane goes on and nothing vanishes silently (G5, G12)."""

from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.integrity import isolate, rechain_unless
from holdfast.journal.reader import chain_at
from holdfast.journal.records import GENESIS, Gap
from holdfast.journal.rows import LANE_SHIFT, SEQ_MASK
from holdfast.journal.shedding import forget
from holdfast.journal.transaction import Transaction
from holdfast.model.lane import Lane
from holdfast.uplink.errors import RowsMissing


def mend(tx: Transaction, fault: RowsMissing | GroupCorrupt, now_ns: int) -> Gap | None:
    """Put a gap where the fault is; None when the rows are there after all."""
    if isinstance(fault, GroupCorrupt):
        return isolate(tx, Lane(fault.place >> LANE_SHIFT), fault.place & SEQ_MASK, now_ns)
    gap = forget(tx, fault.lane, fault.after, now_ns)
    if gap is None:
        return isolate(tx, fault.lane, fault.after + 1, now_ns)
    rechain_unless(tx, fault.lane, gap.last, chain_at(tx.db, fault.lane, gap.last) or GENESIS)
    return gap
