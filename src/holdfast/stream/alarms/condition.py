"""`when … for …`: whole columns while nothing changes; evaluation by evaluation only for keys that may change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from holdfast.stream.alarms.keyed import KeyedAlarm, any_of, key_of
from holdfast.stream.alarms.machine import LONG_AGO
from holdfast.stream.alarms.ports import NEVER, Array, Judged, Transition
from holdfast.stream.plans import AlarmSpec
from holdfast.stream.state import State


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things must hold: one number for all slots, or one per slot."""

    hold: Any
    hold_ns: Any
    clear_hold: Any
    clear_ns: Any

    @staticmethod
    def of(spec: AlarmSpec) -> "Terms":
        """The terms of one rule."""
        return Terms(spec.hold, spec.hold_ns, spec.clear_hold, spec.clear_ns)

    @staticmethod
    def by_slot(specs: "list[AlarmSpec]", which: Array) -> "Terms":
        """Each slot's, of several rules. which: a position in `specs` by slot."""
        columns = zip(*((s.hold, s.hold_ns, s.clear_hold, s.clear_ns) for s in specs), strict=True)
        values = [np.array(c, np.int64) for c in columns]
        return Terms(*(int(v[0]) if (v == v[0]).all() else v[which] for v in values))

    def at(self, slots: Array, key: Array) -> "Terms":
        """As numbers, or one per evaluation."""
        parts = (self.hold, self.hold_ns, self.clear_hold, self.clear_ns)
        return Terms(*(p[slots][key] if isinstance(p, np.ndarray) else p for p in parts))


@dataclass(frozen=True, slots=True)
class _Streaks:
    """Of the awaited condition, per evaluation: how many in a row, since when, whether that is enough, until when.

    flag: whether it holds; deadline: when it will have held for long enough
    """

    flag: Array
    length: Array
    since: Array
    is_enough: Array
    deadline: Array | None


class ConditionAlarm(KeyedAlarm):
    """The state machines of one rule's keys, or of a panel's pairs."""

    def __init__(self, state: State, spec: AlarmSpec, spec_of: Callable[[int], AlarmSpec] | None = None) -> None:
        super().__init__(state, spec, spec_of)
        self.terms = Terms.of(spec)
        self._has_run = "run" in self._fields
        self._has_cool = "cool" in self._fields

    def rests(self, slots: Array) -> bool:
        """See `Alarm`."""
        return not np.count_nonzero(self._state["alarm.held"][slots])

    def advance(self, judged: Judged) -> list[Transition]:
        """See `Alarm`."""
        if not np.count_nonzero(judged.when) and self.rests(judged.slots):
            return []
        key = key_of(judged)
        raised = self._state["alarm.raised"][judged.slots]
        is_over = self._state["alarm.is_over"][judged.slots] if self.spec.latch else np.zeros(len(raised), np.bool_)
        streaks = self._streaks(judged, key, raised & ~is_over)
        candidates = self._candidates(judged, key, streaks)
        machines = self._machines(judged, np.flatnonzero(candidates))
        if len(machines) < len(raised):
            self._go_on(judged, raised, raised & ~is_over, streaks)
        return self._walk(judged, machines) if machines else []

    def _streaks(self, judged: Judged, key: Array, ending: Array) -> _Streaks:
        """ending: keys that wait for `clear`; the others wait for `when`."""
        state, slots, total = self._state, judged.slots, len(judged.ts)
        terms, flag = self.terms.at(slots, key), judged.when
        need, wait = terms.hold, terms.hold_ns
        run, run_since = state["alarm.held"][slots], state["alarm.since"][slots]
        if np.count_nonzero(ending):
            flag = np.where(ending[key], judged.clear, flag)
            need = np.where(ending[key], terms.clear_hold, need)
            wait = np.where(ending[key], terms.clear_ns, wait)
            run = np.where(ending, state["alarm.run"][slots] if self._has_run else 0, run)
            if self._has_run:
                run_since = np.where(ending, state["alarm.run_since"][slots], run_since)
        at, first = np.arange(total), judged.firsts[key]
        miss = np.maximum.accumulate(np.where(flag, -1, at))  # the last evaluation so far that didn't hold
        is_new = miss >= first
        length = np.where(is_new, at - miss, at - first + 1 + run[key])
        begin = np.where(is_new, miss + 1, first)
        begin[begin == total] = total - 1
        since = np.where(is_new | (run == 0)[key], judged.times[begin], run_since[key])
        deadline = None
        if self._has_due:
            deadline = since + wait
            if self._has_cool:
                cool = np.where(ending, LONG_AGO, state["alarm.cool"][slots])
                deadline = np.maximum(deadline, cool[key])
        return _Streaks(flag, length, since, flag & (length >= need), deadline)

    def _candidates(self, judged: Judged, key: Array, streaks: _Streaks) -> Array:
        """Which keys may change: (K,)."""
        may = streaks.is_enough
        if streaks.deadline is not None:
            following = judged.times.copy()  # a timer fires before the evaluation after the one that set it
            same = key[1:] == key[:-1]
            following[:-1][same] = judged.times[1:][same]
            may = may & (streaks.deadline <= following)
        candidates = any_of(may, judged.firsts)
        if self._has_due:
            candidates |= self._state["alarm.due"][judged.slots] <= judged.times[judged.firsts]
        if judged.again is not None:
            candidates |= any_of(judged.again, judged.firsts)
        if self.spec.latch:  # once over, `when` makes it hold again
            is_over = self._state["alarm.is_over"][judged.slots]
            if np.count_nonzero(is_over):
                candidates = np.where(is_over, any_of(judged.when, judged.firsts), candidates)
        return candidates

    def _go_on(self, judged: Judged, raised: Array, ending: Array, streaks: _Streaks) -> None:
        """Keys that don't change keep counting; for those that may this is written over."""
        state, slots = self._state, judged.slots
        ends = np.append(judged.firsts[1:], len(judged.ts))
        last, counts = ends - 1, ends - judged.firsts
        holds = streaks.flag[last]
        length = np.where(holds, streaks.length[last], 0)
        since = np.where(holds, streaks.since[last], LONG_AGO)
        state["alarm.held"][slots] = np.where(raised, state["alarm.held"][slots] + counts, length)
        state["alarm.since"][slots] = np.where(raised, state["alarm.since"][slots], since)
        if self._has_run:
            state["alarm.run"][slots] = np.where(ending, length, state["alarm.run"][slots])
            state["alarm.run_since"][slots] = np.where(ending, since, state["alarm.run_since"][slots])
        if streaks.deadline is not None:
            pending = streaks.is_enough[last] & (ending | ~raised)
            state["alarm.due"][slots] = np.where(pending, streaks.deadline[last], NEVER)
