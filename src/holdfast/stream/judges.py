"""One rule at work: its state, its windows, its latch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import Evaluations, Windowing
from holdfast.stream.evidence import Decision, Seen, decide
from holdfast.stream.latch import Latch, Transition
from holdfast.stream.routing import Route
from holdfast.stream.rows import Arrived, choose
from holdfast.stream.rules import CompiledRule
from holdfast.stream.sliding import SlidingWindows
from holdfast.stream.state import State
from holdfast.stream.tallies import Tally
from holdfast.stream.tumbling import TumblingWindows

Array = NDArray[Any]


class Judge:
    """Applies one rule to the rows of its devices."""

    def __init__(self, rule: CompiledRule, route: Route, node: str) -> None:
        self.rule = rule
        self.route = route
        self.state = State()
        self._node = node
        self._latch = Latch(self.state, rule.hold)
        self._bad = Tally(self.state, "skipped.bad")
        self._late = Tally(self.state, "skipped.late") if rule.window.kind == "tumbling" else None
        self._windows: Windowing = (
            TumblingWindows(self.state, rule.plan, rule.window)
            if rule.window.kind == "tumbling"
            else SlidingWindows(self.state, rule.plan, rule.window.samples)
        )

    def evaluate(self, arrived: Arrived) -> list[tuple[int, Decision]]:
        """The decisions on these rows, each with its deciding row's position in the batch."""
        self.state.grow(len(self.route.devices))
        rows, skipped = choose(arrived, self.route.slot_of, self.route.metric_of)
        found: list[tuple[int, Decision]] = []
        self._bad.begin(skipped)
        if rows is not None:
            evaluations, late = self._windows.feed(rows)
            if self._late is not None:
                self._late.begin(late)
            if evaluations is not None:
                found = self._judge(evaluations)
        self._bad.settle()
        if self._late is not None:
            self._late.settle()
        return found

    def tick(self, now_ns: int) -> list[Decision]:
        """The decisions that are due because time passed."""
        evaluations = self._windows.close(now_ns)
        return [] if evaluations is None else [decision for _, decision in self._judge(evaluations)]

    def _judge(self, evaluations: Evaluations) -> list[tuple[int, Decision]]:
        plan, total = self.rule.plan, len(evaluations.row)
        values = plan.select(evaluations.inputs)
        when = _column(plan.when(values), total)
        clear = _column(plan.clear(values), total)
        found = self._latch.advance(evaluations.slots, evaluations.firsts, when, clear)
        return [(int(evaluations.row[t.at]), self._decide(t, evaluations, values)) for t in found]

    def _decide(self, transition: Transition, evaluations: Evaluations, values: list[Any]) -> Decision:
        at, slot, plan = transition.at, transition.slot, self.rule.plan
        row = int(evaluations.row[at])
        seen = Seen(
            ts=int(evaluations.ts[at]),
            values={n: float(_at(v, at)) for n, v in zip(plan.names, values, strict=True)},
            inputs={metric: evaluations.samples(at, m) for m, metric in enumerate(plan.metrics)},
            skipped_bad=self._bad.take(slot, row),
            late=None if self._late is None else self._late.take(slot, row),
        )
        return decide(self.rule, self.route.devices[slot], transition, seen, self._node)


def _at(value: Any, at: int) -> Any:
    """A selected column's value at an evaluation; a column of one value is a number."""
    return value[at] if isinstance(value, np.ndarray) and value.ndim else value


def _column(truth: Any, total: int) -> Array:
    return truth if np.ndim(truth) else np.full(total, bool(truth))
