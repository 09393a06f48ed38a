"""A batch's rows as rules want them: only those that a rule reads, grouped by device, in order of arrival."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.quality import is_usable

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Arrived:
    """The rows of a batch that at least one rule reads, grouped by device. All of shape (n,).

    row:    position in the batch
    usable: False where the quality is bad or the value isn't a number; None when all are usable
    """

    row: Array
    series: Array
    ts: Array
    value: Array
    usable: Array | None


@dataclass(frozen=True, slots=True)
class Rows:
    """One rule's usable rows, grouped by device.

    row:    position in the batch, shape (n,)
    metric: position of the row's metric in the rule's plan; None for a rule with one metric
    device: 0..D-1, ascending, shape (n,)
    firsts: each device's first row here, shape (D,)
    slots:  each device's slot in the rule's state, shape (D,)
    """

    row: Array
    ts: Array
    value: Array
    metric: Array | None
    device: Array
    firsts: Array
    slots: Array


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows left out, by slot and position in the batch. Shape (k,)."""

    slot: Array
    row: Array


def arrive(batch: Batch, wanted: Array, device_of: Array) -> Arrived | None:
    """The rows of series that are `wanted`, or None when there are none. Both tables are indexed by series id."""
    chosen = wanted[batch.series].nonzero()[0]
    if not len(chosen):
        return None
    device = device_of[batch.series[chosen]]
    if len(device_of) <= 1 << 16:
        device = device.astype(np.uint16)  # numpy sorts 16-bit numbers by radix: ten times faster
    row = chosen[device.argsort(kind="stable")]
    value = batch.value[row]
    usable = is_usable(batch.quality[row]) & (value == value)  # noqa: PLR0124 - NaN is not equal to itself
    is_all = np.count_nonzero(usable) == len(usable)
    return Arrived(row, batch.series[row], batch.ts[row], value, None if is_all else usable)


def choose(arrived: Arrived, slot_of: Array, metric_of: Array | None) -> tuple[Rows | None, Skipped | None]:
    """The rows that one rule reads (slot_of is -1 for other series), and those of them that can't be used."""
    slot = slot_of[arrived.series]
    mine = slot >= 0
    skipped = None
    if arrived.usable is not None:
        bad = (mine & ~arrived.usable).nonzero()[0]
        skipped = Skipped(slot[bad], arrived.row[bad]) if len(bad) else None
        mine &= arrived.usable
    row, ts, value, series = arrived.row, arrived.ts, arrived.value, arrived.series
    if np.count_nonzero(mine) < len(mine):
        at = mine.nonzero()[0]
        if not len(at):
            return None, skipped
        row, ts, value, series, slot = row[at], ts[at], value[at], series[at], slot[at]
    starts = np.empty(len(slot), np.bool_)
    starts[0] = True
    np.not_equal(slot[1:], slot[:-1], out=starts[1:])
    firsts = starts.nonzero()[0]
    metric = None if metric_of is None else metric_of[series]
    return Rows(row, ts, value, metric, starts.cumsum() - 1, firsts, slot[firsts]), skipped
