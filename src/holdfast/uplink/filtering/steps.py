"""Steps of series that aren't over yet, as a table: one row a (series, step). Pure; whole batches at a time.

A step can be summed in parts, in any order: merging tables adds counts and totals and compares the rest, so what is in
a table depends on the readings only, not on how they came (sums of floats up to rounding).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.journal.summaries import named, rows_of
from holdfast.model.batch import Batch, concatenate
from holdfast.model.quality import QUALITY_MASK, Quality, is_usable
from holdfast.model.series import Catalogue

Table = NDArray[np.void]
STEP = np.dtype(
    [
        ("series", "<i4"),
        ("start", "<i8"),
        ("length", "<i8"),
        ("count", "<i8"),
        ("uncertain", "<i8"),
        ("bad", "<i8"),
        ("min", "<f8"),
        ("max", "<f8"),
        ("total", "<f8"),
        ("first_ts", "<i8"),
        ("first", "<f8"),
        ("last_ts", "<i8"),
        ("last", "<f8"),
        ("touched", "<f8"),
    ]
)
"""start, length: ns. count: usable readings, `uncertain` of them. touched: CLOCK_MONOTONIC s of the last reading in."""
_ADDED = ("count", "uncertain", "bad", "total")
_NUMERIC = ("min", "max", "mean", "first", "last")
_FINE = 4
"""Decimal places of a mean below its step's range."""
_LATE, _EARLY = np.iinfo(np.int64).max, np.iinfo(np.int64).min


def empty() -> Table:
    """No steps."""
    return np.empty(0, STEP)


def table_of(batch: Batch, length: NDArray[np.int64], is_text: NDArray[np.bool_], now_s: float) -> Table:
    """The steps of some readings. length: of each one's step, ns. A number that is none counts as bad."""
    text = is_text[batch.series]
    usable = is_usable(batch.quality) & (text | np.isfinite(batch.value))
    value = np.where(usable & ~text, batch.value, 0.0)
    table = np.empty(len(batch), STEP)
    table["series"], table["length"], table["touched"] = batch.series, length, now_s
    table["start"] = batch.ts // length * length
    table["count"], table["bad"] = usable, ~usable
    table["uncertain"] = usable & (batch.quality & QUALITY_MASK == int(Quality.UNCERTAIN))
    table["total"] = table["first"] = table["last"] = value
    table["min"], table["max"] = np.where(usable, value, np.inf), np.where(usable, value, -np.inf)
    table["first_ts"], table["last_ts"] = np.where(usable, batch.ts, _LATE), np.where(usable, batch.ts, _EARLY)
    return merged(table)


def merged(table: Table) -> Table:
    """One row a (series, length, start), in that order. Of equal times the later row's value counts as last."""
    if len(table) < 2:  # nothing to merge
        return table
    order = np.lexsort((table["first_ts"], table["start"], table["length"], table["series"]))
    rows = table[order]
    is_new = np.ones(len(rows), np.bool_)
    is_new[1:] = np.any([rows[key][1:] != rows[key][:-1] for key in ("series", "length", "start")], axis=0)
    starts = np.flatnonzero(is_new)
    done = rows[starts]
    for name in _ADDED:
        done[name] = np.add.reduceat(rows[name], starts)
    done["min"], done["max"] = np.minimum.reduceat(rows["min"], starts), np.maximum.reduceat(rows["max"], starts)
    done["touched"] = np.maximum.reduceat(rows["touched"], starts)
    done["last_ts"] = np.maximum.reduceat(rows["last_ts"], starts)
    is_last = rows["last_ts"] == np.repeat(done["last_ts"], np.diff([*starts, len(rows)]))
    # rows of a step are in order of `first_ts`, not of arrival: of equal ones the one that came last
    at = np.where(is_last, order, -1)
    done["last"] = table["last"][np.maximum.reduceat(at, starts)]
    return done


def both(known: Table, new: Table) -> Table:
    """Known steps with what came since."""
    return merged(np.concatenate([known, new])) if len(known) and len(new) else (known if len(known) else new)


def readings_in(table: Table) -> int:
    """How many readings are in these steps."""
    return int(table["count"].sum() + table["bad"].sum())


def summaries(table: Table, wanted: Sequence[Sequence[str]], catalogue: Catalogue) -> Batch:
    """The steps as readings of derived series, each at its step's start. wanted: the statistics of each step."""
    parts = []
    is_text = catalogue.is_text[table["series"]]
    mean = _means(table)
    for name in ("count", "uncertain", "bad", *_NUMERIC):
        if name == "count":
            chosen = np.ones(len(table), np.bool_)
        elif name in ("uncertain", "bad"):
            chosen = table[name] > 0
        else:
            chosen = (table["count"] > 0) & ~is_text & np.array([name in one for one in wanted], np.bool_)
        rows = table[chosen]
        value = mean[chosen] if name == "mean" else rows[name].astype(np.float64)
        if len(rows):
            parts.append(rows_of(_ids(rows, name, catalogue), rows["start"], value))
    return concatenate(parts)


def _means(table: Table) -> NDArray[np.float64]:
    """The mean of each step, rounded to a decimal place at or below a ten-thousandth of the step's range.

    What is rounded off is less than 1/20,000 of the range: far below the mean's own standard error, and half of a
    summary's bytes on the link, since a quotient has all of a float64's digits where readings have a few.
    """
    with np.errstate(all="ignore"):
        mean = table["total"] / table["count"]
        span = table["max"] - table["min"]
        places = np.ceil(_FINE - np.log10(span))
        power = 10.0 ** np.abs(places)
        rounded = np.where(places >= 0, np.rint(mean * power) / power, np.rint(mean / power) * power)
    usable = np.isfinite(rounded) & (span > 0)
    within: NDArray[np.float64] = np.clip(np.where(usable, rounded, mean), table["min"], table["max"])
    return within


def _ids(rows: Table, name: str, catalogue: Catalogue) -> NDArray[np.int32]:
    pairs = np.stack([rows["series"].astype(np.int64), rows["length"]], axis=1)
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    made = [catalogue.intern_made(named(catalogue[int(one)], name, int(length))) for one, length in distinct]
    return np.array(made, np.int32)[place.reshape(-1)]
