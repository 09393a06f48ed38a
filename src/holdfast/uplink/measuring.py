"""The link as metrics: whether it's up, what it carries and costs, and what waits for it."""

from collections.abc import Callable

from holdfast.journal.journal import Journal
from holdfast.journal.parent import CONSUMER
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.lane import SYNCED_LANES, Lane
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows, state_of
from holdfast.uplink.breaker import Phase
from holdfast.uplink.levels import Level
from holdfast.uplink.status import UplinkStatus

FRESH_S = 0.5
"""One reading of the status serves one scrape."""


class LinkNumbers:
    """Reads the status once for all of its numbers. It looks into the journal, so that all are slow ones."""

    def __init__(self, status: Callable[[], UplinkStatus], journal: Journal, clock: Clock) -> None:
        self._read, self._journal, self._clock = status, journal, clock
        self._status, self._at = None, 0.0  # type: UplinkStatus | None, float

    @property
    def status(self) -> UplinkStatus:
        """As of this scrape."""
        now = self._clock.monotonic()
        if self._status is None or now - self._at > FRESH_S:
            self._status, self._at = self._read(), now
        return self._status

    def register(self, telemetry: Telemetry) -> None:
        """Show them."""
        self._show_state(telemetry)
        self._show_traffic(telemetry)
        self._show_budget(telemetry)
        table, lane = telemetry.table, ("lane",)
        table("gauge", "backlog_rows", "Rows that wait for the parent.", lane, self._backlog, slow=True)
        oldest = "Age of the oldest row that waits for the parent, by its own time; 0 = none waits."
        table("gauge", "backlog_oldest_seconds", oldest, lane, self._ages, slow=True)

    def _show_state(self, telemetry: Telemetry) -> None:
        def gauge(name: str, text: str, read: Callable[[], float]) -> None:
            telemetry.gauge(f"uplink_{name}", text, read, slow=True)

        gauge("up", "1 while the parent answers.", lambda: self.status.is_up)
        gauge("down_seconds", "For how long the parent hasn't answered; 0 = it does.", self._down_s)
        gauge("goodput_bytes_per_second", "What the link carried, as measured; 0 = not yet.", self._goodput)
        gauge("rtt_seconds", "How long small calls to the parent take; 0 = not known.", self._rtt_s)
        window = "Until lanes 1 and 2 may be sent by budget and hours; 0 = now."
        gauge("window_seconds", window, lambda: self.status.link.window_in_s)
        quiet = "What is left of a pause after a failure, or asked for by the parent."
        gauge("quiet_seconds", quiet, lambda: self.status.link.quiet_for_s)
        credit = "Batches of lanes 1 and 2 that the parent takes at once."
        gauge("credits", credit, lambda: self.status.link.credits)
        pace = "1 for how much is sent at once by what was measured: wide, narrow or trickle."
        levels = [level.value for level in Level]
        telemetry.table(
            "gauge", "uplink_pace", pace, ("pace",), lambda: state_of(self.status.link.level.value, levels), slow=True
        )
        breaker = "1 for the breaker's phase: closed (calls go), open (they wait), half_open (one tries)."
        phases = [phase.value for phase in Phase]
        telemetry.table(
            "gauge", "uplink_breaker", breaker, ("phase",), lambda: state_of(self.status.link.phase, phases), slow=True
        )

    def _show_traffic(self, telemetry: Telemetry) -> None:
        def counter(name: str, text: str, read: Callable[[], float]) -> None:
            telemetry.counter(f"uplink_{name}", text, read, slow=True)

        counter("sent_bytes", "Sent to the parent, before TLS.", lambda: self.status.sent_bytes)
        counter("sent_rows", "Rows that the parent took.", lambda: self.status.rows_sent)
        counter("sent_batches", "Batches that the parent took.", lambda: self.status.batches_sent)
        counter("failures", "Calls to the parent that failed.", lambda: self.status.failures)
        counter("cpu_seconds", "CPU time spent on packing and compressing.", lambda: self.status.cpu_s)

    def _show_budget(self, telemetry: Telemetry) -> None:
        spent = "Sent since the UTC day's or month's begin, as the budget counts it."
        telemetry.table("gauge", "uplink_budget_used_bytes", spent, ("period",), self._spent, slow=True)
        left = "What the budget leaves for the UTC day or month; absent = unbound."
        telemetry.table("gauge", "uplink_budget_left_bytes", left, ("period",), self._left, slow=True)

    def _down_s(self) -> float:
        return 0.0 if self.status.is_up else max(0.0, self._clock.monotonic() - self.status.since)

    def _goodput(self) -> float:
        return (self.status.link.goodput_bps or 0.0) / 8

    def _rtt_s(self) -> float:
        return self.status.link.rtt_s or 0.0

    def _spent(self) -> Rows:
        budget = self.status.link.budget
        return [(("day",), budget.day_bytes), (("month",), budget.month_bytes)]

    def _left(self) -> Rows:
        budget = self.status.link.budget
        return [
            ((period,), left)
            for period, left in (("day", budget.day_left), ("month", budget.month_left))
            if left is not None
        ]

    def _backlog(self) -> Rows:
        return [((str(int(lane)),), self.status.backlog[lane]) for lane in SYNCED_LANES]

    def _ages(self) -> Rows:
        return [((str(int(lane)),), self._age_s(lane)) for lane in SYNCED_LANES]

    def _age_s(self, lane: Lane) -> float:
        return oldest_s(self._journal, self._clock, lane) if self.status.backlog[lane] else 0.0


def oldest_s(journal: Journal, clock: Clock, lane: Lane) -> float:
    """Age of the oldest row that waits for the parent, by its own time. Blocking."""
    found = journal.oldest(lane, journal.cursor(CONSUMER, lane))
    return 0.0 if found is None else max(0.0, (clock.wall_ns() - found) / NS_PER_S)
