"""The rule engine: batches in, findings out. Pure: no clock, no socket, no disk.

Cost is per batch and stage, not per reading: one table lookup finds the rows that any rule reads and the stages they
touch; a stage that isn't touched costs nothing; the others work on whole columns.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue
from holdfast.stream import adoption, checkpoints
from holdfast.stream.adoption import Adoption
from holdfast.stream.costs import RuleCost, Stopwatch
from holdfast.stream.detecting import Label
from holdfast.stream.errors import SnapshotUnusable
from holdfast.stream.evidence import Decision
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.lines import Line
from holdfast.stream.plans import READINGS
from holdfast.stream.relays import Relay
from holdfast.stream.repair import Array, Moved, Repair
from holdfast.stream.routing import Refused, Routes
from holdfast.stream.rows import Arrived, arrive
from holdfast.stream.rules import CompiledRule
from holdfast.stream.texts import Texts, using

HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a rule may use where it doesn't say.

    cpu:       share of a core, 0 = any; keys: devices that it keeps apart, 0 = any number
    forget_ns: a device's windows and values are forgotten when it was silent for so long, 0 = never
    """

    cpu: float = 0.0
    keys: int = 0
    forget_ns: int = 0


class Engine:
    """Evaluates rules over the series of a catalogue.

    Call `evaluate` with every batch in order, `tick` about once a second, and `snapshot` whenever a checkpoint is due.
    After a start: `restore` the last checkpoint, then replay the steps that came after it (`steps`). Not thread-safe.
    """

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        catalogue: Catalogue,
        node: str,
        limits: Limits | None = None,
        watch: Stopwatch | None = None,
        *,
        by_site: bool = False,
    ) -> None:
        """Take the rules, those that others read from before these. limits: None = none.

        by_site: a key's time is that of the newest reading of its node, not the wall clock's
        """
        self.catalogue, self.node, self.texts, self.by_site = catalogue, node, Texts(), by_site
        self.on_refused: Callable[[list[Refused]], None] | None = None
        """Is told of series that rules can't have in the unit they want, once each."""
        self.limits, self.watch = limits or Limits(), watch or Stopwatch()
        self.rules: list[CompiledRule] = []
        self.lines: list[Line] = []
        self.swept = 0
        self._places: dict[int, Line] = {}
        self._throttled: set[str] = set()
        self._refused: dict[str, int] = {}
        self.routes = Routes(catalogue, frozenset())
        adoption.assemble(self, rules)

    def connect(self, routes: Routes, places: dict[int, Line]) -> None:
        """The lines are as they will be: lead readings to them, and results from one to another."""
        self.routes, self._places = routes, places
        self._order = {rule.name: i for i, rule in enumerate(self.rules)}
        judges = {judge.rule.name: (line, judge) for line in self.lines for judge in line.judges}
        for line in self.lines:
            line.relays = []
        for line in self.lines:
            if line.plan.source != READINGS:
                above, judge = judges[line.plan.source]
                above.relays.append((judge, Relay(judge, line.stage), line))
        for line in self.lines:
            line.seat()

    def places(self) -> dict[int, Line]:
        """The stages that read readings, by their place in `routes`."""
        return self._places

    def rule(self, name: str) -> CompiledRule | None:
        """A rule at work by its name; of several windows one."""
        place = self._order.get(name)
        return None if place is None else self.rules[place]

    def is_result(self, metric: str) -> bool:
        """Does a rule at work store this metric?"""
        return self.routes.is_made(metric)

    def judges(self) -> Iterator[Judge]:
        """All rules at work."""
        return (judge for line in self.lines for judge in line.judges)

    def adopt(self, rules: Sequence[CompiledRule], now_ns: int) -> Adoption:
        """Other rules from now on. What they leave alone keeps its windows, alarms and timers.

        A checkpoint must be stored with what is found: what was replayed from the former one wouldn't fit the rules.
        """
        return adoption.adopt(self, rules, now_ns)

    def evaluate(self, batch: Batch, now_ns: int = 0) -> Findings:
        """What comes of a batch, decisions in order of their deciding rows.

        now_ns: the wall clock when the batch came; 0: not known, as when the journal is read again
        """
        findings = Findings()
        with using(self.texts):
            if self.routes.refresh():
                self._tell_turned_away(findings)
                if self.routes.refused and self.on_refused is not None:
                    self.on_refused(self.refused())
        arrived = self.arrive(batch)
        if arrived is None:
            return findings
        self.watch.begin()
        with np.errstate(all="ignore"), using(self.texts):  # 0/0 is NaN here, and means unknown
            for i in self.routes.touched(arrived.series):
                self._places[i].feed(arrived, now_ns, findings)
        self.watch.end()
        if len(findings.decided) > 1:
            self._sort(findings)
        return findings

    def arrive(self, batch: Batch) -> Arrived | None:
        """The rows that any rule reads, texts as codes."""
        if batch.texts:
            value = self.texts.coded(batch.value, self.catalogue.is_text[batch.series], batch.texts)
            batch = replace(batch, value=value)
        return arrive(batch, self.routes.wanted, self.catalogue)

    def readers(self, series_id: int) -> list[str]:
        """The names of the rules that read a series."""
        if series_id >= len(self.routes.wanted) or not self.routes.wanted[series_id]:
            return []
        touched = self.routes.touched(np.array([series_id], np.int32))
        return sorted({judge.rule.name for i in touched for judge in self._places[i].judges})

    def tick(self, now_ns: int) -> Findings:
        """What time alone brings: windows and alarms of devices that fell silent."""
        findings = Findings()
        self.watch.begin()
        with np.errstate(all="ignore"), using(self.texts):
            for line in self.lines:
                line.tick(now_ns, findings)
        self.watch.end()
        if len(findings.decided) > 1:
            self._sort(findings)
        if self.limits.forget_ns and now_ns // HOUR_NS != self.swept:
            self._sweep(now_ns, findings)
        return findings

    def _sort(self, findings: Findings) -> None:
        """Decisions in order of their deciding rows, then of time, then of the rules, then of the series' names."""

        def place(decided: tuple[int, Decision]) -> tuple[int, int, int, str, str]:
            row, event = decided[0], decided[1].event
            metric = event.metric  # a message's series may be numbered differently after a restart
            return row, event.ts, self._order[event.rule], event.device if metric else "", metric

        findings.decided.sort(key=place)

    def _sweep(self, now_ns: int, to: Findings) -> None:
        """Forget keys that were silent for too long; not those whose alert is raised."""
        self.swept = now_ns // HOUR_NS
        for line in self.lines:
            silent = line.stage.silent(now_ns, self.limits.forget_ns)
            kept = [slot for judge in line.judges for slot in judge.raised()]
            gone = np.setdiff1d(silent, kept)
            if len(gone):
                to.moved = True
                line.stage.state.forget(gone)
                for judge in line.judges:
                    judge.forget(gone)

    def _tell_turned_away(self, to: Findings) -> None:
        for line in self.lines:
            refused, known = len(line.stage.route.turned_away), self._refused.get(line.plan.signature, 0)
            if refused > known:
                for name in {judge.rule.name for judge in line.judges}:
                    to.counts[f"rule_keys_refused.{name}"] += refused - known
            if refused != known:
                self._refused[line.plan.signature] = refused

    def watches(self, rule: str, place: tuple[str, str, str]) -> bool:
        """Whether a detector of this rule knows the series: node, device, metric."""
        return any(
            judge.thresholds is not None and judge.slot_of(*place) is not None
            for judge in self.judges()
            if judge.rule.name == rule
        )

    def label(self, rule: str, place: tuple[str, str, str], label: Label, instead: Label | None = None) -> bool:
        """Somebody said what a detector's alert was worth; False where no rule knows the series.

        place: node, device and metric as its events call them; instead: what was said of the same alert before
        """
        found = [judge.label(place, label, instead) for judge in self.judges() if judge.rule.name == rule]
        return any(found)

    def acknowledge(self, rule: str, node: str, device: str, now_ns: int, metric: str = "") -> Findings:
        """Somebody has seen a rule's alert: one that was latched may end."""
        findings = Findings()
        for judge in self.judges():
            if judge.rule.name == rule:
                judge.acknowledge(node, device, metric, now_ns, findings)
        return findings

    def clock_set(self, offset_ns: int, from_ns: int, to_ns: int) -> None:
        """The node's clock jumped by so much: for devices heard between these times by it, no time has passed."""
        for line in self.lines:
            line.stage.clocks.shift(offset_ns, from_ns, to_ns)

    def restamped(
        self, moved: Moved, is_moved: Callable[[Array], Array], batches: Iterable[Batch], now_ns: int
    ) -> Findings:
        """Rows were given the right times: what was made of the wrong ones is made again (`repair`).

        is_moved: by quality, which rows; batches: all rows stored while the clock was wrong, as they are now.
        A checkpoint must be stored with what is found.
        """
        self.routes.refresh()
        repair = Repair(self, moved, is_moved)
        repair.feed(batches)
        return repair.end(now_ns)

    def throttle(self, stage: str, *, on: bool) -> None:
        """Let a stage skip rows, or no longer. Unknown stages are ignored."""
        for line in self.lines:
            if line.plan.signature == stage:
                line.meter.is_throttled = on

    def wanting_change(self) -> list[tuple[Line, bool]]:
        """Stages over their budget, and throttled ones that may go on: (line, must it be throttled?)."""
        now = self.watch.now()
        return [
            (line, not line.meter.is_throttled)
            for line in self.lines
            if (line.meter.budget or line.meter.is_throttled) and line.meter.wants_change(now)
        ]

    def costs(self, rules: Collection[str] | None = None) -> list[RuleCost]:
        """What each rule costs. rules: only these; None: all."""
        now = self.watch.now()
        found = (line for line in self.lines if rules is None or any(one.rule.name in rules for one in line.judges))
        return [cost for line in found for cost in line.costs(now) if rules is None or cost.rule in rules]

    def refused(self) -> list[Refused]:
        """Series that rules want in a unit that they can't be converted to, each told once."""
        found, self.routes.refused = self.routes.refused, []
        return found

    def snapshot(self) -> bytes:
        """Everything that a restarted engine needs to go on as if nothing had happened."""
        return checkpoints.write(self.lines, self.texts, self.swept)

    def restore(self, data: bytes) -> bool:
        """Take over the state of stages and rules that are still the same; False, and nothing changed, if unusable."""
        try:
            found = checkpoints.read(data, self.lines)
        except SnapshotUnusable:
            return False
        self.texts.learn(found.texts)
        self.swept = found.swept
        for line in self.lines:
            line.meter.is_throttled = line.plan.signature in found.throttled
        with using(self.texts):
            found.put()
        return True
