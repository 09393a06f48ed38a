"""What rules cost, and who has more than his share: time per stage and per rule, budgets as buckets of CPU time.

Measured around whole columns, so the measuring costs two readings of a clock per stage and batch. A stage that rules
share is divided evenly among them. Wall time is scaled by how much of it this thread was running, so that a busy
machine makes no rule look dear.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

NS_PER_S = 1_000_000_000
BURST_S = 2
"""A rule that used less than its share may use so many seconds' worth of it at once."""
BACK_S = 0.25
"""A throttled rule goes on once so many seconds' worth of its share is free."""
_LOOK_NS = 5 * NS_PER_S
_EVERY = 8  # operations: asking how long the thread ran is dear
Now = Callable[[], int]


@dataclass(slots=True)
class Meter:
    """What one stage and its rules have used since they were loaded.

    stage_ns, judge_ns: CPU time of the stage, and of what judges its evaluations: a rule, or like-shaped ones together
    messages, evaluations: how many the stage took and made
    skipped:            readings not looked at while throttled
    """

    stage_ns: int = 0
    judge_ns: list[int] = field(default_factory=list)
    messages: int = 0
    evaluations: int = 0
    skipped: int = 0
    budget: float = 0.0
    """Share of a core that the stage and its rules may use together; 0 = any."""
    is_throttled: bool = False
    _free_ns: float = 0.0
    _filled_at: int = 0
    _marks: list[tuple[int, int]] = field(default_factory=list)
    _unscaled: list[tuple[int, int]] = field(default_factory=list)

    @property
    def used_ns(self) -> int:
        """CPU time of the stage and all of its rules."""
        return self.stage_ns + sum(self.judge_ns)

    def spend(self, judge: int, ns: int) -> None:
        """Wall time of the stage (-1) or of what judges; `settle` says how much of it counts."""
        self._unscaled.append((judge, ns))

    def settle(self, scale: float, now: int) -> None:
        """The operation is over; `scale` of its wall time was spent running."""
        total = 0
        for rule, ns in self._unscaled:
            mine = int(ns * scale)
            total += mine
            if rule < 0:
                self.stage_ns += mine
            else:
                self.judge_ns[rule] += mine
        self._unscaled.clear()
        self._fill(now)
        self._free_ns -= total

    def _fill(self, now: int) -> None:
        passed = now - self._filled_at if self._filled_at else BURST_S * NS_PER_S
        self._filled_at = now
        self._free_ns = min(self._free_ns + passed * self.budget, BURST_S * NS_PER_S * self.budget)

    def wants_change(self, now: int) -> bool:
        """Must it be throttled, or may it go on?"""
        if not self.budget:
            return self.is_throttled
        self._fill(now)
        return self._free_ns >= BACK_S * NS_PER_S * self.budget if self.is_throttled else self._free_ns < 0

    def look(self, now: int) -> None:
        """Note where it stands, for `share`; call at least every second."""
        if not self._marks or now - self._marks[-1][0] >= _LOOK_NS:
            self._marks = [*self._marks[-2:], (now, self.used_ns)]

    def share(self, now: int) -> float:
        """The share of a core used over the last 10 s or so."""
        if not self._marks:
            return 0.0
        since, used = self._marks[0]
        return (self.used_ns - used) / max(now - since, 1)


class Stopwatch:
    """Settles the meters that an operation of the engine touched."""

    def __init__(self, now: Now = time.perf_counter_ns, running: Now = time.thread_time_ns) -> None:
        """now: wall time, ns from anywhere; running: time for which this thread was running."""
        self.now, self._running = now, running
        self._touched: list[Meter] = []
        self._began = self._ran = self._count = 0
        self._scale = 1.0

    def begin(self) -> None:
        """An operation begins."""
        self._count += 1
        if not self._count % _EVERY:
            self._began, self._ran = self.now(), self._running()

    def touch(self, meter: Meter) -> None:
        """It uses this one; once an operation, or more often."""
        self._touched.append(meter)

    def end(self) -> None:
        """The operation is over."""
        if self._touched:
            now = self.now()
            if not self._count % _EVERY:
                scale = min(1.0, (self._running() - self._ran) / max(now - self._began, 1))
                self._scale += (scale - self._scale) / _EVERY
            for meter in self._touched:
                meter.settle(self._scale, now)
            self._touched.clear()


@dataclass(frozen=True, slots=True)
class RuleCost:
    """What one rule costs. The CPU time of a shared stage is divided among its rules.

    cpu_ns:     since it was loaded, or the node started
    share:      of one core, over the last 10 s or so
    state_bytes: of its alarms and its part of the stage's memory
    messages, evaluations, decisions: looked at, made, taken
    skipped:    readings that it hasn't seen because it was throttled
    keys:       devices or series that it keeps apart; refused: those beyond its limit
    confirmed, rejected: alerts of its detector, by people
    """

    rule: str
    part: str
    cpu_ns: int
    share: float
    state_bytes: int
    messages: int
    evaluations: int
    decisions: int
    skipped: int
    keys: int
    refused: int
    budget: float
    is_throttled: bool
    confirmed: int = 0
    rejected: int = 0

    @property
    def ns_per_message(self) -> float:
        """CPU time per message."""
        return self.cpu_ns / self.messages if self.messages else 0.0
