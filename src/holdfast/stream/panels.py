"""Like-shaped rules judged together: 1,000 thresholds on one column cost about as much as one.

A pair is a rule and a key that it is about. Per slot the pairs are neighbours, sorted by limit; so one comparison with
the slot's lowest limit tells whether any rule may hold, and a bisection which. Only these pairs, and those that are
raised or holding already, are looked at: all in one `ConditionAlarm` whose slots are pairs.

Values and limits of `<` rules are negated, so that every panel looks for values above.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.alarms.condition import ConditionAlarm, Terms
from holdfast.stream.alarms.machine import fields
from holdfast.stream.alarms.ports import Judged, Transition
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.latest import Order
from holdfast.stream.pairs import PairAlarm, Pairs, PairState, ranges
from holdfast.stream.plans import AlarmSpec, Threshold
from holdfast.stream.stages import Stage
from holdfast.stream.tallies import Told

Array = NDArray[Any]


def seat(stage: Stage, judges: Sequence[Judge], read: set[str]) -> "list[Judge | Panel]":
    """What judges a stage's evaluations: a panel for rules of one shape, the others by themselves.

    read: rules that others read from; they must compute all they select, whether it holds or not
    """
    alike: dict[Any, list[tuple[Judge, Threshold]]] = {}
    for judge in judges:
        if judge.is_seated:
            judge.stand_up()
        threshold, rule = judge.rule.threshold, judge.rule
        is_told = any("result" in action.kinds for action in rule.actions)
        if threshold is None or rule.stores or is_told or rule.name in read or rule.alarm.kind != "condition":
            continue
        shape = threshold.text, threshold.above, tuple(fields(rule.alarm)), rule.alarm.latch
        alike.setdefault(shape, []).append((judge, threshold))
    panels = [Panel(stage, members) for members in alike.values() if len(members) > 1]
    return [*panels, *(judge for judge in judges if not judge.is_seated)]


class Panel:
    """Judges several rules of one stage."""

    def __init__(self, stage: Stage, members: Sequence[tuple[Judge, Threshold]]) -> None:
        self._stage = stage
        self.judges = [judge for judge, _ in members]
        first, threshold = members[0]
        self._value, self._sign = first.rule.values[threshold.column], 1.0 if threshold.above else -1.0
        thresholds = [t for _, t in members]
        self.pairs = Pairs([self._sign * t.limit for t in thresholds], [self._sign * t.clear for t in thresholds])
        self._specs: list[AlarmSpec] = [judge.rule.alarm for judge in self.judges]
        self._alarm = ConditionAlarm(self.pairs.state, self._specs[0], self._spec_of)
        self._told = Told(self.pairs.state, stage.tallies)
        self._is_growing = True
        for i, judge in enumerate(self.judges):
            judge.grow()
            self.pairs.expect(i, judge.state.export(len(stage.route.keys)))
            state = PairState(self.pairs, i, judge.state, self.grow)
            judge.take_seat(state, PairAlarm(self.pairs, i, self._alarm), self._told, partial(self.pairs.pair, i))
        self._is_growing = False
        self.grow()

    def grow(self) -> None:
        """Make room for the stage's keys."""
        if self._is_growing:  # each rule's memory asks for it too
            return
        self._is_growing = True
        for judge in self.judges:
            judge.grow()
        new = self.pairs.grow(np.stack([judge.mine for judge in self.judges]))
        if len(new):
            self._told.begin(new, self.pairs.slot[new])
            self._alarm.terms = Terms.by_slot(self._specs, self.pairs.rule)
        self._is_growing = False

    def judge(self, evaluations: Evaluations, order: Order | None, to: Findings) -> list[Any]:
        """Take evaluations in."""
        if order is None or not len(self.pairs.slot):
            return []
        value = order.pick(self._value(evaluations.inputs), np.float64)
        if self._sign < 0:
            value = -value
        top = np.fmax.reduceat(value, order.firsts) if len(order.slots) < len(value) else value
        hot = self.pairs.is_hot(order.slots, top).nonzero()[0]
        if not len(hot):
            return []
        pairs = self.pairs.touched(order.slots[hot], top[hot])
        judged, at = self._judged(order, value, pairs)
        self._announce(self._alarm.advance(judged), at, evaluations, order, to)
        self.pairs.note(pairs)
        return []

    def tick(self, times: Array, to: Findings) -> None:
        """Time passes."""
        if "alarm.due" not in self.pairs.names:
            return
        active = self.pairs.active()
        now = times[self.pairs.slot[active]]
        late = self.pairs.state["alarm.due"][active] <= now
        if np.count_nonzero(late):
            found = self._alarm.pass_time(active[late], now[late])
            self.pairs.note(active[late])
            self._announce(found, None, None, None, to)

    def _judged(self, order: Order, value: Array, pairs: Array) -> tuple[Judged, Array]:
        """Every evaluation of these pairs' keys once per pair; and the evaluation's position in `order`."""
        key = np.empty(len(self.pairs.first), np.intp)
        key[order.slots] = np.arange(len(order.slots))
        mine = key[self.pairs.slot[pairs]]
        counts = order.counts[mine]
        at = ranges(order.firsts[mine], counts)
        limit, clear = self.pairs.limit[pairs], self.pairs.clear[pairs]
        if len(at) > len(pairs):
            limit, clear = np.repeat(limit, counts), np.repeat(clear, counts)
        seen = value[at]
        again = None if order.again is None else order.again[at]
        firsts = np.cumsum(counts) - counts
        when = seen > limit
        ts = order.ts[at]
        times = order.times[at] if self._specs[0].has_timers else ts
        return Judged(pairs, firsts, ts, times, when, seen < clear, None, again), at

    def _announce(
        self,
        found: list[Transition],
        at: Array | None,
        evaluations: Evaluations | None,
        order: Order | None,
        to: Findings,
    ) -> None:
        for t in found:
            judge, moved = self.judges[int(self.pairs.rule[t.slot])], self._moved(t, at)
            row = -1 if evaluations is None or order is None else int(evaluations.row[order.place(moved.at)])
            to.decided.append((row, judge.decide(moved, evaluations, order)))

    def _moved(self, t: Transition, at: Array | None) -> Transition:
        """A pair's transition as its key's."""
        here, seen = (-1, -1) if at is None else (int(at[t.at]), -1 if t.seen < 0 else int(at[t.seen]))
        return Transition(here, int(self.pairs.slot[t.slot]), t.kind, t.ts, t.held, t.since, seen, t.cause)

    def _spec_of(self, pair: int) -> AlarmSpec:
        return self._specs[int(self.pairs.rule[pair])]
