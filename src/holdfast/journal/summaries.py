"""What is kept of rows that must go: per series and step the count, min, max and mean (G4: summarised, then shed).

A summary is readings of derived series: `air.temperature` becomes `air.temperature.60s.mean` and so on, each row at the
step's start, marked by quality reason SUMMARY. Bad rows are left out; a step that has only those gives a count of 0.
The same step can come twice, from two blocks of rows: counts add up, so steps can be merged.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import Stay
from holdfast.model.quality import Quality, Reason, encode_quality, is_usable
from holdfast.model.series import Catalogue, Kind, Series

STATISTICS = ("count", "min", "max", "mean")
COUNTS = ("count", "uncertain", "bad")
"""How many readings: of a filter's summaries the latter two as well."""
_NS = 1_000_000_000
_QUALITY = encode_quality(Quality.GOOD, Reason.SUMMARY)


def summarise(batches: Sequence[Batch], catalogue: Catalogue, step_ns: int) -> Batch:
    """The steps of all numeric series in `batches`, four rows a step; text series have only a count."""
    rows = concatenate(batches, catalogue.is_text)
    if not len(rows):
        return rows
    step = rows.ts // step_ns
    order = np.lexsort((step, rows.series))
    series, step = rows.series[order], step[order]
    starts = np.flatnonzero(np.concatenate([[True], (series[1:] != series[:-1]) | (step[1:] != step[:-1])]))
    ids, ts = series[starts], step[starts] * step_ns
    columns = _statistics(rows.value[order], is_usable(rows.quality[order]), starts)
    return _readings(ids, ts, columns, catalogue, step_ns)


def label(step_ns: int) -> str:
    """How a step is written in a series' name: 60s, 500ms."""
    return f"{step_ns // _NS}s" if step_ns % _NS == 0 else f"{step_ns // 1_000_000}ms"


def named(series: Series, statistic: str, step_ns: int) -> Series:
    """The series of a statistic of `series` over steps: ADR 9."""
    metric = f"{series.metric}.{label(step_ns)}.{statistic}"
    unit, kind = ("1", Kind.INT) if statistic in COUNTS else (series.unit, Kind.FLOAT)
    return Series(series.node, series.device, metric, unit, kind)


def rows_of(series: NDArray[np.int32], ts: NDArray[np.int64], value: NDArray[np.float64]) -> Batch:
    """Readings that are summaries."""
    return Batch(series, ts, value, np.full(len(series), _QUALITY, np.uint8))


def _statistics(
    value: NDArray[np.float64], usable: NDArray[np.bool_], starts: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    count = np.add.reduceat(usable.astype(np.float64), starts)
    total = np.add.reduceat(np.where(usable, value, 0.0), starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
    low = np.minimum.reduceat(np.where(usable, value, np.inf), starts)
    high = np.maximum.reduceat(np.where(usable, value, -np.inf), starts)
    return {"count": count, "min": low, "max": high, "mean": mean}


def _readings(
    ids: NDArray[np.int32],
    ts: NDArray[np.int64],
    columns: dict[str, NDArray[np.float64]],
    catalogue: Catalogue,
    step_ns: int,
) -> Batch:
    parts = []
    has_rows = columns["count"] > 0
    is_text = catalogue.is_text[ids]
    for name in STATISTICS:
        chosen = np.flatnonzero(np.ones(len(ids), np.bool_) if name == "count" else has_rows & ~is_text)
        if len(chosen):
            own = _derived(ids[chosen], name, catalogue, step_ns)
            parts.append(rows_of(own, ts[chosen], columns[name][chosen]))
    return concatenate(parts)


def _derived(ids: NDArray[np.int32], name: str, catalogue: Catalogue, step_ns: int) -> NDArray[np.int32]:
    distinct, place = np.unique(ids, return_inverse=True)
    own = [_as_free(catalogue, one, named(catalogue[one], name, step_ns)) for one in distinct.tolist()]
    return np.array(own, np.int32)[place]


def _as_free(catalogue: Catalogue, source: int, steps: Series) -> int:
    """The id of a series of steps, which may go as far as what they were made of."""
    if source in catalogue.made:
        return catalogue.intern_made(steps)
    number = catalogue.intern(steps)
    if catalogue.stay_of[source]:  # rows from before a rule came: they may leave, their name needn't
        catalogue.set_stay(number, Stay(int(catalogue.stay_of[source])))
    return number
