"""CSV and Parquet files as readings.

Long: a row a reading, with columns `ts` (or time, timestamp, datetime, date), `metric` and `value`, and as they like
`node`, `device`, `unit`, `text`, `quality`: what `holdfast query --format csv|parquet` and the lake write.
Wide: a row a moment, a column a metric, and as they like `device`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from holdfast.cli.node_api import Misused
from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Catalogue, Kind, Series

MOST_ROWS = 50_000_000
TIMES = ("ts", "time", "timestamp", "datetime", "date")
_ABOUT = ("node", "device", "metric", "unit", "kind")
_UNITS_NS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}
HELP = "see docs/how-to/rules.md for what a file may look like"


def read_file(path: Path) -> pa.Table:
    """The file's table; CSV may be packed (.gz, .zst) and separated by comma, semicolon or tab.

    Raises:
        Misused: when it can't be read.
    """
    try:
        if path.suffix == ".parquet":
            rows = pq.ParquetFile(path).metadata.num_rows
            if rows > MOST_ROWS:
                raise Misused(f"{path} has {rows:,} rows; at most {MOST_ROWS:,} fit", "split it by time")
            return pq.read_table(path)
        with pa.input_stream(str(path), compression="detect") as file:
            data = file.read()
        head = data[:4096].split(b"\n", 1)[0]
        separator = max((";", "\t", ","), key=lambda one: head.count(one.encode()))
        return csv.read_csv(pa.BufferReader(data), parse_options=csv.ParseOptions(delimiter=separator))
    except (OSError, pa.ArrowException) as error:
        raise Misused(f"{path} can't be read: {str(error).splitlines()[0]}", HELP) from error


def batch_of(table: pa.Table, catalogue: Catalogue, device: str, names: dict[str, str]) -> Batch:
    """The table's readings; series go into the catalogue. names: of columns to metrics, as in `Temp` to `t:Cel`.

    Raises:
        Misused: when it is no table of readings.
    """
    lower = {name.lower(): name for name in table.column_names}
    found = next((lower[name] for name in TIMES if name in lower), None)
    if found is None:
        raise Misused(f"no column of times among {', '.join(table.column_names[:10])}", f"one of {', '.join(TIMES)}")
    ts, known = times_of(table.column(found))
    if "ts_ns" in lower:
        ts = ts + table.column(lower["ts_ns"]).to_numpy().astype(np.int64)
    if not known.all():
        table, ts = table.filter(pa.array(known)), ts[known]
    if "metric" in lower and ("value" in lower or "text" in lower):
        return _long(table, ts, catalogue, device)
    return _wide(table, ts, catalogue, (device, found), names)


def _long(table: pa.Table, ts: NDArray[np.int64], catalogue: Catalogue, device: str) -> Batch:
    given = {"node": "", "device": device, "unit": "", "kind": ""}
    words = [_words(table, name, given.get(name, "")) for name in _ABOUT]
    code = np.zeros(len(table), np.int64)
    for column in words:
        code = code * (int(column.indices.to_numpy(zero_copy_only=False).max(initial=0)) + 1)
        code += column.indices.to_numpy(zero_copy_only=False)
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    is_text = np.zeros(len(first), np.bool_)
    value = _numbers(table, "value")
    text = table.column("text").combine_chunks() if "text" in table.column_names else None
    ids = []
    for i, row in enumerate(first.tolist()):
        node, name, metric, unit, kind = (column[row].as_py() for column in words)
        is_text[i] = kind == "text" or (not kind and text is not None and text[row].is_valid)
        chosen = Kind.TEXT if is_text[i] else Kind[kind.upper()] if kind in ("int", "bool", "float") else Kind.FLOAT
        ids.append(catalogue.intern(Series(node or "file", name, metric, unit, chosen)))
    texts: tuple[str, ...] = ()
    if text is not None and is_text.any():
        coded = text.cast(pa.string()).dictionary_encode()
        texts = tuple(coded.dictionary.to_pylist())
        mine = is_text[place] & text.is_valid().to_numpy(zero_copy_only=False)
        value[mine] = coded.indices.to_numpy(zero_copy_only=False)[mine]
    series = np.array(ids, np.int32)[place]
    return Batch(series, ts, value, _qualities(table), texts)


def _wide(
    table: pa.Table, ts: NDArray[np.int64], catalogue: Catalogue, about: tuple[str, str], names: dict[str, str]
) -> Batch:
    device, time = about
    devices = _words(table, "device", device)
    codes, labels = devices.indices.to_numpy(zero_copy_only=False), devices.dictionary.to_pylist()
    metrics = [n for n in table.column_names if n not in (time, "device", "ts_ns") and _is_number(table.column(n).type)]
    unknown = [name for name in names if name not in table.column_names]
    if unknown or not metrics:
        raise Misused(
            f"no column {', '.join(unknown)}" if unknown else "no column of numbers",
            f"there are {', '.join(table.column_names)}",
        )
    parts = []
    for name in metrics:
        metric, _, unit = names.get(name, name).partition(":")
        ids = [catalogue.intern(Series("file", label, metric, unit, Kind.FLOAT)) for label in labels]
        parts.append((np.array(ids, np.int32)[codes], ts, _numbers(table, name)))
    series, when, value = (np.stack([part[i] for part in parts], axis=1).ravel() for i in range(3))
    kept = ~np.isnan(value)
    return Batch(series[kept], when[kept], value[kept], np.zeros(int(kept.sum()), np.uint8))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _words(table: pa.Table, name: str, default: str) -> Any:
    if name not in table.column_names:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), np.int32)), pa.array([default]))
    column = table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    if column.null_count:
        column = column.cast(pa.string()).fill_null(default).dictionary_encode()
    return column


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    column = table.column(name)
    try:
        return np.array(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), np.float64)
    except pa.ArrowInvalid as error:
        raise Misused(f"column {name} holds what is no number: {error}", HELP) from error


def _qualities(table: pa.Table) -> NDArray[np.uint8]:
    if "quality" not in table.column_names:
        return np.zeros(len(table), np.uint8)
    words = _words(table, "quality", "good")
    reasons = _words(table, "reason", "none")
    codes = np.zeros(len(table), np.uint8)
    quality = [
        Quality[w.upper()] if w.upper() in Quality.__members__ else Quality.GOOD for w in words.dictionary.to_pylist()
    ]
    reason = [
        Reason[w.upper()] if w.upper() in Reason.__members__ else Reason.NONE for w in reasons.dictionary.to_pylist()
    ]
    made = np.array([[encode_quality(q, r) for r in reason] for q in quality], np.uint8)
    codes[:] = made[words.indices.to_numpy(zero_copy_only=False), reasons.indices.to_numpy(zero_copy_only=False)]
    return codes


def times_of(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Ns UTC, and which are known. Numbers are s, ms, us or ns since 1970, by size; times without zone are UTC."""
    kind = column.type
    try:
        if pa.types.is_date(kind):
            column = column.cast(pa.timestamp("s"))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            column = pc.cast(pc.replace_substring_regex(column, r"Z$", ""), pa.timestamp("ns"))
        known = np.asarray(column.is_valid().to_numpy())
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
            return np.array(column.fill_null(0).to_numpy(), np.int64), known
        if pa.types.is_integer(kind):
            whole = np.array(column.cast(pa.int64()).fill_null(0).to_numpy(), np.int64)
            return whole * _size_of(float(np.abs(whole).max(initial=0))), known
        numbers = np.array(column.cast(pa.float64()).fill_null(0).to_numpy(), np.float64)
    except pa.ArrowException as error:
        raise Misused(
            f"times can't be read: {str(error).splitlines()[0]}", "ISO 8601, or numbers since 1970"
        ) from error
    return np.round(numbers * _size_of(float(np.abs(numbers).max(initial=0)))).astype(np.int64), known


def _size_of(largest: float) -> int:
    """Ns of the unit that numbers of this size are in."""
    digits = len(f"{int(largest)}")
    return next((ns for most, ns in _UNITS_NS.items() if digits <= most), 1)
