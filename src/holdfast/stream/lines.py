"""A stage at work with the rules that judge what it makes, and with what it costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.series import Catalogue
from holdfast.stream.costs import Meter, RuleCost, Stopwatch
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.panels import Panel, seat
from holdfast.stream.plans import StagePlan
from holdfast.stream.rows import Arrived, Rows, Skipped
from holdfast.stream.stages import Stage

if TYPE_CHECKING:
    from holdfast.stream.relays import Relay


Array = NDArray[Any]


class Line:
    """A stage with the rules that judge its evaluations, and the stages that read theirs."""

    def __init__(
        self, plan: StagePlan, stage: Stage, judges: Sequence[Judge], watch: Stopwatch, catalogue: Catalogue
    ) -> None:
        self.plan, self.stage = plan, stage
        self._metrics = () if plan.reads_every else tuple(catalogue.metric_id(m) for m in dict.fromkeys(plan.read))
        self.judges = list(judges)
        self.relays: list[tuple[Judge, Relay, Line]] = []
        self.meter = Meter()
        self._units: list[Judge | Panel] = []
        self._seated: object = None
        self._known = 0
        self.is_changed = True
        """By the last edit of rules: which devices they are about may be different."""
        self._watch = watch

    def seat(self) -> None:
        """Have like-shaped rules judged together; call it again when `judges` or `relays` may be others."""
        read = {judge.rule.name for judge, _, _ in self.relays}
        seated = list(self.judges), read
        if seated == self._seated:
            return
        self._seated = seated
        self._units = seat(self.stage, self.judges, read)
        self.stage.latest.wanted = any(j.standing is not None and j.rule.alarm.looks_back for j in self.judges)
        self.meter.judge_ns = [0] * len(self._units)
        self._known = 0

    @property
    def may_be_throttled(self) -> bool:
        """Whether leaving rows out raises no false alert: not where the alert is that something didn't come."""
        return not any(
            rule.alarm.kind == "absence" or (rule.alarm.kind == "sequence" and not rule.alarm.expected)
            for rule in (judge.rule for judge in self.judges)
        )

    def feed(self, arrived: Arrived, now_ns: int, to: Findings) -> None:
        """Take readings."""
        if self.meter.is_throttled:
            self._skip(int(np.count_nonzero(self.stage.route.slot_of[arrived.series] >= 0)), to)
            return
        began = self._begin()
        mine = arrived if self.plan.reads_every else arrived.of(self._metrics)
        if mine is None:
            return
        made = self.stage.feed(mine, now_ns)
        self.meter.spend(-1, self._watch.now() - began)
        self.judge(*made, now_ns, to)

    def take(self, rows: Rows, behind: Array | None, now_ns: int, to: Findings) -> None:
        """Take what a rule selected."""
        if self.meter.is_throttled:
            self._skip(len(rows), to)
            return
        began = self._begin()
        self.stage.state.grow(len(self.stage.route.keys))
        made, late = self.stage.take(rows, now_ns, behind)
        self.meter.spend(-1, self._watch.now() - began)
        self.judge(made, None, late, now_ns, to)

    def judge(
        self, evaluations: Evaluations | None, bad: Skipped | None, late: Skipped | None, now_ns: int, to: Findings
    ) -> None:
        """Have the rules judge, and pass on what they selected."""
        meter, stage = self.meter, self.stage
        self._grow()
        if bad is not None or late is not None:
            stage.tallies.begin(bad, late)
        meter.messages = stage.taken
        if evaluations is not None:
            meter.evaluations += len(evaluations.row)
            selected = self._judge(evaluations, to)
            for judge, relay, below in self.relays:
                relayed = relay.rows(evaluations, selected[id(judge)], judge)
                if relayed is not None:
                    below.take(*relayed, now_ns, to)
        stage.tallies.settle()

    def _judge(self, evaluations: Evaluations, to: Findings) -> dict[int, list[Any]]:
        """What each unit selected, by its id."""
        latest, now, selected = self.stage.latest, self._watch.now, dict[int, list[Any]]()
        order = latest.order(evaluations)
        began = now()
        for i, unit in enumerate(self._units):
            selected[id(unit)] = unit.judge(evaluations, order, to)
            ended = now()
            self.meter.spend(i, ended - began)
            began = ended
        if order is not None:
            latest.remember(evaluations, order)
        return selected

    def tick(self, now_ns: int, to: Findings) -> None:
        """Time passes."""
        if not (self.stage.goes_by_time or self.stage.latest.wanted):
            return
        began = self._begin()
        self._grow()
        closed = self.stage.close(now_ns)
        self.meter.spend(-1, self._watch.now() - began)
        to.moved |= self.stage.stirred
        if closed is not None:
            self.judge(closed, None, None, now_ns, to)
        if self.stage.latest.wanted:
            times, before = self.stage.settled(now_ns), len(to.decided)
            for unit in self._units:
                unit.tick(times, to)
            to.moved |= len(to.decided) > before

    def _grow(self) -> None:
        keys = len(self.stage.route.keys)
        if keys != self._known:
            self.stage.state.grow(keys)
            for unit in self._units:
                unit.grow()
            self._known = keys

    def costs(self, now: int) -> list[RuleCost]:
        """What each of its rules costs; now: by the stopwatch."""
        stage, members = self.stage, [unit.judges if isinstance(unit, Panel) else [unit] for unit in self._units]
        return [
            self._cost(judge, self.meter.judge_ns[i] // len(some), now, stage.state.nbytes // len(self.judges))
            for i, some in enumerate(members)
            for judge in some
        ]

    def _cost(self, judge: Judge, judge_ns: int, now: int, memory: int) -> RuleCost:
        """memory: the rule's part of the stage's."""
        meter, stage = self.meter, self.stage
        used = meter.stage_ns // len(self.judges) + judge_ns
        return RuleCost(
            judge.rule.name,
            judge.rule.part,
            used,
            meter.share(now) * used / max(meter.used_ns, 1),
            judge.state.nbytes + memory,
            stage.taken,
            meter.evaluations,
            judge.decisions,
            meter.skipped,
            len(stage.route.keys),
            len(stage.route.turned_away),
            meter.budget,
            meter.is_throttled,
            *((0, 0) if judge.thresholds is None else judge.thresholds.totals()),
        )

    def _begin(self) -> int:
        self._watch.touch(self.meter)
        return self._watch.now()

    def _skip(self, rows: int, to: Findings) -> None:
        if rows:
            self.meter.skipped += rows
            for name in {judge.rule.name for judge in self.judges}:
                to.counts[f"rule_rows_shed.{name}"] += rows
