"""Answers as Arrow: what is too much for JSON, in batches. Pure.

Columns: series, node, device, metric, unit, kind (dictionaries), ts (ns, UTC), then value, text, quality and reason of
a reading, or count, bad … of a step, `last_text` instead of `last` where a series is text.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from holdfast.history.answers import PERCENTILES, Aggregate
from holdfast.history.downsample import Cells
from holdfast.history.lake.table import NAMES, WORD
from holdfast.history.latest import TIERS, Found
from holdfast.history.rows import Texts
from holdfast.model.quality import QUALITY_MASK, Quality, Reason
from holdfast.model.series import Kind, Series

_ABOUT = ("series", *NAMES)
_COUNTS = ("count", "bad", "uncertain")
_TS = pa.timestamp("ns", "UTC")
_REASON_SHIFT = QUALITY_MASK.bit_length()
_ROWS_PER_BATCH = 1 << 14
_QUALITIES = pa.array([quality.name.lower() for quality in Quality])
_REASONS = pa.array([reason.name.lower() for reason in Reason])


def point_schema() -> pa.Schema:
    """Of readings."""
    words = [pa.field(name, WORD, nullable=False) for name in _ABOUT]
    rest = [pa.field("value", pa.float64()), pa.field("text", pa.string())]
    codes = [pa.field("quality", WORD, nullable=False), pa.field("reason", WORD, nullable=False)]
    return pa.schema([*words, pa.field("ts", _TS, nullable=False), *rest, *codes])


def step_schema(wanted: Sequence[Aggregate]) -> pa.Schema:
    """Of steps with these aggregates."""
    fields = [pa.field(name, WORD, nullable=False) for name in _ABOUT] + [pa.field("ts", _TS, nullable=False)]
    for name in wanted:
        fields.append(pa.field(name, pa.int64() if name in _COUNTS else pa.float64()))
        if name == "last":
            fields.append(pa.field("last_text", pa.string()))
    return pa.schema(fields)


class Names:
    """The columns that say which series a row is of."""

    def __init__(self, series: Sequence[Series]) -> None:
        about = [(one.name, *map(str, one[: len(NAMES) - 1]), one.kind.name.lower()) for one in series]
        self._words = [pa.array(column, pa.string()) for column in zip(*about, strict=True)]

    def columns(self, place: NDArray[np.int32]) -> list[pa.Array]:
        """place: position of each row's series, shape (n,)."""
        indices = pa.array(place, pa.int32())
        if not self._words:
            return [pa.array([], WORD) for _ in _ABOUT]
        return [pa.DictionaryArray.from_arrays(indices, words) for words in self._words]


def points(
    names: Names,
    place: NDArray[np.int32],
    ts: NDArray[np.int64],
    value: pa.Array,
    text: pa.Array,
    code: NDArray[np.uint8],
) -> pa.RecordBatch:
    """Readings. All of shape (n,); code: the quality byte."""
    quality = pa.DictionaryArray.from_arrays(pa.array((code & QUALITY_MASK).astype(np.int32)), _QUALITIES)
    reason = pa.DictionaryArray.from_arrays(pa.array((code >> _REASON_SHIFT).astype(np.int32)), _REASONS)
    columns = [*names.columns(place), pa.array(ts, _TS), value, text, quality, reason]
    return pa.RecordBatch.from_arrays(columns, schema=point_schema())


def newest_schema() -> pa.Schema:
    """Of newest readings, a row a series."""
    words = {name: pa.field(name, WORD) for name in ("unit", "kind", "quality", "reason", "tier")}
    whole = [pa.field("series", pa.string(), nullable=False), words["unit"], words["kind"], pa.field("ts", _TS)]
    rest = [pa.field("value", pa.float64()), pa.field("text", pa.string())]
    return pa.schema([*whole, words["quality"], words["reason"], words["tier"], *rest])


def newest(about: Sequence[pa.Array], found: Found, place: NDArray[np.intp]) -> pa.RecordBatch:
    """Newest readings. about: names, units and kinds; place: of each row in `found`. All of shape (n,)."""
    ts, value, code = found.ts[place], found.value[place], found.quality[place]
    nothing, reason = ~found.is_known[place], code >> _REASON_SHIFT
    coded = pa.DictionaryArray.from_arrays
    text = (
        pa.array(map(found.texts.get, place.tolist()), pa.string()) if found.texts else pa.nulls(len(ts), pa.string())
    )
    columns = [
        *about,
        pa.array(ts, _TS, mask=nothing),
        coded(pa.array((code & QUALITY_MASK).astype(np.int32), mask=nothing), _QUALITIES),
        coded(pa.array(reason.astype(np.int32), mask=nothing | (reason == 0)), _REASONS),
        coded(pa.array(found.tier[place].astype(np.int32)), pa.array(TIERS)),
        pa.array(value, mask=nothing | ~np.isfinite(value)),
        text,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=newest_schema())


def steps(
    names: Names, series: Sequence[Series], cells: Cells, texts: Texts, wanted: Sequence[Aggregate]
) -> Iterator[pa.RecordBatch]:
    """The cells that hold any row, by series and time. series: those of `names`, the first that `cells` has."""
    grid = cells.grid
    size = len(series) * grid.buckets
    held = np.flatnonzero((cells.count[:size] > 0) | (cells.bad[:size] > 0))
    is_text = np.array([one.kind == Kind.TEXT for one in series], np.bool_)
    schema = step_schema(wanted)
    figures = {name: _figures(cells, name) for name in schema.names[len(_ABOUT) + 1 :]}
    for at in range(0, len(held), _ROWS_PER_BATCH):
        rows = held[at : at + _ROWS_PER_BATCH]
        place, bucket = np.divmod(rows, max(1, grid.buckets))
        arrays = [*names.columns(place.astype(np.int32)), pa.array(grid.start_ns + bucket * grid.step_ns, _TS)]
        for name, column in figures.items():
            values = column[rows]
            if name in _COUNTS:
                arrays.append(pa.array(values))
                continue
            is_number, is_word = np.isfinite(values), is_text[place]
            if name == "last_text":
                arrays.append(words(values, is_word & is_number, texts.known))
            else:
                arrays.append(pa.array(values, mask=is_word | ~is_number))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def words(value: NDArray[np.float64], is_word: NDArray[np.bool_], texts: Sequence[str]) -> pa.Array:
    """The texts that values stand for, null where they stand for none."""
    if not is_word.any():
        return pa.nulls(len(value), pa.string())
    used, spot = np.unique(value[is_word].astype(np.int64), return_inverse=True)
    place = np.zeros(len(value), np.int32)
    place[is_word] = spot
    known = pa.array([texts[number] for number in used.tolist()], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place, mask=~is_word), known).cast(pa.string())


def _figures(cells: Cells, name: str) -> NDArray[Any]:
    match name:
        case "count" | "bad" | "uncertain":
            counts: NDArray[np.int64] = getattr(cells, name)
            return counts
        case "min":
            return cells.low
        case "max":
            return cells.high
        case "mean":
            return cells.mean()
        case "last" | "last_text":
            return cells.last
    return cells.percentile(PERCENTILES[name])  # type: ignore[index]  # the schema has aggregates only
