"""What to offer the parent next. Pure: feed it facts and the time, do what it returns.

Invariants per lane: `acked <= offered <= head`, and at most one batch is in flight, so an answer always is about the
last offer. After a failure or a new session `offered` falls back to what the parent says it has. Lane 0 is offered
whenever it has rows and never waits for another lane; bulk lingers a little so that batches compress well. How much
and when the link bears more is `pacing`'s.

One breaker serves all lanes: there is one parent and one path to it, and a call of any lane tells about both. What
concerns a lane alone (a batch too large for the parent) holds back that lane alone, without the breaker.

The region lane is closed until a parent of this node's own region opens it with its welcome; the site lane isn't known
here at all, so nothing can offer it.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from holdfast.model.lane import OPEN_LANES, SYNCED_LANES, Lane
from holdfast.uplink.breaker import Breaker, Phase
from holdfast.uplink.pacing import LinkReport, Pacing
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.frame import Effort
from holdfast.wire.messages import BatchReply, Welcome

DIVERGED_PAUSE_S = 60.0
# Two nodes of one name (a clone) fence each other with every hello; this is how fast they may.
FENCED_PAUSE_S = 2.0
# How soon a plan that is held asks whether it still is.
HELD_S = 0.5


class Session(StrEnum):
    """How far we are with the parent."""

    NONE = "none"
    ASKING = "asking"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Appended:
    """The journal's heads, lane by lane."""

    heads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The parent answered a hello, after `seconds` (0 = not measured)."""

    welcome: Welcome
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """The parent answered a lane's batch.

    body_bytes, rows: what the batch was; 0 = not known, nothing is learned from it then
    seconds:          from the request's start to its answer
    """

    lane: Lane
    reply: BatchReply
    body_bytes: int = 0
    rows: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A call gave no usable answer.

    lane:       whose batch it was, None for a hello
    asked_s:    the pause a refusal asked for; 0 means that there was no answer at all (a hurt link)
    too_large:  the batch's size was refused (413): nothing was applied, and the session goes on
    body_bytes: of the batch, 0 when it was never sent
    waits:      the parent is too old for the lane's next rows: it waits, alone, for the next session
    """

    lane: Lane | None
    asked_s: float = 0.0
    too_large: bool = False
    body_bytes: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Clocked:
    """It's `wall_ns` now (ns since 1970 UTC), for budgets and hours.

    Tell it at the start and now and then after: the wall clock may be set. A plan that was never told takes `now` for
    seconds since 1970.
    """

    wall_ns: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Fact = Appended | Welcomed | Answered | Failed | Clocked | Tick


@dataclass(frozen=True, slots=True)
class Offer:
    """Send the lane's rows after `after`, up to `max_rows`, in this session. effort: how hard to compress."""

    lane: Lane
    after: int
    max_rows: int
    session: int
    series_known: int
    effort: Effort = Effort.USUAL


@dataclass(frozen=True, slots=True)
class Turn:
    """What the shell owes: a hello, some offers; and call again no later than `wake_at`."""

    hello: bool = False
    offers: tuple[Offer, ...] = ()
    wake_at: float | None = None


@dataclass(slots=True)
class _LaneState:
    head: int = 0
    acked: int = 0
    in_flight: bool = False
    waiting_since: float | None = None
    is_closed: bool = False
    """Must the parent not have it?"""
    is_held: bool = False
    """Is the parent too old for what comes next?"""


@dataclass(slots=True)
class UplinkPlan:
    """The sender's state machine."""

    settings: ParentSettings
    breaker: Breaker
    session: Session = Session.NONE
    token: int = 0
    series_known: int = 0
    region: str = ""
    """Where this node is; empty = a region of its own."""
    held: bool = False
    """Rows here may yet change: nothing is asked or offered. Calls under way end as ever."""
    hurry: bool = False
    """No lingering: the node is about to stop."""
    trouble: str = ""
    """What the parent holds against us, until it no longer does."""
    pacing: Pacing = field(init=False)
    """What was measured of the link; `pacing.budget` is what to store and restore."""
    _is_fenced: bool = False
    _heard_at: float = 0.0
    _stuck: Lane | None = None
    _lanes: dict[Lane, _LaneState] = field(
        default_factory=lambda: {lane: _LaneState(is_closed=lane.stays) for lane in SYNCED_LANES}
    )

    def __post_init__(self) -> None:
        self.pacing = Pacing(self.settings)

    def learn(self, fact: Fact, now: float) -> Turn:
        """Take a fact in; returns what is owed now."""
        match fact:
            case Appended(heads):
                self._appended(heads, now)
            case Welcomed():
                self._welcomed(fact, now)
            case Answered():
                self._answered(fact, now)
            case Failed():
                self._failed(fact, now)
            case Clocked(wall_ns):
                self.pacing.clock(wall_ns, now)
            case Tick():
                pass
        return self._turn(now)

    def acked(self) -> dict[Lane, int]:
        """What the parent has of each lane that is open to it, as far as is known here."""
        return {lane: state.acked for lane, state in self._lanes.items() if not state.is_closed}

    def backlog(self) -> dict[Lane, int]:
        """Rows the parent hasn't yet, lane by lane."""
        return {lane: 0 if state.is_closed else state.head - state.acked for lane, state in self._lanes.items()}

    def is_open(self, lane: Lane) -> bool:
        """May the parent have the lane's rows, as far as is known?"""
        return lane in self._lanes and not self._lanes[lane].is_closed

    @property
    def is_idle(self) -> bool:
        """Does the parent have everything that it can have?"""
        return not any(rows for lane, rows in self.backlog().items() if not self._lanes[lane].is_held)

    def report(self, now: float) -> LinkReport:
        """The link as it was measured, for status and metrics."""
        return self.pacing.report(now, self.breaker.phase.value, self.breaker.quiet_until, tuple(self._flying()))

    def _appended(self, heads: tuple[int, ...], now: float) -> None:
        for lane, head in zip(SYNCED_LANES, heads, strict=False):
            state = self._lanes[lane]
            state.head = head
            self._note_waiting(state, now)

    def _welcomed(self, fact: Welcomed, now: float) -> None:
        welcome = fact.welcome
        if welcome.status != "welcome":
            self.trouble = welcome.detail or welcome.status
            self.session = Session.NONE
            self.breaker.failed(now, DIVERGED_PAUSE_S)
            return
        self.trouble = ""
        self.breaker.succeeded()
        self.session, self.token = Session.OPEN, welcome.session
        self._heard_at = now
        self.series_known = welcome.series_known
        self.pacing.welcomed(welcome, fact.seconds, now)
        for lane, mark in zip(OPEN_LANES, welcome.marks, strict=True):
            self._lanes[lane].acked = mark.wm
        region = self._lanes[Lane.REGION]
        region.is_closed = not welcome.takes_region(self.region)
        if not region.is_closed and welcome.region_lane is not None:
            region.acked = welcome.region_lane.mark.wm
        for state in self._lanes.values():
            state.is_held = False  # it may have been upgraded
            self._note_waiting(state, now)

    def _answered(self, fact: Answered, now: float) -> None:
        reply, state = fact.reply, self._lanes[fact.lane]
        state.in_flight = False
        self._heard_at = now
        others = bool(self._flying())
        self.pacing.answered(fact.lane, fact.body_bytes, fact.rows, fact.seconds, now, others=others)
        if reply.status in ("applied", "duplicate", "expected"):
            self.breaker.succeeded()
            state.acked = reply.applied
            state.waiting_since = None
            self._is_fenced = False
            if self._stuck is fact.lane:
                self.trouble, self._stuck = "", None
            self.series_known = reply.series_known
            self._note_waiting(state, now)
        elif reply.status == "forbidden":
            self.trouble, state.is_closed = reply.detail, True
            self._note_waiting(state, now)
        elif reply.status == "busy":
            self.breaker.failed(now, reply.retry_after_s)
        else:  # fenced or diverged: a new hello finds out what we are to the parent
            self.trouble = reply.detail
            self._fenced(now)

    def _fenced(self, now: float) -> None:
        """Ask anew at once; the second time without a batch taken in between, another node has our name: slowly."""
        self.session = Session.NONE
        if self._is_fenced:
            self.breaker.failed(now, FENCED_PAUSE_S)
        self._is_fenced = True

    def _failed(self, fact: Failed, now: float) -> None:
        if fact.lane is not None:
            self._lanes[fact.lane].in_flight = False
            if fact.waits:
                self._lanes[fact.lane].is_held = True
                return
            if fact.too_large:
                self._too_large(fact.lane, fact.body_bytes, now)
                return
            self.pacing.failed(fact.lane, fact.body_bytes, now, is_hurt=fact.asked_s <= 0 < fact.body_bytes)
        self.session = Session.NONE  # the welcome after it tells what was applied
        self.breaker.failed(now, fact.asked_s)

    def _too_large(self, lane: Lane, body: int, now: float) -> None:
        if not self.pacing.too_large(lane, body, now):
            self._stuck = lane
            self.trouble = f"even the smallest batch of lane {int(lane)} is larger than the parent or a proxy takes"

    def _note_waiting(self, state: _LaneState, now: float) -> None:
        if state.is_closed or state.head <= state.acked:
            state.waiting_since = None
        elif state.waiting_since is None:
            state.waiting_since = now

    def _turn(self, now: float) -> Turn:
        if self.held:
            return Turn(wake_at=now + HELD_S)
        if self.session is Session.ASKING:
            return Turn()
        if self._flying() and self.session is Session.NONE:
            return Turn()  # the old session's answers first
        if not self.breaker.may_call(now):
            return Turn(wake_at=self.breaker.quiet_until)
        if self.session is Session.NONE:
            return self._ask()
        turn = self._offers(now)
        if self._flying():
            return turn
        check_in = self._heard_at + self.settings.check_in
        if now >= check_in:
            return self._ask()
        return replace(turn, wake_at=check_in if turn.wake_at is None else min(turn.wake_at, check_in))

    def _ask(self) -> Turn:
        self.session = Session.ASKING
        return Turn(hello=True)

    def _offers(self, now: float) -> Turn:
        offers: list[Offer] = []
        wake_at: float | None = None
        for lane, state in self._lanes.items():
            if (
                state.in_flight
                or state.is_closed
                or state.is_held
                or state.waiting_since is None
                or not self.pacing.has_room(lane, self._flying())
            ):
                continue
            if lane is not Lane.CRITICAL and self._is_storm(now):
                continue
            due = max(self._due(lane, state, now), self.pacing.opens(lane, now))
            if now < due:
                wake_at = due if wake_at is None else min(wake_at, due)
            elif self.breaker.phase is Phase.HALF_OPEN and self._flying():
                break
            else:
                offers.append(self._offer(lane, state, now))
        return Turn(offers=tuple(offers), wake_at=wake_at)

    def _is_storm(self, now: float) -> bool:
        """On a slow link: does lane 0 have more than the batch under way? Then it has the link for itself."""
        state = self._lanes[Lane.CRITICAL]
        waiting = state.head - state.acked
        return state.in_flight and not self.pacing.is_fast and waiting > self.pacing.rows(Lane.CRITICAL, now)

    def _offer(self, lane: Lane, state: _LaneState, now: float) -> Offer:
        state.in_flight = True
        self.pacing.offered(lane, now)
        return Offer(lane, state.acked, self.pacing.rows(lane, now), self.token, self.series_known, self.pacing.effort)

    def _flying(self) -> list[Lane]:
        return [lane for lane, state in self._lanes.items() if state.in_flight]

    def _due(self, lane: Lane, state: _LaneState, now: float) -> float:
        """When the lane's next batch should leave."""
        since = state.waiting_since or 0.0
        enough = min(self.settings.min_rows, self.pacing.rows(lane, now))
        if lane is Lane.CRITICAL or self.hurry or state.head - state.acked >= enough:
            return since
        return since + self.settings.linger
