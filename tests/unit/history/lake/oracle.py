"""A DuckDB that holds what was sent, and answers compared with what it says."""

import math
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from holdfast.history.answers import Aggregate, Answer, Column


class Oracle:
    """What was sent, in order, in DuckDB; answers as `history.query` should."""

    def __init__(self) -> None:
        self._db = duckdb.connect(config={"threads": 1})
        self._rows: list[tuple[int, int, float, int]] = []
        self._loaded = -1

    def send(self, rows: Sequence[tuple[int, int, float, int]]) -> None:
        """Take rows as `readings` does."""
        self._rows += rows

    def series(self) -> set[int]:
        """Which ones there are rows of."""
        return {row[0] for row in self._rows}

    def _table(self) -> duckdb.DuckDBPyConnection:
        if self._loaded != len(self._rows):
            series, ts, value, quality = zip(*self._rows, strict=True) if self._rows else ((), (), (), ())
            usable = [q & 3 != 2 and not math.isnan(v) for v, q in zip(value, quality, strict=True)]
            sent = pa.table(
                {
                    "n": pa.array(range(len(self._rows)), pa.int64()),
                    "series": pa.array(series, pa.int32()),
                    "ts": pa.array(ts, pa.int64()),
                    "value": pa.array(value, pa.float64()),
                    "quality": pa.array(quality, pa.int32()),
                    "usable": pa.array(usable, pa.bool_()),
                }
            )
            self._db.register("sent", sent)
            self._loaded = len(self._rows)
        return self._db

    def steps(self, series: int, from_ns: int, to_ns: int, step_ns: int) -> list[tuple[Any, ...]]:
        """(ts, count, uncertain, bad, min, max, mean, last, p95) a step that has any row."""
        found: list[tuple[Any, ...]] = (
            self._table()
            .execute(
                """
            SELECT ts // ? * ? AS step, count(*) FILTER (usable), count(*) FILTER (usable AND quality & 3 = 1),
                   count(*) FILTER (NOT usable), min(value) FILTER (usable), max(value) FILTER (usable),
                   avg(value) FILTER (usable), arg_max(value, (ts, n)) FILTER (usable),
                   quantile_cont(value, 0.95) FILTER (usable)
            FROM sent WHERE series = ? AND ts >= ? AND ts < ? GROUP BY step ORDER BY step
            """,
                [step_ns, step_ns, series, from_ns, to_ns],
            )
            .fetchall()
        )
        return found

    def points(self, series: int, from_ns: int, to_ns: int) -> list[tuple[int, float, int]]:
        """(ts, value, quality), in order of time and arrival."""
        found: list[tuple[int, float, int]] = (
            self._table()
            .execute(
                "SELECT ts, value, quality FROM sent WHERE series = ? AND ts >= ? AND ts < ? ORDER BY ts, n",
                [series, from_ns, to_ns],
            )
            .fetchall()
        )
        return found


def check_points(answer: Answer, oracle: Oracle, from_ns: int, to_ns: int) -> None:
    """Every row of every series `gw/dN/m`, and no other."""
    found = _by_number(answer)
    for number in found.keys() | oracle.series():
        wanted, column = oracle.points(number, from_ns, to_ns), found.get(number)
        if column is None:
            assert not wanted
            continue
        assert column.ts == [row[0] for row in wanted]
        assert column.value == [_spoken(column.kind, row[1]) for row in wanted]
        assert column.quality == [row[2] for row in wanted]


def check_steps(
    answer: Answer, oracle: Oracle, from_ns: int, to_ns: int, step_ns: int, asked: Sequence[Aggregate]
) -> None:
    """The asked aggregates of every step that has a row, and of no other."""
    found = _by_number(answer)
    for number in found.keys() | oracle.series():
        wanted, column = oracle.steps(number, from_ns, to_ns, step_ns), found.get(number)
        if column is None:
            assert not wanted
            continue
        assert column.ts == [row[0] for row in wanted]
        assert column.count == [row[1] for row in wanted]
        assert column.uncertain == [row[2] for row in wanted]
        assert column.bad == [row[3] for row in wanted]
        assert column.last == [_spoken(column.kind, row[7]) for row in wanted]
        if column.kind == "text":
            continue
        for name, place in (("min", 4), ("max", 5), ("mean", 6), ("p95", 8)):
            have = getattr(column, name)
            assert (have is not None) == (name in asked), name
            assert have is None or all(_same(one, row[place]) for one, row in zip(have, wanted, strict=True)), name


def _by_number(answer: Answer) -> dict[int, Column]:
    return {int(column.series.split("/")[1][1:]): column for column in answer.series}


def _same(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None or math.isnan(wanted):
        return found is None and (wanted is None or math.isnan(wanted))
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


def _spoken(kind: str, value: float | None) -> Any:
    if value is None or math.isnan(value):
        return None
    return {"float": value, "int": int(value), "bool": bool(value), "text": f"w{value:g}"}[kind]
