"""`for` and `clear_when`: clear → raised → clear per device, vectorised; Python only for devices that may change.

State per slot: `raised`, and `held`: evaluations since the condition began to hold (0 when it doesn't).
One evaluation makes at most one transition: the one that raises an alert doesn't also clear it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.event import EventKind
from holdfast.stream.state import State

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """At evaluation `at` the device in `slot` changed, after its condition held for `held` evaluations."""

    at: int
    slot: int
    kind: EventKind
    held: int


class Latch:
    """The state machines of one rule's devices."""

    def __init__(self, state: State, hold: int) -> None:
        self._state = state
        self._hold = hold
        state.declare("latch.raised", np.bool_, 0)
        state.declare("latch.held", np.int64, 0)

    def advance(self, slots: Array, firsts: Array, when: Array, clear: Array) -> list[Transition]:
        """Take evaluations in, grouped by device: slots and firsts (D,), when and clear (E,)."""
        raised = self._state["latch.raised"][slots]
        if not np.count_nonzero(when) and not np.count_nonzero(raised):
            self._state["latch.held"][slots] = 0
            return []
        held = self._state["latch.held"][slots]
        total = len(when)
        counts = np.append(firsts[1:], total) - firsts
        device = np.repeat(np.arange(len(slots)), counts)
        at = np.arange(total)
        first = firsts[device]
        miss = np.maximum.accumulate(np.where(when, -1, at))  # the last evaluation so far that didn't hold
        streak = np.where(miss >= first, at - miss, at - first + 1 + held[device])
        self._state["latch.held"][slots] = np.where(raised, held + counts, streak[firsts + counts - 1])
        candidates = np.where(raised[device], clear, streak >= self._hold)
        found: list[Transition] = []
        if candidates.any():
            for d in np.unique(device[candidates]).tolist():
                span = slice(int(firsts[d]), int(firsts[d] + counts[d]))
                start = bool(raised[d]), int(held[d])
                found += self._walk(int(slots[d]), start, span.start, when[span].tolist(), clear[span].tolist())
        return found

    def _walk(
        self, slot: int, start: tuple[bool, int], offset: int, when: list[bool], clear: list[bool]
    ) -> list[Transition]:
        raised, held = start
        found: list[Transition] = []
        for at, (holds, clears) in enumerate(zip(when, clear, strict=True), offset):
            if raised and clears:
                found.append(Transition(at, slot, "alert.cleared", held))
                raised, held = False, 0
            elif raised or holds:
                held += 1
                if not raised and held >= self._hold:
                    found.append(Transition(at, slot, "alert.raised", held))
                    raised = True
            else:
                held = 0
        self._state["latch.raised"][slot] = raised
        self._state["latch.held"][slot] = held
        return found
