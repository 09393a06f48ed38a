"""A stage at work: messages, row steps, `where`, window. Shared by all rules whose stages have one signature."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.clocks import Clocks
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.latest import Latest
from holdfast.stream.messages import Messages
from holdfast.stream.plans import StagePlan
from holdfast.stream.routing import Route
from holdfast.stream.rowops.anomalies import together
from holdfast.stream.rows import Arrived, Rows, Skipped
from holdfast.stream.state import State
from holdfast.stream.tallies import Tallies
from holdfast.stream.windows.making import make_windows

if TYPE_CHECKING:
    from holdfast.stream.language.devices import Matches

Array = NDArray[Any]

IDLE_NS = 1_000_000_000
"""A silent key's windows are closed so long after they were due: what was sent before may still be on its way."""


class Stage:
    """Turns readings into evaluations."""

    def __init__(self, plan: StagePlan, matches: "Sequence[Matches]", *, by_site: bool = False) -> None:
        """matches: of the rules that share it; by_site: see `Engine`."""
        self.plan = plan
        self._by_site = by_site
        self.route = Route(plan, matches)
        self.state = State()
        self.clocks = Clocks(self.state)
        self.latest = Latest(self.state, plan)
        self.tallies = Tallies(self.state)
        self._messages = Messages(self.state, plan, self.route)
        operators = [(step.make(self.state, f"step{i}"), step.columns) for i, step in enumerate(plan.steps)]
        self._operators = together(self.state, operators, len(plan.inputs))
        self._windows = make_windows(self.state, plan)
        self.taken = 0
        """Messages so far, for the account of costs."""

    def feed(self, arrived: Arrived, now_ns: int) -> tuple[Evaluations | None, Skipped | None, Skipped | None]:
        """Evaluations of what arrived, rows that can't be used, rows that came too late for their window."""
        self.state.grow(len(self.route.keys))
        rows, bad = self._messages.gather(arrived)
        if rows is None:
            return None, bad, None
        evaluations, late = self.take(rows, now_ns)
        return evaluations, bad, late

    def take(self, rows: Rows, now_ns: int, behind: Array | None = None) -> tuple[Evaluations | None, Skipped | None]:
        """As `feed`, of messages. behind: how far their keys' clocks are, where that is known otherwise."""
        self.taken += len(rows)
        for operator in self._operators:
            made = operator.apply(rows)
            rows = rows.with_columns(made if isinstance(made, list) else [made])
        if self.plan.where is not None:
            passed = self.plan.where(rows.columns)
            rows = rows.only(passed if np.ndim(passed) else np.full(len(rows), bool(passed)))
        newest = self.clocks.before(rows) if self.plan.window.kind not in _TIMELESS else rows.ts
        self.clocks.hear(rows, now_ns, behind)
        return self._windows.feed(rows, newest)

    def close(self, now_ns: int) -> Evaluations | None:
        """The evaluations that are due because time passed."""
        return self._windows.close(self.times(now_ns - IDLE_NS))

    @property
    def stirred(self) -> bool:
        """Whether the last `close` changed anything, with an evaluation or without."""
        return self._windows.stirred

    @property
    def goes_by_time(self) -> bool:
        """Whether time alone may close its windows."""
        return self.plan.window.kind not in _ARRIVING

    @property
    def wait(self) -> int | None:
        """How long after its time a result may come, ns; None where results don't go by time."""
        window = self.plan.window
        return None if window.kind in {"count", "state"} else window.grace + window.ahead + window.gap

    def silent(self, now_ns: int, longer_ns: int) -> Array:
        """The slots of keys heard once, but not for so long by the node's clock."""
        self.state.grow(len(self.route.keys))
        return self.clocks.silent(now_ns, longer_ns, len(self.route.keys))

    def times(self, now_ns: int) -> Array:
        """What time it is for each key, shape (keys,)."""
        self.state.grow(len(self.route.keys))
        if self._by_site:
            return self.clocks.site_times(self.route.nodes())
        return self.clocks.times(now_ns, len(self.route.keys))

    def settled(self, now_ns: int) -> Array:
        """Up to when each key's evaluations have been made, shape (keys,): what alarms' timers go by."""
        window = self.plan.window
        if not self.goes_by_time:
            return self.times(now_ns)
        return self.times(now_ns - IDLE_NS) - (window.grace + window.ahead)


_TIMELESS = frozenset({"each", "last"})
_ARRIVING = frozenset({"each", "last", "count"})
"""Windows whose evaluations are made when a message comes, never later."""
