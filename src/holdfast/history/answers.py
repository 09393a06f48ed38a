"""What a question about the past is answered with: columns a series, ready for JSON."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from holdfast.history.downsample import Cells
from holdfast.history.question import Missing, Source
from holdfast.history.rows import Texts
from holdfast.model.batch import Batch
from holdfast.model.series import Kind, Series

Aggregate = Literal["count", "bad", "min", "max", "mean", "last", "uncertain", "p50", "p90", "p95", "p99"]
ALL: tuple[Aggregate, ...] = get_args(Aggregate)
AGGREGATES: tuple[Aggregate, ...] = ("count", "bad", "min", "max", "mean", "last")
"""What an answer has when nothing else was asked for: each comes from stored steps, too."""
PERCENTILES: dict[Aggregate, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
Value = float | int | bool | str | None


class Column(Struct, frozen=True, omit_defaults=True):
    """One series' part. All lists have one entry a point, or one a step that holds any row.

    ts is ns UTC: of the point, or of the step's begin. `quality` and `value` come with points, the rest with steps.
    A number that isn't one (NaN) is null.
    """

    series: str
    unit: str
    kind: str
    ts: list[int]
    value: list[Value] | None = None
    quality: list[int] | None = None
    count: list[int] | None = None
    bad: list[int] | None = None
    min: list[Value] | None = None
    max: list[Value] | None = None
    mean: list[Value] | None = None
    last: list[Value] | None = None
    uncertain: list[int] | None = None
    p50: list[Value] | None = None
    p90: list[Value] | None = None
    p95: list[Value] | None = None
    p99: list[Value] | None = None


class Answer(Struct, frozen=True):
    """The answer to one question. truncated: there is more in that time than the answer holds.

    sources: where its parts came from; missing: what is known to be gone in that time
    """

    from_ns: int
    to_ns: int
    step_ns: int | None
    series: list[Column]
    truncated: bool
    sources: list[Source] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def pointed(series: Sequence[Series], rows: Batch, texts: Texts) -> list[Column]:
    """Points a series; `rows` sorted by place and time."""
    bounds = np.searchsorted(rows.series, np.arange(len(series) + 1))
    columns: list[Column] = []
    for i, one in enumerate(series):
        part = slice(bounds[i], bounds[i + 1])
        value = spoken(rows.value[part], one.kind, texts)
        ts, quality = rows.ts[part].tolist(), rows.quality[part].tolist()
        columns.append(_column(one, ts, value=value, quality=quality))
    return columns


def stepped(series: Sequence[Series], cells: Cells, texts: Texts, wanted: Sequence[Aggregate]) -> list[Column]:
    """Aggregates a series and step; steps without any row are left out."""
    grid, mean = cells.grid, cells.mean()
    starts = grid.start_ns + np.arange(grid.buckets, dtype=np.int64) * grid.step_ns
    percentiles = [(name, cells.percentile(PERCENTILES[name])) for name in wanted if name in PERCENTILES]
    columns: list[Column] = []
    for i, one in enumerate(series):
        part = slice(i * grid.buckets, (i + 1) * grid.buckets)
        held = np.flatnonzero((cells.count[part] > 0) | (cells.bad[part] > 0))
        numbers: dict[str, list[Value] | list[int]] = {
            "count": cells.count[part][held].tolist(),
            "bad": cells.bad[part][held].tolist(),
            "uncertain": cells.uncertain[part][held].tolist(),
            "last": spoken(cells.last[part][held], one.kind, texts),
        }
        if one.kind != Kind.TEXT:
            for name, column in (("min", cells.low), ("max", cells.high), ("mean", mean), *percentiles):
                numbers[name] = spoken(column[part][held], Kind.FLOAT, texts)
        columns.append(_column(one, starts[held].tolist(), **{n: v for n, v in numbers.items() if n in wanted}))
    return columns


def spoken(values: NDArray[np.float64], kind: Kind, texts: Texts) -> list[Value]:
    """Stored numbers as what they stand for; None where there's no number."""
    finite = np.isfinite(values)
    if kind == Kind.FLOAT:
        return [v if ok else None for v, ok in zip(values.tolist(), finite.tolist(), strict=True)]
    whole: list[int] = np.where(finite, values, 0).astype(np.int64).tolist()
    pairs = zip(whole, finite.tolist(), strict=True)
    if kind == Kind.INT:
        return [v if ok else None for v, ok in pairs]
    return [(bool(v) if kind == Kind.BOOL else texts.known[v]) if ok else None for v, ok in pairs]


def _column(series: Series, ts: list[int], **lists: list[Value] | list[int]) -> Column:
    return Column(series.name, series.unit, series.kind.name.lower(), ts, **lists)  # type: ignore[arg-type]  # named as its fields
