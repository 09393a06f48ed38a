"""A stage at work with the rules that judge what it makes, and with what it costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from holdfast.stream.costs import Meter, RuleCost, Stopwatch
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.plans import StagePlan
from holdfast.stream.rows import Arrived, Rows, Skipped
from holdfast.stream.stages import Stage

if TYPE_CHECKING:
    from holdfast.stream.relays import Relay


class Line:
    """A stage with the rules that judge its evaluations, and the stages that read theirs."""

    def __init__(self, plan: StagePlan, stage: Stage, judges: Sequence[Judge], watch: Stopwatch) -> None:
        self.plan, self.stage = plan, stage
        self.judges = list(judges)
        self.relays: list[tuple[Judge, Relay, Line]] = []
        self.meter = Meter(judge_ns=[0] * len(judges), decisions=[0] * len(judges))
        self.is_changed = True
        """By the last edit of rules: which devices they are about may be different."""
        self._watch = watch

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
        made = self.stage.feed(arrived, now_ns)
        self.meter.spend(-1, self._watch.now() - began)
        self.judge(*made, now_ns, to)

    def take(self, rows: Rows, now_ns: int, to: Findings) -> None:
        """Take what a rule selected."""
        if self.meter.is_throttled:
            self._skip(len(rows), to)
            return
        began = self._begin()
        self.stage.state.grow(len(self.stage.route.keys))
        made, late = self.stage.take(rows, now_ns)
        self.meter.spend(-1, self._watch.now() - began)
        self.judge(made, None, late, now_ns, to)

    def judge(
        self, evaluations: Evaluations | None, bad: Skipped | None, late: Skipped | None, now_ns: int, to: Findings
    ) -> None:
        """Have the rules judge, and pass on what they selected."""
        meter, now = self.meter, self._watch.now
        selected = {}
        began = now()
        for i, judge in enumerate(self.judges):
            before = len(to.decided)
            selected[judge] = judge.judge(evaluations, bad, late, to)
            meter.decisions[i] += len(to.decided) - before
            ended = now()
            meter.spend(i, ended - began)
            began = ended
        meter.messages = self.stage.taken
        if evaluations is None:
            return
        meter.evaluations += len(evaluations.row)
        for judge, relay, below in self.relays:
            rows = relay.rows(evaluations, selected[judge], judge)
            if rows is not None:
                below.take(rows, now_ns, to)

    def tick(self, now_ns: int, to: Findings) -> None:
        """Time passes."""
        began = self._begin()
        self.stage.state.grow(len(self.stage.route.keys))
        closed = self.stage.close(now_ns)
        self.meter.spend(-1, self._watch.now() - began)
        if closed is not None:
            to.moved = True
            self.judge(closed, None, None, now_ns, to)
        for judge in self.judges:
            judge.tick(now_ns, to)

    def costs(self, now: int) -> list[RuleCost]:
        """What each of its rules costs; now: by the stopwatch."""
        meter, stage, n = self.meter, self.stage, len(self.judges)
        share, mine, memory = meter.share(now), meter.stage_ns // n, stage.state.nbytes // n
        found = []
        for i, judge in enumerate(self.judges):
            used = mine + meter.judge_ns[i]
            found.append(
                RuleCost(
                    judge.rule.name,
                    judge.rule.part,
                    used,
                    share * used / max(meter.used_ns, 1),
                    judge.state.nbytes + memory,
                    stage.taken,
                    meter.evaluations,
                    meter.decisions[i],
                    meter.skipped,
                    len(stage.route.keys),
                    len(stage.route.turned_away),
                    meter.budget,
                    meter.is_throttled,
                )
            )
        return found

    def _begin(self) -> int:
        self._watch.touch(self.meter)
        return self._watch.now()

    def _skip(self, rows: int, to: Findings) -> None:
        if rows:
            self.meter.skipped += rows
            for name in {judge.rule.name for judge in self.judges}:
                to.counts[f"rule_rows_shed.{name}"] += rows
