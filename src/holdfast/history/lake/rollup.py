"""Readings to steps: one row a series and minute or hour, which merge exactly with others of the same step.

Columns: those of `table.NAMES`, ts (the step's begin), count (usable rows: good and uncertain), uncertain, bad, min,
max, mean, last (of the usable rows), last_text, last_ns (when, after ts). A row that is bad or no number counts as bad.
"""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from holdfast.history.lake.index import Index
from holdfast.history.lake.table import NAMES, WORD, named
from holdfast.model.batch import Batch
from holdfast.model.quality import QUALITY_MASK, Quality, is_usable
from holdfast.model.series import Catalogue

STEP_SCHEMA = pa.schema(
    [
        *(pa.field(name, WORD, nullable=False) for name in NAMES),
        pa.field("ts", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("count", pa.int32(), nullable=False),
        pa.field("uncertain", pa.int32(), nullable=False),
        pa.field("bad", pa.int32(), nullable=False),
        pa.field("min", pa.float64()),
        pa.field("max", pa.float64()),
        pa.field("mean", pa.float64()),
        pa.field("last", pa.float64()),
        pa.field("last_text", pa.string()),
        pa.field("last_ns", pa.int64(), nullable=False),
    ]
)
_NS = 10**9


@dataclass(frozen=True, slots=True)
class Steps:
    """One row a series and step, sorted so; all of shape (n,).

    ts: begin, ns UTC; last_ts: of the newest usable row; squares: sum of squared differences of the usable rows to
    the mean; low, high, mean, last are NaN where no row is usable
    """

    series: NDArray[np.int32]
    ts: NDArray[np.int64]
    count: NDArray[np.int64]
    uncertain: NDArray[np.int64]
    bad: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    last: NDArray[np.float64]
    last_ts: NDArray[np.int64]
    squares: NDArray[np.float64]
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: NDArray[np.bool_]) -> "Steps":
        """The steps selected by a mask."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "texts"}
        return Steps(**{name: column[rows] for name, column in columns.items()}, texts=self.texts)


def roll_up(rows: Batch, step_s: int) -> Steps:
    """The steps of rows sorted by series and time (of equal times the later row counts as last)."""
    step_ns = step_s * _NS
    begin = rows.ts // step_ns * step_ns
    edge = (rows.series[1:] != rows.series[:-1]) | (begin[1:] != begin[:-1])
    starts = np.flatnonzero(np.concatenate(([True], edge)))
    usable = is_usable(rows.quality) & ~np.isnan(rows.value)
    unsure = usable & ((rows.quality & QUALITY_MASK) == Quality.UNCERTAIN)
    count = np.add.reduceat(usable, starts, dtype=np.int64)
    total = np.diff(np.append(starts, len(rows)))
    value = np.where(usable, rows.value, 0.0)
    mean = np.full(len(starts), np.nan)
    np.divide(np.add.reduceat(value, starts), count, out=mean, where=count > 0)
    off = np.where(usable, rows.value - np.repeat(mean, total), 0.0)
    newest = np.maximum.reduceat(np.where(usable, np.arange(len(rows)), -1), starts)
    held = newest >= 0
    return Steps(
        rows.series[starts],
        begin[starts],
        count,
        np.add.reduceat(unsure, starts, dtype=np.int64),
        total - count,
        _where(held, np.minimum.reduceat(np.where(usable, rows.value, np.inf), starts)),
        _where(held, np.maximum.reduceat(np.where(usable, rows.value, -np.inf), starts)),
        mean,
        _where(held, rows.value[newest]),
        np.where(held, rows.ts[newest], begin[starts]),
        np.add.reduceat(off * off, starts),
        rows.texts,
    )


def to_step_table(steps: Steps, catalogue: Catalogue) -> pa.Table:
    """Steps as the lake's columns."""
    is_text = catalogue.is_text[steps.series]
    numbers = [np.where(is_text, np.nan, c) for c in (steps.low, steps.high, steps.mean, steps.last)]
    place = np.where(is_text & ~np.isnan(steps.last), steps.last, 0).astype(np.int32)
    words = pa.array(list(steps.texts), pa.string())
    missing = ~is_text | np.isnan(steps.last)
    texts = (
        pa.nulls(len(steps), pa.string())
        if missing.all()
        else pa.DictionaryArray.from_arrays(pa.array(place, mask=missing), words).cast(pa.string())
    )
    return pa.Table.from_arrays(
        [
            *named(steps.series, catalogue),
            pa.array(steps.ts // 1000, pa.timestamp("us", "UTC")),
            *(pa.array(c.astype(np.int32)) for c in (steps.count, steps.uncertain, steps.bad)),
            *(pa.array(c, mask=np.isnan(c)) for c in numbers),
            texts,
            pa.array(steps.last_ts - steps.ts),
        ],
        schema=STEP_SCHEMA,
    )


def step_index(steps: Steps) -> Index:
    """The index of a file of steps."""
    starts = np.flatnonzero(np.concatenate(([True], steps.series[1:] != steps.series[:-1])))
    ends = np.append(starts[1:], len(steps)) - 1
    nothing = np.full(len(starts), np.nan)
    return Index(
        steps.series[starts],
        ends - starts + 1,
        steps.ts[starts],
        steps.ts[ends],
        nothing,
        np.zeros(len(starts), np.uint8),
    )


def _where(held: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(held, values, np.nan)
