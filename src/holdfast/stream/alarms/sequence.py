"""`when … then … within D`, and `when … unless … within D`.

`then` must hold at a later evaluation than `when`; of several `when` the newest counts. For `unless` the first one that
is still waited for counts, and `then` at the same evaluation will do.
"""

import numpy as np

from holdfast.stream.alarms.keyed import KeyedAlarm, any_of
from holdfast.stream.alarms.machine import LONG_AGO
from holdfast.stream.alarms.ports import Array, Judged, Transition


class SequenceAlarm(KeyedAlarm):
    """One thing after another, or not."""

    def rests(self, slots: Array) -> bool:
        """See `Alarm`."""
        state = self._state
        return not (state["alarm.since"][slots] != LONG_AGO).any() and not state["alarm.raised"][slots].any()

    def advance(self, judged: Judged) -> list[Transition]:
        """See `Alarm`."""
        if not np.count_nonzero(judged.when) and self.rests(judged.slots):
            return []
        state, slots, firsts = self._state, judged.slots, judged.firsts
        then = np.zeros(len(judged.ts), np.bool_) if judged.then is None else judged.then
        raised, since = state["alarm.raised"][slots], state["alarm.since"][slots]
        is_armed = since != LONG_AGO
        if self.spec.expected:
            begins = any_of(judged.when, firsts)
            waiting = any_of(then, firsts) & (is_armed | begins)
            ending = any_of(judged.clear | judged.when, firsts)
        else:
            last = np.append(firsts[1:], len(judged.ts)) - 1
            begins = any_of(judged.when & ~then, firsts) & ~is_armed
            waiting = is_armed & (any_of(then, firsts) | (state["alarm.due"][slots] <= judged.times[last]))
            ending = np.ones(len(slots), np.bool_)
        candidates = np.where(raised, ending | (state["alarm.due"][slots] <= judged.times[firsts]), waiting)
        if self.spec.clear_hold > 1 or self.spec.clear_ns:
            candidates |= raised
        if not self.spec.expected:
            candidates |= begins & ~raised
        machines = self._machines(judged, np.flatnonzero(candidates))
        if self.spec.expected:
            self._remember(judged, begins & ~raised)
        return self._walk(judged, machines) if machines else []

    def _remember(self, judged: Judged, keys: Array) -> None:
        """When `when` held last."""
        at = np.where(judged.when, np.arange(len(judged.ts)), -1)
        newest = np.maximum.reduceat(at, judged.firsts)[keys]
        slots = judged.slots[keys]
        self._state["alarm.since"][slots] = judged.times[newest]
