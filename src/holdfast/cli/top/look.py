"""What the screen shows, asked of the node in a thread of its own: a slow answer must not hold up a key."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from holdfast.cli.node_api import Api, Declined, Unanswered
from holdfast.journal.ledger import Ledger
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.web.alerts import AckRequest, AlertRow
from holdfast.web.answers import ClockStatus, Status
from holdfast.web.device_answers import DeviceList
from holdfast.web.rule_answers import RuleList

EVERY_S = 1.0
_MOST_DEVICES, _MOST_ALERTS, _MOST_JOBS = 5_000, 500, 8
_PERIODS_S = {"alerts": 2.0, "devices": 2.0, "rules": 2.0, "ledger": 5.0, "clock": 10.0}
_SHARE = 10
"""A question that took long is asked so many times its own length apart: looking must not load what is looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """The node as it was last seen; None = not known yet.

    lost_ns:  since when it can't be reached, ns UTC; 0 = it's there
    trouble:  why not; said: what became of the last thing that was asked for
    count:    grows with whatever is new
    """

    status: Status | None = None
    alerts: tuple[AlertRow, ...] = ()
    devices: DeviceList | None = None
    rules: RuleList | None = None
    ledger: Ledger | None = None
    clock: ClockStatus | None = None
    lost_ns: int = 0
    trouble: str = ""
    said: str = ""
    count: int = 0


class Looking:
    """Asks the node, again and again. `wake` is called in its thread whenever there is something new."""

    def __init__(self, api: Api, clock: Clock, wake: Callable[[], None], by: str = "") -> None:
        self.look = Look()
        self._api, self._clock, self._wake, self._by = api, clock, wake, by
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_JOBS)
        self._due: dict[str, float] = dict.fromkeys(_PERIODS_S, 0.0)
        self._thread = threading.Thread(target=self._run, name="top-looking", daemon=True)

    def start(self) -> None:
        """Begin; daemon, so that a node which doesn't answer can't keep the command from ending."""
        self._thread.start()

    def acknowledge(self, number: int) -> None:
        """Have an alert acknowledged; what comes of it stands in `look.said`."""
        try:
            self._jobs.put_nowait(partial(self._acknowledge, number))
        except queue.Full:
            self._tell(replace(self.look, said="The node doesn't answer: nothing more is asked for until it does."))

    def once(self) -> Look:
        """Ask everything now, in this thread.

        Raises:
            Unanswered, Declined: when the node isn't there or won't tell.
        """
        self.look = replace(self.look, status=self._api.get("status", Status))
        for name in _PERIODS_S:
            self._ask(name)
        return self.look

    def _run(self) -> None:
        while True:
            began = self._clock.monotonic()
            self._round()
            left = EVERY_S - (self._clock.monotonic() - began)
            while left > 0:
                try:
                    job = self._jobs.get(timeout=left)
                except queue.Empty:
                    break
                if job is not None:
                    job()
                left = EVERY_S - (self._clock.monotonic() - began)

    def _round(self) -> None:
        """Everything that is due."""
        try:
            self._tell(replace(self.look, status=self._api.get("status", Status), lost_ns=0, trouble=""))
            for name, due in self._due.items():
                if self._clock.monotonic() >= due:
                    self._ask(name)
            self._tell(self.look)
        except HoldfastError as error:
            since = self.look.lost_ns or self._clock.wall_ns()
            self._tell(replace(self.look, lost_ns=since, trouble=str(error)))

    def _ask(self, name: str) -> None:
        began = self._clock.monotonic()
        try:
            match name:
                case "alerts":
                    found = self._api.get("alerts", list[AlertRow], {"limit": str(_MOST_ALERTS)})
                    self.look = replace(self.look, alerts=tuple(found))
                case "devices":
                    listed = self._api.get("devices", DeviceList, {"limit": str(_MOST_DEVICES)})
                    self.look = replace(self.look, devices=listed)
                case "rules":
                    self.look = replace(self.look, rules=self._api.get("rules", RuleList))
                case "ledger":
                    self.look = replace(self.look, ledger=self._api.get("ledger", Ledger))
                case _:
                    self.look = replace(self.look, clock=self._api.get("clock", ClockStatus))
        except Declined:
            pass  # this node has no such part, or is busy: what is known of it stands
        now = self._clock.monotonic()
        self._due[name] = now + max(_PERIODS_S[name], _SHARE * (now - began))

    def _acknowledge(self, number: int) -> None:
        try:
            found = self._api.post(f"alerts/{number}/acknowledge", AckRequest(self._by), AlertRow)
        except (Declined, Unanswered) as error:
            self._tell(replace(self.look, said=f"Alert {number} is not acknowledged: {error}"))
            return
        self._due["alerts"] = 0.0
        said = f"Alert {number} is acknowledged by {found.acknowledged_by}."
        rows = tuple(found if row.id == number else row for row in self.look.alerts)
        self._tell(replace(self.look, alerts=rows, said=said))

    def _tell(self, look: Look) -> None:
        self.look = replace(look, count=self.look.count + 1)
        self._wake()
