"""`for` and `clear_when`: clear → raised → clear per device, vectorised; Python only for devices that may change.

State per slot: `raised`, and `held`: evaluations since the condition began to hold (0 when it doesn't).
One evaluation makes at most one transition: the one that raises an alert doesn't also clear it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.alarms.ports import Judged, Transition
from holdfast.stream.plans import AlarmSpec
from holdfast.stream.state import State

Array = NDArray[Any]


class ConditionAlarm:
    """The state machines of one rule's devices."""

    def __init__(self, state: State, spec: AlarmSpec) -> None:
        self._state = state
        self._hold = spec.hold
        state.declare("alarm.raised", np.bool_, 0)
        state.declare("alarm.held", np.int64, 0)

    def advance(self, judged: Judged) -> list[Transition]:
        """See `Alarm`."""
        slots, firsts, when, clear = judged.slots, judged.firsts, judged.when, judged.clear
        raised = self._state["alarm.raised"][slots]
        if not np.count_nonzero(when) and not np.count_nonzero(raised):
            self._state["alarm.held"][slots] = 0
            return []
        held = self._state["alarm.held"][slots]
        total = len(when)
        counts = np.append(firsts[1:], total) - firsts
        device = np.repeat(np.arange(len(slots)), counts)
        at = np.arange(total)
        first = firsts[device]
        miss = np.maximum.accumulate(np.where(when, -1, at))  # the last evaluation so far that didn't hold
        streak = np.where(miss >= first, at - miss, at - first + 1 + held[device])
        self._state["alarm.held"][slots] = np.where(raised, held + counts, streak[firsts + counts - 1])
        candidates = np.where(raised[device], clear, streak >= self._hold)
        found: list[Transition] = []
        if candidates.any():
            for d in np.unique(device[candidates]).tolist():
                start = bool(raised[d]), int(held[d])
                found += self._walk(int(slots[d]), start, int(firsts[d]), int(counts[d]), judged)
        return found

    def due(self, times: Array) -> list[Transition]:  # noqa: ARG002 - the port's
        """See `Alarm`."""
        return []

    def acknowledge(self, slot: int, ts: int) -> list[Transition]:  # noqa: ARG002 - the port's
        """See `Alarm`."""
        return []

    def raised(self) -> Array:
        """See `Alarm`."""
        return np.flatnonzero(self._state["alarm.raised"])

    def _walk(self, slot: int, start: tuple[bool, int], offset: int, count: int, judged: Judged) -> list[Transition]:
        raised, held = start
        found: list[Transition] = []
        span = slice(offset, offset + count)
        steps = zip(judged.when[span].tolist(), judged.clear[span].tolist(), judged.ts[span].tolist(), strict=True)
        for at, (holds, clears, ts) in enumerate(steps, offset):
            if raised and clears:
                found.append(Transition(at, slot, "alert.cleared", ts, held))
                raised, held = False, 0
            elif raised or holds:
                held += 1
                if not raised and held >= self._hold:
                    found.append(Transition(at, slot, "alert.raised", ts, held))
                    raised = True
            else:
                held = 0
        self._state["alarm.raised"][slot] = raised
        self._state["alarm.held"][slot] = held
        return found
