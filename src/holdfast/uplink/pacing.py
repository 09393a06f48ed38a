"""What the link can bear: when a lane may send, and how much. Pure; the planner's measured side.

Puts together `goodput` (measures), `levels` (what may go), `sizing` (how much at once) and `budget` (what it may cost).

**Live before backlog.** A lane is a dense log acknowledged by one watermark, so newest-first within a lane can't be
had: the parent could not say which rows it has. The order is between lanes: 0 and 1 never wait for lane 2's batch.
On one slow path they still share it with the bodies already under way, and those can't be called back: `batch_time`
bounds each of them, so lane 0's wait is about one bulk body, at worst two on a narrow or unmeasured link. A smaller
`batch_time` means less waiting and more requests, thus more overhead. What is not bounded: a link that breaks down
tenfold while a body sized for the fast one is under way; that one body takes ten times as long.

**Credits.** At most `credits` batches of lanes 1 and 2 are under way; lane 0 has one on top, always. (With a single
credit lane 1 does wait for lane 2's batch under way: the parent's word goes before the order of lanes.) A welcome with
no credits counts as one, since nothing would ever end the wait: a parent that wants quiet answers `busy`.

**Unmeasured.** The level is wide, since small sites may never fill a measurable body; but bodies begin small and one
lane of 1 and 2 sends at a time, as on a narrow link.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from holdfast.model.lane import SYNCED_LANES, Lane
from holdfast.uplink.budget import NS, Budget, BudgetReport
from holdfast.uplink.goodput import TINY, Goodput
from holdfast.uplink.levels import Level, next_level
from holdfast.uplink.settings import ParentSettings
from holdfast.uplink.sizing import Sizing
from holdfast.wire.frame import Effort
from holdfast.wire.messages import Welcome

# What a request costs beside its body: headers both ways, the reply, TLS and TCP. Counted against the budget.
CALL_BYTES = 1_000
# A link may seem to trickle because one body met a busy parent: the first probe comes soon, each later one after twice
# the time, up to `probe_every`.
PROBE_SOON_S = 1.0
# A link silent for so long may have become another one: sizes start small again.
STALE_S = 10.0
# After a 413: a moment at first; nothing smaller to try: an operator must act.
REFUSED_PAUSE_S = 0.2
REFUSED_FOR_GOOD_S = 60.0


@dataclass(frozen=True, slots=True)
class LinkReport:
    """The link as an operator sees it.

    goodput_bps:  bits per second, None until measured
    rtt_s:        of small calls, None until there was one
    batch_rows:   rows of the next batch, lane by lane
    window_in_s:  seconds until lanes 1 and 2 may send by budget and hours; 0 = now
    phase:        the breaker's: closed, open, half_open
    quiet_for_s:  seconds of a pause (failure, busy parent) left
    in_flight:    lanes with a batch under way
    """

    level: Level
    goodput_bps: float | None
    rtt_s: float | None
    batch_rows: dict[Lane, int]
    budget: BudgetReport
    window_in_s: float
    phase: str
    quiet_for_s: float
    in_flight: tuple[Lane, ...]
    credits: int


class Pacing:
    """Tells the planner when a lane may send and how many rows. `now`: CLOCK_MONOTONIC seconds; lanes: `Lane`."""

    def __init__(self, settings: ParentSettings) -> None:
        self._adapt = settings.adapt
        self.budget = Budget(settings.budget)
        self.level = Level.WIDE
        self.goodput = Goodput()
        self.credits = 1
        self._sizing = Sizing(settings.adapt, settings.max_rows)
        self._wall_ns = 0
        self._answered_at = -math.inf
        self._probe_due = self._probe_wait = 0.0
        self._probe_left = 0.0
        self._held: dict[Lane, float] = {}

    def clock(self, wall_ns: int, now: float) -> None:
        """It's `wall_ns` (since 1970 UTC) at `now`. Until told, `now` itself counts as seconds since 1970."""
        self._wall_ns = wall_ns - round(now * NS)

    def welcomed(self, welcome: Welcome, seconds: float, now: float) -> None:
        """The parent opened a session `seconds` after it was asked."""
        self.goodput.said_hello(seconds, now)
        self._sizing.welcomed(welcome.max_rows, welcome.max_body)
        self.credits = max(1, welcome.credits)
        self.budget.spent(CALL_BYTES, Lane.CRITICAL, self.wall_ns(now))
        if now - self._answered_at > STALE_S:
            self._sizing.restart()

    def answered(self, lane: Lane, body: int, rows: int, seconds: float, now: float, *, others: bool) -> None:
        """A batch was answered; others: are batches of other lanes still under way?"""
        self._answered_at = now
        self._spent(lane, body, now)
        self.goodput.answered(body, seconds, now, others=others)
        self._sizing.answered(lane, body, rows, self.goodput.bytes_per_s, self.goodput.least_rtt_s)
        before, self.level = self.level, next_level(self.level, self.goodput.bytes_per_s, self._adapt)
        if self.level is Level.TRICKLE and before is not Level.TRICKLE:
            self._probe_wait = min(PROBE_SOON_S, self._adapt.probe_every)
            self._probe_due, self._probe_left = now + self._probe_wait, 0.0
        elif lane is not Lane.CRITICAL:
            self._probe_left -= body
            if self._probe_left < TINY:
                self._probe_left = 0.0

    def failed(self, lane: Lane, body: int, now: float, *, is_hurt: bool) -> None:
        """A batch got no answer (is_hurt) or a refusal."""
        self._spent(lane, body, now)
        self.goodput.forget_window(now)
        if is_hurt:
            self._sizing.hurt()

    def too_large(self, lane: Lane, body: int, now: float) -> bool:
        """A batch was refused for its size; is there anything smaller to try?"""
        self._spent(lane, body, now)
        self.goodput.forget_window(now)
        can_shrink = self._sizing.too_large(body, now)
        self._held[lane] = now + (REFUSED_PAUSE_S if can_shrink else REFUSED_FOR_GOOD_S)
        return can_shrink

    def opens(self, lane: Lane, now: float) -> float:
        """From when on the clock lets the lane send; not later than `now` when it may."""
        at = self._held.get(lane, 0.0)
        wall_ns = self.wall_ns(now)
        if not self.budget.may_send(lane, wall_ns):
            at = max(at, now + (self.budget.opens_at(wall_ns, lane) - wall_ns) / NS)
        if lane is not Lane.CRITICAL and self.level is Level.TRICKLE and self._probe_left <= 0:
            at = max(at, self._probe_due)
        return at

    def has_room(self, lane: Lane, flying: Collection[Lane]) -> bool:
        """May the lane send beside the batches under way? If not, their answers may change that."""
        if lane is Lane.CRITICAL:
            return True
        bulk = [other for other in flying if other is not Lane.CRITICAL]
        if len(bulk) >= self.credits:
            return False
        if self.level is Level.TRICKLE:
            return not bulk
        return self.is_fast or not any(other < lane for other in bulk)

    def offered(self, lane: Lane, now: float) -> None:
        """The lane's batch is leaving."""
        if lane is not Lane.CRITICAL and self.level is Level.TRICKLE and self._probe_left <= 0:
            self._probe_left = self._sizing.floor(self.goodput.bytes_per_s)
            self._probe_wait = min(2 * self._probe_wait, self._adapt.probe_every)
            self._probe_due = now + self._probe_wait

    def rows(self, lane: Lane, now: float) -> int:
        """Rows of the lane's next batch, at least 1."""
        limit = self.budget.left(lane, self.wall_ns(now)) or math.inf
        if self.level is Level.NARROW:
            limit = min(limit, self._adapt.narrow_body)
        elif self.level is Level.TRICKLE and lane is not Lane.CRITICAL:
            limit = min(limit, self._probe_left or self._sizing.floor(self.goodput.bytes_per_s))
        body = self._sizing.body(self.goodput.bytes_per_s, self.goodput.least_rtt_s, limit, now)
        return self._sizing.rows(lane, body)

    @property
    def is_fast(self) -> bool:
        """Was the link measured, and is it wide?"""
        return self.level is Level.WIDE and self.goodput.bytes_per_s is not None

    @property
    def effort(self) -> Effort:
        """How hard to compress: CPU is what's scarce on a fast link, bytes on a trickling one."""
        if self.level is Level.TRICKLE:
            return Effort.THOROUGH
        return Effort.QUICK if self.is_fast else Effort.USUAL

    def wall_ns(self, now: float) -> int:
        """The wall time at `now`."""
        return self._wall_ns + round(now * NS)

    def report(self, now: float, phase: str, quiet_until: float, in_flight: tuple[Lane, ...]) -> LinkReport:
        """How things stand."""
        speed, wall_ns = self.goodput.bytes_per_s, self.wall_ns(now)
        budget = self.budget.report(wall_ns)
        return LinkReport(
            level=self.level,
            goodput_bps=None if speed is None else 8 * speed,
            rtt_s=self.goodput.rtt_s,
            batch_rows={lane: self.rows(lane, now) for lane in SYNCED_LANES},
            budget=budget,
            window_in_s=0.0 if budget.opens_ns is None else (budget.opens_ns - wall_ns) / NS,
            phase=phase,
            quiet_for_s=max(0.0, quiet_until - now),
            in_flight=in_flight,
            credits=self.credits,
        )

    def _spent(self, lane: Lane, body: int, now: float) -> None:
        if body > 0:
            self.budget.spent(body + CALL_BYTES, lane, self.wall_ns(now))
