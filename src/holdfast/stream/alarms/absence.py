"""`absent: D`: every message winds the key's timer up again, for thousands of keys at once."""

import numpy as np

from holdfast.stream.alarms.keyed import KeyedAlarm, any_of, key_of
from holdfast.stream.alarms.ports import Array, Judged, Transition


class AbsenceAlarm(KeyedAlarm):
    """Raised D after a key's last message, cleared by its next. A key that was never heard isn't missed."""

    def rests(self, slots: Array) -> bool:  # noqa: ARG002 - the port's
        """Never: every message winds a timer."""
        return False

    def advance(self, judged: Judged) -> list[Transition]:
        """See `Alarm`."""
        state, slots = self._state, judged.slots
        ends = np.append(judged.firsts[1:], len(judged.ts))
        candidates = state["alarm.raised"][slots] | (state["alarm.due"][slots] <= judged.times[judged.firsts])
        if len(judged.ts) > len(slots):
            key = key_of(judged)
            gap = np.zeros(len(key), np.int64)
            gap[1:] = np.where(key[1:] == key[:-1], np.diff(judged.times), 0)
            candidates |= any_of(gap >= self.spec.hold_ns, judged.firsts)
        machines = self._machines(judged, np.flatnonzero(candidates))
        if len(machines) < len(slots):
            last = judged.times[ends - 1]
            state["alarm.since"][slots] = last
            state["alarm.due"][slots] = np.maximum(last + self.spec.hold_ns, state["alarm.cool"][slots])
        return self._walk(judged, machines) if machines else []
