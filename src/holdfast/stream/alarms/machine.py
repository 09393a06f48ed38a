"""One key's alarm, evaluation by evaluation: what it means to be raised.

The vectorised classes beside this only find out for which keys it needs to be asked.

Timers go by the key's newest event time, which never moves backwards: a sample that comes out of order counts as if it
had come at that time. A timer fires before the first evaluation at or after it is judged, or when the key's clock has
passed it, with the same time either way. One evaluation makes at most one transition.
"""

from dataclasses import dataclass
from typing import Any

from holdfast.model.event import EventKind
from holdfast.stream.alarms.ports import NEVER, Cause, Transition
from holdfast.stream.plans import AlarmSpec

LONG_AGO = -(1 << 62)


@dataclass(slots=True)
class Memory:
    """What one key's alarm remembers; the classes keep each of these that their `AlarmSpec` needs as an array.

    raised:     whether the alert is
    held:       evaluations since the condition began to hold; never 0 while it holds or is raised
    since:      when that was; for absence: the last message; for a sequence: when `when` held (`LONG_AGO`: it didn't)
    run, run_since: evaluations in a row at which `clear` held while raised, and since when
    due:        when time will do something
    cool:       before then it isn't raised
    is_acked, is_over: somebody has seen it; its condition has ended
    """

    raised: bool = False
    held: int = 0
    since: int = LONG_AGO
    run: int = 0
    run_since: int = LONG_AGO
    due: int = NEVER
    cool: int = LONG_AGO
    is_acked: bool = False
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One evaluation of one key. before: the evaluation before it, -1 for none in this batch."""

    at: int
    before: int
    ts: int
    time: int
    when: bool
    clear: bool
    then: bool = False
    again: bool = False


class Machine:
    """Moves one key's memory on. Transitions gather in `found`."""

    def __init__(self, spec: AlarmSpec, slot: int, memory: Memory, found: list[Transition]) -> None:
        self._spec, self._slot, self.memory, self.found = spec, slot, memory, found

    def judge(self, step: Step) -> None:
        """An evaluation."""
        self.pass_time(step.time, step.at, step.before)
        if self.memory.raised:
            self._judge_raised(step)
        elif self._spec.kind == "sequence":
            self._judge_sequence(step)
        elif self._spec.kind == "condition":
            self._judge_condition(step)
        if self._spec.kind == "absence":
            self.memory.since = step.time
        self.memory.due = self._next()

    def pass_time(self, until: int, at: int = -1, seen: int = -1) -> None:
        """It is `until` now."""
        while self.memory.due <= until:
            due = self.memory.due
            if self.memory.raised:
                self._end(at, seen, due, due, "ended")
            else:
                self._raise(at, seen, due, self._cause(due))
            self.memory.due = self._next()

    def acknowledge(self, ts: int) -> None:
        """Somebody has seen it."""
        self.pass_time(ts)
        m = self.memory
        if m.raised and self._spec.latch:
            m.is_acked = True
            if m.is_over and self._spec.kind == "absence" and ts >= m.since + self._spec.hold_ns:
                m.is_over, m.run, m.run_since = False, 0, LONG_AGO  # silent again
            if m.is_over:
                self._clear(-1, -1, ts, ts, "acknowledged")
                self.memory.due = self._next()

    def _judge_condition(self, step: Step) -> None:
        m, spec = self.memory, self._spec
        if not step.when:
            m.held, m.since = 0, LONG_AGO
            return
        if m.held == 0:
            m.since = step.time
        m.held += not (step.again and m.held)
        if m.held >= spec.hold and self._is_time(step, max(m.since + spec.hold_ns, m.cool)):
            self._raise(step.at, step.at, step.ts, "samples")

    def _judge_sequence(self, step: Step) -> None:
        m, spec = self.memory, self._spec
        is_armed = m.since != LONG_AGO
        if spec.expected:
            if is_armed and step.then and step.time - m.since <= spec.within and step.time >= m.cool:
                self._raise(step.at, step.at, step.ts, "followed")
            elif step.when:
                m.since = step.time
        elif step.then:
            m.since = LONG_AGO
        elif step.when and not is_armed and step.time + spec.within >= m.cool:
            m.since = step.time

    def _judge_raised(self, step: Step) -> None:
        m, spec = self.memory, self._spec
        clear = step.clear or (spec.kind == "sequence" and not spec.expected and step.then) or spec.kind == "absence"
        if clear:
            if m.run == 0:
                m.run_since = step.time
            m.run += not (step.again and m.run)
            if m.run >= spec.clear_hold and self._is_time(step, m.run_since + spec.clear_ns) and not m.is_over:
                self._end(step.at, step.at, step.ts, step.time, "spoke" if spec.kind == "absence" else "samples")
        else:
            m.run, m.run_since = 0, LONG_AGO
            if step.when:
                m.is_over = False
        if self.memory.raised and spec.kind == "condition":
            m.held += not step.again

    def _is_time(self, step: Step, due: int) -> bool:
        return not self._spec.has_timers or step.time >= due  # without timers, times may go backwards

    def _raise(self, at: int, seen: int, ts: int, cause: Cause) -> None:
        self.memory.raised = True
        self._tell(at, "alert.raised", ts, seen, cause)

    def _end(self, at: int, seen: int, ts: int, time: int, cause: Cause) -> None:
        """The condition has ended; so has the alert, unless it waits for somebody."""
        if self._spec.latch and not self.memory.is_acked:
            self.memory.is_over = True
        else:
            self._clear(at, seen, ts, time, cause)

    def _clear(self, at: int, seen: int, ts: int, time: int, cause: Cause) -> None:
        m = self.memory
        self._tell(at, "alert.cleared", ts, seen, cause)
        since = m.since if self._spec.kind == "absence" else LONG_AGO
        cool = time + self._spec.cooldown if self._spec.cooldown else LONG_AGO
        if self._spec.kind == "absence" and time > since:
            cool = max(cool, time)  # cleared by time alone while the key was silent: not raised again in the past
        self.memory = Memory(since=since, cool=cool)

    def _tell(self, at: int, kind: EventKind, ts: int, seen: int, cause: Cause) -> None:
        m = self.memory
        self.found.append(Transition(at, self._slot, kind, ts, m.held, m.since, seen, cause))

    def _cause(self, due: int) -> Cause:
        m, spec = self.memory, self._spec
        if spec.kind == "sequence":
            return "missed"
        if due > m.since + spec.hold_ns:
            return "cooled"
        return "silent" if spec.kind == "absence" else "held"

    def _next(self) -> int:
        m, spec = self.memory, self._spec
        if m.raised:
            is_ending = spec.clear_ns and not m.is_over and m.run >= spec.clear_hold
            return m.run_since + spec.clear_ns if is_ending else NEVER
        if spec.kind == "condition":
            return max(m.since + spec.hold_ns, m.cool) if m.held >= spec.hold else NEVER
        if spec.kind == "absence":
            return max(m.since + spec.hold_ns, m.cool) if m.since != LONG_AGO else NEVER
        return m.since + spec.within if not spec.expected and m.since != LONG_AGO else NEVER


def fields(spec: AlarmSpec) -> dict[str, Any]:
    """Which parts of `Memory` an alarm keeps, by dtype."""
    kept: dict[str, Any] = {"raised": bool, "since": int}
    if spec.kind == "condition":
        kept["held"] = int
    if spec.clear_hold > 1 or spec.clear_ns:
        kept |= {"run": int, "run_since": int}
    if spec.has_timers:
        kept["due"] = int
    if spec.cooldown or spec.kind == "absence":
        kept["cool"] = int
    if spec.latch:
        kept |= {"is_acked": bool, "is_over": bool}
    return kept
