"""What to offer the parent next. Pure: feed it facts and the time, do what it returns.

Invariants per lane: `acked <= offered <= head`, and at most one batch is in flight, so an answer always is about the
last offer. After a failure or a new session `offered` falls back to what the parent says it has. Lane 0 is offered
whenever it has rows and never waits for another lane; bulk lingers a little so that batches compress well.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.model.lane import Lane
from holdfast.uplink.breaker import Breaker, Phase
from holdfast.uplink.settings import ParentSettings
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
    """The parent answered a hello."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Answered:
    """The parent answered a lane's batch."""

    lane: Lane
    reply: BatchReply


@dataclass(frozen=True, slots=True)
class Failed:
    """A call gave no usable answer. lane: whose batch it was, None for a hello."""

    lane: Lane | None
    asked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Fact = Appended | Welcomed | Answered | Failed | Tick


@dataclass(frozen=True, slots=True)
class Offer:
    """Send the lane's rows after `after`, up to `max_rows`, in this session."""

    lane: Lane
    after: int
    max_rows: int
    session: int
    series_known: int


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


@dataclass(slots=True)
class UplinkPlan:
    """The sender's state machine."""

    settings: ParentSettings
    breaker: Breaker
    session: Session = Session.NONE
    token: int = 0
    series_known: int = 0
    held: bool = False
    """Rows here may yet change: nothing is asked or offered. Calls under way end as ever."""
    hurry: bool = False
    """No lingering: the node is about to stop."""
    trouble: str = ""
    """What the parent holds against us, until it no longer does."""
    _max_rows: int = 0
    _is_fenced: bool = False
    _lanes: dict[Lane, _LaneState] = field(default_factory=lambda: {lane: _LaneState() for lane in Lane})

    def learn(self, fact: Fact, now: float) -> Turn:
        """Take a fact in; returns what is owed now."""
        match fact:
            case Appended(heads):
                self._appended(heads, now)
            case Welcomed(welcome):
                self._welcomed(welcome, now)
            case Answered(lane, reply):
                self._answered(lane, reply, now)
            case Failed(lane, asked_s):
                self._failed(lane, asked_s, now)
            case Tick():
                pass
        return self._turn(now)

    def acked(self) -> dict[Lane, int]:
        """What the parent has, lane by lane, as far as is known here."""
        return {lane: state.acked for lane, state in self._lanes.items()}

    def backlog(self) -> dict[Lane, int]:
        """Rows the parent hasn't yet, lane by lane."""
        return {lane: state.head - state.acked for lane, state in self._lanes.items()}

    @property
    def is_idle(self) -> bool:
        """Does the parent have everything?"""
        return not any(self.backlog().values())

    def _appended(self, heads: tuple[int, ...], now: float) -> None:
        for lane, head in zip(Lane, heads, strict=True):
            state = self._lanes[lane]
            state.head = head
            self._note_waiting(state, now)

    def _welcomed(self, welcome: Welcome, now: float) -> None:
        if welcome.status != "welcome":
            self.trouble = welcome.detail or welcome.status
            self.session = Session.NONE
            self.breaker.failed(now, DIVERGED_PAUSE_S)
            return
        self.trouble = ""
        self.breaker.succeeded()
        self.session, self.token = Session.OPEN, welcome.session
        self.series_known = welcome.series_known
        self._max_rows = min(self.settings.max_rows, welcome.max_rows)
        for lane, mark in zip(Lane, welcome.marks, strict=True):
            self._lanes[lane].acked = mark.wm
            self._note_waiting(self._lanes[lane], now)

    def _answered(self, lane: Lane, reply: BatchReply, now: float) -> None:
        state = self._lanes[lane]
        state.in_flight = False
        if reply.status in ("applied", "duplicate", "expected"):
            self.breaker.succeeded()
            state.acked = reply.applied
            state.waiting_since = None
            self._is_fenced = False
            self.series_known = reply.series_known
            self._note_waiting(state, now)
        elif reply.status == "busy":
            self.breaker.failed(now, reply.retry_after_s)
        elif reply.status == "fenced":
            self._fenced(now)
        else:
            self.trouble = reply.detail
            self.session = Session.NONE
            self.breaker.failed(now, DIVERGED_PAUSE_S)

    def _fenced(self, now: float) -> None:
        """Ask anew at once; the second time without a batch taken in between, another node has our name: slowly."""
        self.session = Session.NONE
        if self._is_fenced:
            self.breaker.failed(now, FENCED_PAUSE_S)
        self._is_fenced = True

    def _failed(self, lane: Lane | None, asked_s: float, now: float) -> None:
        if lane is not None:
            self._lanes[lane].in_flight = False
        self.session = Session.NONE  # the welcome after it tells what was applied
        self.breaker.failed(now, asked_s)

    def _note_waiting(self, state: _LaneState, now: float) -> None:
        if state.head <= state.acked:
            state.waiting_since = None
        elif state.waiting_since is None:
            state.waiting_since = now

    def _turn(self, now: float) -> Turn:
        if self.held:
            return Turn(wake_at=now + HELD_S)
        if self.session is Session.ASKING:
            return Turn()
        if any(s.in_flight for s in self._lanes.values()) and self.session is Session.NONE:
            return Turn()  # the old session's answers first
        if not self.breaker.may_call(now):
            return Turn(wake_at=self.breaker.quiet_until)
        if self.session is Session.NONE:
            self.session = Session.ASKING
            return Turn(hello=True)
        return self._offers(now)

    def _offers(self, now: float) -> Turn:
        offers: list[Offer] = []
        wake_at: float | None = None
        for lane, state in self._lanes.items():
            if state.in_flight or state.waiting_since is None:
                continue
            due = self._due(lane, state)
            if now >= due:
                if self.breaker.phase is Phase.HALF_OPEN and (offers or self._any_in_flight()):
                    break
                state.in_flight = True
                offers.append(Offer(lane, state.acked, self._max_rows, self.token, self.series_known))
            else:
                wake_at = due if wake_at is None else min(wake_at, due)
        return Turn(offers=tuple(offers), wake_at=wake_at)

    def _any_in_flight(self) -> bool:
        return any(state.in_flight for state in self._lanes.values())

    def _due(self, lane: Lane, state: _LaneState) -> float:
        """When the lane's next batch should leave."""
        since = state.waiting_since or 0.0
        if lane is Lane.CRITICAL or self.hurry or state.head - state.acked >= self.settings.min_rows:
            return since
        return since + self.settings.linger
