"""The same questions to three stores, each asked the way its users ask it; and their answers in one form.

What is timed ends with values in hand: an Arrow table (Holdfast's client, DuckDB), decoded JSON (InfluxDB).
"""

from pathlib import Path
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.influx import Influx
from benchmarks.past import METRIC, NODE, Group, Past
from holdfast.client import Client

FIGURES = ("count", "min", "max", "mean")
Flat = dict[str, NDArray[Any]]
"""Columns of an answer by series and time: `s`, `ts` (s), then figures or `v`."""


class Asker(Protocol):
    """A store that is asked. `flat_…` isn't timed."""

    name: str

    def steps(self, group: Group, step_s: int) -> Any: ...

    def flat_steps(self, answer: Any) -> Flat: ...

    def readings(self, group: Group) -> Any: ...

    def flat_readings(self, answer: Any) -> Flat: ...

    def last(self, group: Group) -> Any: ...

    def flat_last(self, answer: Any) -> Flat: ...


class Holdfast:
    """By `holdfast.client` over HTTP."""

    name = "Holdfast"

    def __init__(self, past: Past, port: int) -> None:
        self._past, self._client = past, Client(f"http://127.0.0.1:{port}")

    def steps(self, group: Group, step_s: int) -> pa.Table:
        begin, end = str(self._past.begin_s), str(self._past.end_s)
        return self._client.query(_pattern(group), begin, end, step=f"{step_s}s", aggregates=FIGURES)

    def flat_steps(self, answer: pa.Table) -> Flat:
        held = answer.filter(pc.greater(answer["count"], 0))
        return _flat(held, held["device"], {name: held[name] for name in FIGURES})

    def readings(self, group: Group) -> pa.Table:
        return self._client.query(_pattern(group), str(self._past.begin_s), str(self._past.end_s))

    def flat_readings(self, answer: pa.Table) -> Flat:
        return _flat(answer, answer["device"], {"v": answer["value"]})

    def last(self, group: Group) -> pa.Table:
        return self._client.last(_pattern(group))

    def flat_last(self, answer: pa.Table) -> Flat:
        prefix = len(NODE) + 1
        devices = [name[prefix:].split("/")[0] for name in answer["series"].to_pylist()]
        return _flat(answer, pa.array(devices), {"v": answer["value"]})


class InfluxAsker:
    """By its HTTP /query."""

    name = "InfluxDB"

    def __init__(self, past: Past, store: Influx) -> None:
        self._past, self._store = past, store

    def steps(self, group: Group, step_s: int) -> Any:
        figures = "count(v), min(v), max(v), mean(v)"
        return self._store.query(f"SELECT {figures} {self._rows(group)} GROUP BY time({step_s}s), s fill(none)")

    def flat_steps(self, answer: Any) -> Flat:
        return _of_influx(answer, FIGURES)

    def readings(self, group: Group) -> Any:
        return self._store.query(f"SELECT v {self._rows(group)} GROUP BY s")

    def flat_readings(self, answer: Any) -> Flat:
        return _of_influx(answer, ("v",))

    def last(self, group: Group) -> Any:
        return self._store.query(f"SELECT last(v) FROM r WHERE g = '{group.key}' GROUP BY s")  # noqa: S608  # ours

    def flat_last(self, answer: Any) -> Flat:
        return _of_influx(answer, ("v",))

    def _rows(self, group: Group) -> str:
        begin, end = self._past.begin_s, self._past.end_s
        return f"FROM r WHERE g = '{group.key}' AND time >= {begin}s AND time < {end}s"


class Duck:
    """By its Python module, over the CSV files of the group asked for."""

    name = "DuckDB on CSV"

    def __init__(self, past: Past, folder: Path) -> None:
        self._past, self._folder, self._db = past, folder, duckdb.connect()

    def steps(self, group: Group, step_s: int) -> pa.Table:
        figures = "count(v) AS count, min(v) AS min, max(v) AS max, avg(v) AS mean"
        step = f"s, ts - ts % {step_s} AS ts"
        return self._table(f"{step}, {figures} FROM {self._files(group)} {self._time()} GROUP BY ALL ORDER BY ALL")

    def flat_steps(self, answer: pa.Table) -> Flat:
        return _flat(answer, answer["s"], {name: answer[name] for name in FIGURES})

    def readings(self, group: Group) -> pa.Table:
        return self._table(f"s, ts, v FROM {self._files(group)} {self._time()} ORDER BY s, ts")

    def flat_readings(self, answer: pa.Table) -> Flat:
        return _flat(answer, answer["s"], {"v": answer["v"]})

    def last(self, group: Group) -> pa.Table:
        return self._table(f"s, max(ts) AS ts, arg_max(v, ts) AS v FROM {self._files(group)} GROUP BY s")

    def flat_last(self, answer: pa.Table) -> Flat:
        return _flat(answer, answer["s"], {"v": answer["v"]})

    def _time(self) -> str:
        return f"WHERE ts >= {self._past.begin_s} AND ts < {self._past.end_s}"

    def _files(self, group: Group) -> str:
        columns = "{'s': 'VARCHAR', 'ts': 'BIGINT', 'v': 'DOUBLE'}"
        return f"read_csv('{self._folder}/{group.key}/*.csv', header = false, delim = ',', columns = {columns})"

    def _table(self, what: str) -> pa.Table:
        return self._db.sql(f"SELECT {what}").to_arrow_table()


def _pattern(group: Group) -> str:
    return f"{group.names[0]}/{METRIC}" if len(group.names) == 1 else f"{group.names[0][0]}*/{METRIC}"


def _flat(table: pa.Table, names: pa.ChunkedArray, figures: dict[str, Any]) -> Flat:
    ts = table["ts"].cast(pa.int64()).to_numpy()
    seconds = ts // 10**9 if pa.types.is_timestamp(table["ts"].type) else ts
    columns = {name: np.asarray(column.to_numpy(), np.float64) for name, column in figures.items()}
    return _sorted({"s": np.asarray(names.to_pylist()), "ts": seconds, **columns})


def _of_influx(answer: Any, figures: tuple[str, ...]) -> Flat:
    names = np.repeat([s["tags"]["s"] for s in answer["series"]], [len(s["values"]) for s in answer["series"]])
    rows = np.array([row for s in answer["series"] for row in s["values"]], np.float64)
    columns = {name: rows[:, 1 + place] for place, name in enumerate(figures)}
    return _sorted({"s": names, "ts": rows[:, 0].astype(np.int64), **columns})


def _sorted(flat: Flat) -> Flat:
    order = np.lexsort((flat["ts"], flat["s"]))
    return {name: column[order] for name, column in flat.items()}


def disagreement(mine: Flat, other: Flat) -> str:
    """Where two answers differ by more than 1e-9 of the value; empty = nowhere."""
    if len(mine["s"]) != len(other["s"]):
        return f"{len(mine['s'])} rows against {len(other['s'])}"
    for name, column in mine.items():
        same = column == other[name] if name in ("s", "ts") else np.isclose(column, other[name], rtol=1e-9, atol=0)
        if not same.all():
            at = int(np.flatnonzero(~same)[0])
            return f"{name} of {mine['s'][at]} at {mine['ts'][at]}: {column[at]!r} against {other[name][at]!r}"
    return ""
