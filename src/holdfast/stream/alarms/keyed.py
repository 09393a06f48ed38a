"""What the three kinds of alarm have in common: memory by slot, and a walk through the few keys that may change."""

from collections.abc import Callable
from typing import Any

import numpy as np

from holdfast.stream.alarms.machine import LONG_AGO, Machine, Memory, Step, fields
from holdfast.stream.alarms.ports import NEVER, Array, Judged, Transition
from holdfast.stream.plans import AlarmSpec
from holdfast.stream.state import State

_FILLS = {"since": LONG_AGO, "run_since": LONG_AGO, "due": NEVER, "cool": LONG_AGO}
PREFIX = "alarm."


def declare(state: State, spec: AlarmSpec) -> None:
    """Add the arrays that an alarm of this kind needs."""
    for name, dtype in fields(spec).items():
        state.declare(PREFIX + name, np.bool_ if dtype is bool else np.int64, _FILLS.get(name, 0))


class KeyedAlarm:
    """Memory by slot. spec: of all slots, or of any when they differ; then `spec_of` tells each slot's."""

    def __init__(self, state: State, spec: AlarmSpec, spec_of: Callable[[int], AlarmSpec] | None = None) -> None:
        self.spec, self._spec_of = spec, spec_of
        self._state = state
        self._fields = tuple(fields(spec))
        self._has_due = "due" in self._fields
        declare(state, spec)

    def due(self, times: Array) -> list[Transition]:
        """See `Alarm`."""
        if not self._has_due:
            return []
        due = self._state["alarm.due"][: len(times)]
        late = due <= times
        return self.pass_time(np.flatnonzero(late), times[late]) if np.count_nonzero(late) else []

    def pass_time(self, slots: Array, times: Array) -> list[Transition]:
        """It is so late at these slots."""
        found: list[Transition] = []
        for slot, time in zip(slots.tolist(), times.tolist(), strict=True):
            machine = self._machine(slot, found)
            machine.pass_time(time)
            self._keep(slot, machine.memory)
        return found

    def acknowledge(self, slot: int, ts: int) -> list[Transition]:
        """See `Alarm`."""
        found: list[Transition] = []
        machine = self._machine(slot, found)
        machine.acknowledge(ts)
        self._keep(slot, machine.memory)
        return found

    def raised(self) -> Array:
        """See `Alarm`."""
        return np.flatnonzero(self._state["alarm.raised"])

    def since(self, slot: int) -> int:
        """See `Alarm`."""
        return int(self._state["alarm.since"][slot])

    def end(self, slot: int) -> None:
        """See `Alarm`."""
        self._keep(slot, Memory())

    def _machine(self, slot: int, found: list[Transition]) -> Machine:
        memory = Memory(**{name: self._state[PREFIX + name][slot].item() for name in self._fields})
        return Machine(self.spec if self._spec_of is None else self._spec_of(slot), slot, memory, found)

    def _keep(self, slot: int, memory: Memory) -> None:
        for name in self._fields:
            self._state[PREFIX + name][slot] = getattr(memory, name)

    def _machines(self, judged: Judged, keys: Array) -> list[tuple[int, Machine]]:
        """The memory of these keys (positions in `judged.slots`) as it is now."""
        found: list[list[Transition]] = [[] for _ in keys]
        places = zip(keys.tolist(), judged.slots[keys].tolist(), found, strict=True)
        return [(key, self._machine(slot, into)) for key, slot, into in places]

    def _walk(self, judged: Judged, machines: list[tuple[int, Machine]]) -> list[Transition]:
        """Judge all evaluations of these keys one by one."""
        found: list[Transition] = []
        ends = np.append(judged.firsts[1:], len(judged.ts))
        for key, machine in machines:
            for step in _steps(judged, int(judged.firsts[key]), int(ends[key])):
                machine.judge(step)
            self._keep(int(judged.slots[key]), machine.memory)
            found += machine.found
        return found


def _steps(judged: Judged, first: int, end: int) -> list[Step]:
    def part(column: Array | None) -> list[Any]:
        return [False] * (end - first) if column is None else column[first:end].tolist()

    columns = (judged.ts, judged.times, judged.when, judged.clear, judged.then, judged.again)
    rows = zip(*(part(c) for c in columns), strict=True)
    return [Step(at, at - 1 if at > first else -1, *row) for at, row in enumerate(rows, first)]


def key_of(judged: Judged) -> Array:
    """Each evaluation's position in `judged.slots`."""
    total = len(judged.ts)
    if total == len(judged.slots):
        return np.arange(total)
    return np.repeat(np.arange(len(judged.slots)), np.diff(np.append(judged.firsts, total)))


def any_of(flags: Array, firsts: Array) -> Array:
    """Per key whether any of its evaluations is flagged."""
    return np.asarray(np.logical_or.reduceat(flags, firsts))
