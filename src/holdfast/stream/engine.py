"""The rule engine: batches in, findings out. Pure: no clock, no socket, no disk.

Cost is per batch and stage, not per reading: one table lookup finds the rows that any rule reads and the stages they
touch; a stage that isn't touched costs nothing; the others work on whole columns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue
from holdfast.stream import checkpoints
from holdfast.stream.errors import SnapshotUnusable
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.plans import READINGS, StagePlan
from holdfast.stream.relays import Relay
from holdfast.stream.routing import Refused, Routes
from holdfast.stream.rows import Arrived, Skipped, arrive
from holdfast.stream.rules import CompiledRule
from holdfast.stream.stages import Stage
from holdfast.stream.texts import Texts, using


class Line:
    """A stage with the rules that judge its evaluations, and the stages that read theirs."""

    def __init__(self, plan: StagePlan, rules: Sequence[CompiledRule], made: "Engine") -> None:
        self.plan = plan
        self.stage = Stage(plan, [rule.matches for rule in rules])
        self.judges = [Judge(rule, self.stage, made.node, made.catalogue, made.texts) for rule in rules]
        self.relays: list[tuple[Judge, Relay, Line]] = []

    def feed(self, arrived: Arrived, now_ns: int, to: Findings) -> None:
        """Take readings."""
        self.judge(*self.stage.feed(arrived, now_ns), now_ns, to)

    def judge(
        self, evaluations: Evaluations | None, bad: Skipped | None, late: Skipped | None, now_ns: int, to: Findings
    ) -> None:
        """Have the rules judge, and pass on what they selected."""
        selected = {judge: judge.judge(evaluations, bad, late, to) for judge in self.judges}
        if evaluations is None:
            return
        for judge, relay, below in self.relays:
            rows = relay.rows(evaluations, selected[judge], judge)
            if rows is not None:
                below.stage.state.grow(len(below.stage.route.keys))
                made, too_late = below.stage.take(rows, now_ns)
                below.judge(made, None, too_late, now_ns, to)

    def tick(self, now_ns: int, to: Findings) -> None:
        """Time passes."""
        self.stage.state.grow(len(self.stage.route.keys))
        closed = self.stage.close(now_ns)
        if closed is not None:
            self.judge(closed, None, None, now_ns, to)
        for judge in self.judges:
            judge.tick(now_ns, to)


class Engine:
    """Evaluates rules over the series of a catalogue.

    Call `evaluate` with every batch in order, `tick` about once a second, and `snapshot` whenever a checkpoint is due.
    After a start: `restore` the last checkpoint, then `evaluate` the batches that came after it. Not thread-safe.
    """

    def __init__(self, rules: Sequence[CompiledRule], catalogue: Catalogue, node: str) -> None:
        """Take the rules, those that others read from before these."""
        self.catalogue, self.node, self.texts = catalogue, node, Texts()
        self.on_refused: Callable[[list[Refused]], None] | None = None
        """Is told of series that rules can't have in the unit they want, once each."""
        self.rules = list(rules)
        by_stage: dict[str, list[CompiledRule]] = {}
        for rule in rules:
            by_stage.setdefault(rule.stage.signature, []).append(rule)
        self.lines = [Line(of[0].stage, of, self) for of in by_stage.values()]
        self._sources = [line for line in self.lines if line.plan.source == READINGS]
        plans, routes = [line.plan for line in self._sources], [line.stage.route for line in self._sources]
        made = frozenset(stored.metric for rule in rules for stored in rule.stores)
        self._routes = Routes(plans, routes, catalogue, made)
        self._connect()

    def _connect(self) -> None:
        judges = {judge.rule.name: (line, judge) for line in self.lines for judge in line.judges}
        for line in self.lines:
            if line.plan.source != READINGS:
                above, judge = judges[line.plan.source]
                above.relays.append((judge, Relay(judge, line.stage), line))

    def judges(self) -> Iterator[Judge]:
        """All rules at work."""
        return (judge for line in self.lines for judge in line.judges)

    def evaluate(self, batch: Batch, now_ns: int = 0) -> Findings:
        """What comes of a batch, decisions in order of their deciding rows.

        now_ns: the wall clock when the batch came; 0: not known, as when the journal is read again
        """
        findings = Findings()
        with using(self.texts):
            self._routes.refresh()
        if self._routes.refused and self.on_refused is not None:
            self.on_refused(self.refused())
        arrived = self._arrive(batch)
        if arrived is None:
            return findings
        with np.errstate(all="ignore"), using(self.texts):  # 0/0 is NaN here, and means unknown
            for i in self._routes.touched(arrived.series):
                self._sources[i].feed(arrived, now_ns, findings)
        if len(findings.decided) > 1:
            findings.decided.sort(key=lambda pair: pair[0])
        return findings

    def _arrive(self, batch: Batch) -> Arrived | None:
        if batch.texts:
            value = self.texts.coded(batch.value, self.catalogue.is_text[batch.series], batch.texts)
            batch = replace(batch, value=value)
        return arrive(batch, self._routes.wanted, self.catalogue.device_of)

    def tick(self, now_ns: int) -> Findings:
        """What time alone brings: windows and alarms of devices that fell silent."""
        findings = Findings()
        with np.errstate(all="ignore"), using(self.texts):
            for line in self.lines:
                line.tick(now_ns, findings)
        return findings

    def acknowledge(self, rule: str, node: str, device: str, now_ns: int) -> Findings:
        """Somebody has seen a rule's alert: one that was latched may end."""
        findings = Findings()
        for judge in self.judges():
            keys = judge.stage.route.keys
            if judge.rule.name == rule and (node, device) in keys:
                judge.acknowledge(keys.index((node, device)), now_ns, findings)
        return findings

    def refused(self) -> list[Refused]:
        """Series that rules want in a unit that they can't be converted to, each told once."""
        found, self._routes.refused = self._routes.refused, []
        return found

    def snapshot(self) -> bytes:
        """Everything that a restarted engine needs to go on as if nothing had happened."""
        return checkpoints.write(self.lines, self.texts)

    def restore(self, data: bytes) -> bool:
        """Take over the state of stages and rules that are still the same; False, and nothing changed, if unusable."""
        try:
            found = checkpoints.read(data, self.lines)
        except SnapshotUnusable:
            return False
        self.texts.learn(found.texts)
        with using(self.texts):
            found.put()
        return True
