"""From arrived rows to a stage's messages: neighbouring rows of a device with one time are one message."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.plans import StagePlan
from holdfast.stream.routing import Route
from holdfast.stream.rows import Arrived, Rows, Skipped, filled, grouped
from holdfast.stream.state import State

Array = NDArray[Any]


class Messages:
    """Makes one stage's messages, and remembers the last value of every column of every key."""

    def __init__(self, state: State, plan: StagePlan, route: Route) -> None:
        self._state, self._plan, self._route = state, plan, route
        self._own = [i for i, one in enumerate(plan.inputs) if one.kind == "own"]
        others = sum(one.kind == "other" for one in plan.inputs)
        is_apart = plan.by in ("device", "series")
        self._is_plain = len(plan.inputs) == 1 and bool(self._own) and is_apart and not plan.wants_quality
        if not self._is_plain:
            for i in self._own:
                state.declare(f"last{i}", np.float64, np.nan)
            if plan.wants_quality:
                for i in self._own:
                    state.declare(f"quality{i}", np.int16, -1)
            self._kept = [tuple(f"{name}{i}" for i in self._own) for name in ("last", "quality")]
            for names in self._kept[: 1 + plan.wants_quality if self._own else 0]:
                state.stack(names)
            state.share("others", np.full(others, np.nan))

    def gather(self, arrived: Arrived) -> tuple[Rows | None, Skipped | None]:
        """The messages in what arrived, and the rows that can't be used."""
        route = self._route
        slot = route.slot_of[arrived.series]
        mine = slot >= 0
        skipped = None
        if arrived.usable is not None:
            bad = (mine & ~arrived.usable).nonzero()[0]
            skipped = Skipped(slot[bad], arrived.row[bad]) if len(bad) else None
            if not self._plan.wants_quality:
                mine &= arrived.usable
        if self._is_plain:
            by_series = self._plan.reads_every
            return _plain(arrived, slot, mine, route.converted(arrived.series, arrived.value), by_series), skipped
        at = mine.nonzero()[0]
        if not len(at):
            self._learn_others(arrived)
            return None, skipped
        if self._plan.by != "device":  # several devices' rows, back in order of arrival
            at = at[np.lexsort((arrived.row[at], slot[at]))]
        return self._messages(arrived, at, slot[at]), skipped

    def _messages(self, arrived: Arrived, at: Array, slot: Array) -> Rows:
        series, ts = arrived.series[at], arrived.ts[at]
        column = self._route.column_of[series]
        starts = _starts(slot, ts, self._route.device_of[series], column, len(self._plan.inputs))
        message = starts.cumsum() - 1
        last = np.append(starts.nonzero()[0][1:], len(at)) - 1
        key, firsts, slots = grouped(slot[last])
        usable = None if arrived.usable is None else arrived.usable[at]
        value = self._route.converted(series, arrived.value[at])
        rows = Rows(arrived.row[at[last]], ts[last], key, firsts, slots, (), ())
        quality, told = list[Array](), list[Array]()
        is_good = self._plan.wants_quality and usable is None and not arrived.quality[at].any()
        is_plain = usable is None and is_good is self._plan.wants_quality
        if is_plain and len(at) == len(rows) * len(self._plan.inputs) and len(self._own) == len(self._plan.inputs):
            return self._whole(rows, column, message, value)
        for i, one in enumerate(self._plan.inputs):
            if one.kind == "own":
                mine = column == i
                rows = self._own_column(rows, i, mine if usable is None else mine & usable, message, value)
                if self._plan.wants_quality:
                    codes, said = (
                        self._all_good(rows, i)
                        if is_good
                        else self._quality(rows, i, mine, message, arrived.quality[at])
                    )
                    quality.append(codes)
                    told.append(said)
            elif one.kind == "fact":
                rows = rows.with_column(self._route.facts(i)[rows.slots][rows.key], None)
            else:
                rows = rows.with_column(self._other_column(i, arrived, rows.row), None)
            if self._plan.wants_quality and one.kind != "own":
                quality.append(np.full(len(rows), -1, np.int16))
                told.append(np.zeros(len(rows), np.bool_))
        self._learn_others(arrived)
        if not self._plan.wants_quality:
            return rows
        return replace(rows, live=self._live(rows), quality=tuple(quality), told=tuple(told), is_good=is_good)

    def _live(self, rows: Rows) -> Array | None:
        """Which messages bring a usable value; None: all."""
        live = np.zeros(len(rows), np.bool_)
        for i in self._own:
            known = rows.fresh[i]
            live |= np.True_ if known is None else known
        return None if live.all() else live

    def _whole(self, rows: Rows, column: Array, message: Array, value: Array) -> Rows:
        """Messages that bring every column, usable and good: no message has one twice, so none is without one."""
        values = np.empty((len(self._own), len(rows)))
        values[column, message] = value
        ends = np.append(rows.firsts[1:], len(rows)) - 1
        lasts, qualities = self._kept
        self._state.stacked(lasts)[:, rows.slots] = values[:, ends]
        count = len(self._own)
        if not self._plan.wants_quality:
            return replace(rows, columns=tuple(values), fresh=(None,) * count)
        self._state.stacked(qualities)[:, rows.slots] = 0
        good, all_ = np.zeros(len(rows), np.int16), np.ones(len(rows), np.bool_)
        return replace(
            rows, columns=tuple(values), fresh=(None,) * count, quality=(good,) * count, told=(all_,) * count,
            is_good=True,
        )  # fmt: skip

    def _own_column(self, rows: Rows, i: int, mine: Array, message: Array, value: Array) -> Rows:
        fresh = np.zeros(len(rows), np.bool_)
        values = np.empty(len(rows))
        fresh[message[mine]] = True
        values[message[mine]] = value[mine]
        known = self._state[f"last{i}"]
        column = filled(values, fresh, rows.firsts, rows.key, known[rows.slots])
        known[rows.slots] = column[np.append(rows.firsts[1:], len(rows)) - 1]
        return rows.with_column(column, None if fresh.all() else fresh)

    def _quality(self, rows: Rows, i: int, mine: Array, message: Array, code: Array) -> tuple[Array, Array]:
        said = np.zeros(len(rows), np.bool_)
        codes = np.zeros(len(rows), np.int16)
        said[message[mine]] = True
        codes[message[mine]] = code[mine]
        known = self._state[f"quality{i}"]
        column = filled(codes, said, rows.firsts, rows.key, known[rows.slots])
        known[rows.slots] = column[np.append(rows.firsts[1:], len(rows)) - 1]
        return np.asarray(column), said

    def _all_good(self, rows: Rows, i: int) -> tuple[Array, Array]:
        """As `_quality`, where every reading is good: then those are told that are fresh."""
        known, fresh = self._state[f"quality{i}"], rows.fresh[i]
        if fresh is None:
            known[rows.slots] = 0
            return np.zeros(len(rows), np.int16), np.ones(len(rows), np.bool_)
        column = filled(np.zeros(len(rows), np.int16), fresh, rows.firsts, rows.key, known[rows.slots])
        known[rows.slots] = column[np.append(rows.firsts[1:], len(rows)) - 1]
        return column, fresh

    def _other_column(self, i: int, arrived: Arrived, row: Array) -> Array:
        """Another device's series as last known when each message came."""
        place = self._route.other_place[i]
        mine = self._mine(arrived, place)
        mine = mine[np.argsort(arrived.row[mine], kind="stable")]  # one device's name may be known at several nodes
        rows = np.concatenate(([-1], arrived.row[mine]))
        made = self._route.converted(arrived.series[mine], arrived.value[mine])
        values = np.concatenate((self._state.shared("others")[place : place + 1], made))
        return np.asarray(values[np.searchsorted(rows, row, side="right") - 1])

    def _learn_others(self, arrived: Arrived) -> None:
        for place in self._route.other_place.values():
            mine = self._mine(arrived, place)
            if len(mine):
                last = mine[np.argmax(arrived.row[mine])]
                self._state.shared("others")[place] = self._route.converted(
                    arrived.series[[last]], arrived.value[[last]]
                )[0]

    def _mine(self, arrived: Arrived, place: int) -> Array:
        mine = self._route.other_of[arrived.series] == place
        if arrived.usable is not None:
            mine &= arrived.usable
        return np.flatnonzero(mine)


def _plain(arrived: Arrived, slot: Array, mine: Array, value: Array, by_series: bool) -> Rows | None:  # noqa: FBT001 - of the plan
    """One column by device or series: every row is a message."""
    row, ts = arrived.row, arrived.ts
    if by_series or np.count_nonzero(mine) < len(mine):
        at = mine.nonzero()[0]
        if by_series:  # a device's rows, of several series, are in order of arrival: each series' stay so
            at = at[np.argsort(slot[at], kind="stable")]
        if not len(at):
            return None
        row, ts, value, slot = row[at], ts[at], value[at], slot[at]
    key, firsts, slots = grouped(slot)
    return Rows(row, ts, key, firsts, slots, (value,), (None,))


def _starts(slot: Array, ts: Array, device: Array, column: Array, columns: int) -> Array:
    """Which rows begin a message: another key, device or time, or a column that the message has already."""
    starts = np.ones(len(slot), np.bool_)
    starts[1:] = (slot[1:] != slot[:-1]) | (ts[1:] != ts[:-1]) | (device[1:] != device[:-1])
    place = (starts.cumsum() - 1) * columns + column
    if np.bincount(place).max() == 1:
        return starts
    order = place.argsort(kind="stable")
    again = np.zeros(len(slot), np.bool_)
    again[order[1:]] = place[order[1:]] == place[order[:-1]]
    return starts | again
