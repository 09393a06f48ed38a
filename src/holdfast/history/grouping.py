"""Analytics without SQL: one aggregate of many series by site, device, metric and time, from our own steps. Pure.

It works on what `History.steps` gives, so it spans every tier, takes stored hours and days where they fit, and needs
neither DuckDB nor plain files. Values of different units are never mixed: the unit is part of every group.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Literal, get_args

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.history.downsample import Cells
from holdfast.history.lake.rollup import Steps
from holdfast.kernel.scalars import zone as zone_of
from holdfast.model.series import Kind, Series

Key = Literal["site", "device", "metric", "minute", "hour", "day", "hour_of_day", "weekday"]
Aggregate = Literal["mean", "min", "max", "sum", "spread", "last", "count", "bad_percent"]
KEYS: tuple[Key, ...] = get_args(Key)
TIMES: tuple[Key, ...] = ("minute", "hour", "day", "hour_of_day", "weekday")
UNITLESS = ("count", "bad_percent")
MOST_ROWS = 10_000
HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
_QUARTER_NS = HOUR_NS // 4
_SECOND_NS = 10**9
Cell = float | int | str | None


class Column(Struct, frozen=True):
    """A column of an answer. kind: `text`, `number`, `time` (ns UTC), `boolean`; unit: empty = none, or several."""

    name: str
    kind: str
    unit: str = ""


class Table(Struct, frozen=True):
    """An answer. total: rows before `top` and the bound on rows."""

    columns: list[Column]
    rows: list[list[Cell]]
    total: int
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked. top: the largest (or, ascending, smallest) groups only, 0 = all; zone: of hours and days."""

    aggregate: Aggregate = "mean"
    by: tuple[Key, ...] = ("site",)
    top: int = 0
    ascending: bool = False
    zone: str = "UTC"

    def step_ns(self, span_ns: int) -> int:
        """The step that the groups can be made from, as long as may be."""
        timed = [key for key in self.by if key in TIMES]
        if "minute" in timed:
            return HOUR_NS // 60
        if self.zone != "UTC" and timed:
            return HOUR_NS if _has_whole_hours(self.zone) else _QUARTER_NS
        if timed and set(timed) != {"day"} and set(timed) != {"weekday"}:
            return HOUR_NS
        return HOUR_NS if not timed and span_ns <= 2 * DAY_NS else DAY_NS


def _has_whole_hours(zone: str) -> bool:
    offsets = (datetime(2026, month, 1, tzinfo=UTC).astimezone(zone_of(zone)).utcoffset() for month in (1, 7))
    return all(offset is not None and offset.total_seconds() % 3600 == 0 for offset in offsets)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Groups of steps. of: each step's group; first: a step of each group."""

    of: NDArray[np.int64]
    first: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of each group."""
        return np.bincount(self.of, weights=values, minlength=len(self)).astype(np.float64)


def grouped(series: Sequence[Series], cells: Cells, wish: Wish) -> Table:
    """The answer. cells: of these series, on a step of `wish.step_ns`."""
    steps = cells.steps()
    if wish.aggregate not in UNITLESS:
        speaks = np.array([one.kind is Kind.TEXT for one in series], np.bool_)
        steps = _only(steps, (steps.count > 0) & ~speaks[steps.series])
    keys = {key: _labels(key, series, steps, wish.zone) for key in wish.by}
    units = np.array([one.unit for one in series], object)[steps.series]
    if wish.aggregate in UNITLESS:
        units[:] = ""
    codes = [np.unique(column, return_inverse=True)[1] for column in (*keys.values(), units)]
    groups = _grouped(codes, len(steps.series))
    value = _aggregated(wish.aggregate, groups, steps)
    lasting = [code for key, code in zip(wish.by, codes, strict=False) if key not in TIMES]
    order = _order(wish, steps, groups, value, [*lasting, codes[-1]], keys)
    total = len(groups)
    columns, rows = _told(wish, keys, units, groups, value, order[:MOST_ROWS], steps)
    return Table(columns, rows, total, truncated=len(order) > MOST_ROWS)


def _only(steps: Steps, keep: NDArray[np.bool_]) -> Steps:
    columns = {field.name: getattr(steps, field.name)[keep] for field in fields(Steps) if field.name != "texts"}
    return Steps(**columns, texts=steps.texts)


def _labels(key: Key, series: Sequence[Series], steps: Steps, zone: str) -> NDArray[np.object_] | NDArray[np.int64]:
    if key not in TIMES:
        place = {"site": 0, "device": 1, "metric": 2}[key]
        return np.array([one[place] for one in series], object)[steps.series]
    begins, place_of = np.unique(steps.ts, return_inverse=True)
    where = zone_of(zone)
    labels = [_label(key, datetime.fromtimestamp(ns // _SECOND_NS, where)) for ns in begins.tolist()]
    found: NDArray[np.int64] = np.array(labels, np.int64)[place_of]
    return found


def _label(key: Key, at: datetime) -> int:
    if key == "hour_of_day":
        return at.hour
    if key == "weekday":
        return at.isoweekday()
    begin = at.replace(second=0)
    if key != "minute":
        begin = begin.replace(minute=0) if key == "hour" else begin.replace(hour=0, minute=0)
    return round(begin.timestamp()) * _SECOND_NS


def _grouped(codes: Sequence[NDArray[np.int64]], many: int) -> _Groups:
    together = np.zeros(many, np.int64)
    for code in codes:
        joined = together * (int(code.max(initial=0)) + 1) + code
        together = np.unique(joined, return_inverse=True)[1].astype(np.int64)  # dense again, so nothing overflows
    _, first, of = np.unique(together, return_index=True, return_inverse=True)
    return _Groups(of.astype(np.int64), first.astype(np.int64))


def _aggregated(aggregate: Aggregate, groups: _Groups, steps: Steps) -> NDArray[np.float64]:
    count = groups.sum(steps.count.astype(np.float64))
    if aggregate == "count":
        return count
    if aggregate == "bad_percent":
        bad = groups.sum(steps.bad.astype(np.float64))
        return np.divide(100 * bad, count + bad, out=np.zeros(len(groups)), where=count + bad > 0)
    if aggregate in ("mean", "sum"):
        total = groups.sum(np.nan_to_num(steps.mean) * steps.count)
        return total if aggregate == "sum" else total / np.maximum(count, 1)
    if aggregate == "last":
        order = np.lexsort((steps.last_ts, groups.of))
        final = np.append(np.diff(groups.of[order]) > 0, np.ones(min(1, len(order)), np.bool_))
        found: NDArray[np.float64] = steps.last[order][final]
        return found
    low, high = np.full(len(groups), np.inf), np.full(len(groups), -np.inf)
    np.fmin.at(low, groups.of, steps.low)
    np.fmax.at(high, groups.of, steps.high)
    return low if aggregate == "min" else high if aggregate == "max" else high - low


def _order(
    wish: Wish,
    steps: Steps,
    groups: _Groups,
    value: NDArray[np.float64],
    lasting: Sequence[NDArray[np.int64]],
    keys: dict[Key, NDArray[np.object_] | NDArray[np.int64]],
) -> list[int]:
    """Groups as they are told: by value, or, where there are times, by time; of the `top` things only."""
    things = _grouped(lasting, len(steps.series))
    worth = _aggregated(wish.aggregate, things, steps)
    rank = np.argsort(worth if wish.ascending else -worth, kind="stable")
    place = np.empty(len(things), np.int64)
    place[rank] = np.arange(len(things))
    mine = place[things.of[groups.first]]
    kept = mine < wish.top if wish.top else np.ones(len(groups), np.bool_)
    timed = [keys[key][groups.first].astype(np.int64) for key in reversed(wish.by) if key in TIMES]
    order = np.lexsort((value if wish.ascending else -value, mine, *timed))
    return [i for i in order.tolist() if kept[i]]


def _told(
    wish: Wish,
    keys: dict[Key, NDArray[np.object_] | NDArray[np.int64]],
    units: NDArray[np.object_],
    groups: _Groups,
    value: NDArray[np.float64],
    order: Sequence[int],
    steps: Steps,
) -> tuple[list[Column], list[list[Cell]]]:
    unit_of = units[groups.first]
    present = sorted(set(unit_of[list(order)].tolist())) if order else []
    unit = "%" if wish.aggregate == "bad_percent" else present[0] if len(present) == 1 else ""
    columns = [Column(key, _kind(key)) for key in wish.by]
    columns += [Column(wish.aggregate, "number", unit)]
    columns += [Column("unit", "text")] * (len(present) > 1)
    columns += [Column("readings", "number"), Column("series", "number")]
    count = groups.sum(steps.count.astype(np.float64) + (steps.bad if wish.aggregate in UNITLESS else 0))
    pairs = np.unique(np.stack([groups.of, steps.series.astype(np.int64)]), axis=1)
    series = np.bincount(pairs[0], minlength=len(groups))
    rows: list[list[Cell]] = []
    for i in order:
        at, number = groups.first[i], float(value[i])
        row: list[Cell] = [_plain(keys[key][at]) for key in wish.by]
        row.append(number if np.isfinite(number) else None)
        if len(present) > 1:
            row.append(str(unit_of[i]))
        rows.append([*row, int(count[i]), int(series[i])])
    return columns, rows


def _kind(key: Key) -> str:
    return "time" if key in ("minute", "hour", "day") else "number" if key in TIMES else "text"


def _plain(value: object) -> Cell:
    return value if isinstance(value, str) else int(value)  # type: ignore[call-overload]  # numpy's own
