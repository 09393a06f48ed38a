"""A node's rules as files: read again when they change, put in force as a whole or not at all, and told of."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.intake.children import ChildRules, place
from holdfast.intake.service import IntakeService
from holdfast.journal.alert_labels import Labelled
from holdfast.journal.alerts import Alert
from holdfast.kernel.clock import Clock
from holdfast.kernel.documents import Problem, SettingsInvalid
from holdfast.node.happenings import RulesChanged, RulesRefused
from holdfast.stream.adoption import WORDS, joined
from holdfast.stream.costs import RuleCost
from holdfast.stream.engine import Engine
from holdfast.stream.judges import Judge
from holdfast.stream.language.notifying import CompiledNotice
from holdfast.stream.rules import CompiledRule
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.answers import RulesStatus
from holdfast.web.rule_answers import RuleFate, RuleList, RuleRow, RulesReloaded, SeriesLabels, as_raw

LOOK_S = 5.0
MOST_NAMED = 100
"""Rules with metrics of their own: those that cost most; the others are summed up as `other`."""
Stamp = tuple[int, int, int]
Check = Callable[[Sequence[CompiledRule]], Iterable[Problem]]


class RuleBook:
    """The rules at work, and their files. Loop thread only."""

    def __init__(
        self,
        files: Sequence[Path],
        engine: Engine,
        intake: IntakeService,
        clock: Clock,
        telemetry: Telemetry,
        children: ChildRules | None,
        check: Check,
    ) -> None:
        """files: those that node.yaml names; the rules in them are at work already; children: where a node has some.

        check: what is wrong with rules at this node, beyond what is wrong anywhere
        """
        self._files, self._engine, self._intake = list(files), engine, intake
        self._clock, self._telemetry, self._children = clock, telemetry, children
        self._check = check
        self._seen = self._stamps()
        self._loaded_ns = clock.wall_ns()
        self._one_at_a_time = asyncio.Lock()
        self.problems: list[str] = []
        self._engines = {"own": engine} | ({} if children is None else {"children": children.engine})
        telemetry.registry.register(_Costs(list(self._engines.values())))
        if children is not None:
            telemetry.gauge("child_rules_lag_rows", "Rows of children that the rules over them haven't seen yet.",
                            lambda: children.lag_rows)  # fmt: skip
        telemetry.gauge("rules", "Rules at work.", lambda: len(self._names()))
        telemetry.gauge(
            "rules_refused",
            "1 while the rules' files as they are can't be used, and the former rules stay in force.",
            lambda: bool(self.problems),
        )

    def notices(self, rule: str) -> Sequence[CompiledNotice]:
        """Whom a rule has told."""
        found = next((one for engine in self._engines.values() if (one := engine.rule(rule)) is not None), None)
        return () if found is None else found.notices

    def acknowledged(self, alert: Alert) -> None:
        """Somebody has seen an alert: one that was latched may end."""
        place = alert.rule, alert.node, alert.device, alert.metric
        self._intake.acknowledge(*place)
        if self._children is not None:
            self._children.acknowledge(*place)

    def label(self, one: Labelled) -> None:
        """Somebody said what a detector's alert was worth: the series' threshold moves."""
        if self._children is not None and self._children.engine.watches(one.raised.rule, one.place):
            self._children.label(one)
        else:
            self._intake.label(one)

    async def start(self) -> int:
        """Bring the rules over children's readings to where they were; returns the rows read again."""
        return 0 if self._children is None else await self._children.start()

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What is to run with the node, by name."""
        below = [] if self._children is None else [("rules of children", self._children.run())]
        return [("rules", self.run()), *below]

    async def run(self) -> None:
        """Look every few seconds whether a file changed, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Put the files in force if one changed since they were read."""
        if self._files and self._stamps() != self._seen:
            await self.reload()

    async def reload(self) -> RulesReloaded:
        """Read the files now; what can't be used changes nothing, and every problem of it is told."""
        async with self._one_at_a_time:
            self._seen = self._stamps()
            try:
                rules = await asyncio.to_thread(_load, self._files, self._check)
            except SettingsInvalid as invalid:
                problems = [str(one) for one in invalid.problems]
                if problems != self.problems:
                    self.problems = problems
                    self._telemetry.emit(RulesRefused(problems=len(problems), detail=str(invalid)))
                return RulesReloaded([], problems)
            self.problems = []
            await self._intake.free()
            return self._adopt(rules)

    def _adopt(self, rules: Sequence[CompiledRule]) -> RulesReloaded:
        placed = place(rules, self._engine.node, has_children=self._children is not None)
        done = self._intake.adopt(placed.here)
        if self._children is not None:
            done = joined(done, self._children.adopt(rules))
        if done.is_change:
            self._loaded_ns = self._clock.wall_ns()
            fates = Counter(one.fate for one in done.rules)
            changed = [f"{one.rule}: {WORDS[one.fate]}" for one in done.rules if one.fate != "unchanged"]
            self._telemetry.emit(
                RulesChanged(
                    unchanged=fates["unchanged"],
                    kept=fates["kept"],
                    new_window=fates["new window"],
                    new_alarm=fates["new alarm"],
                    emptied=fates["started empty"],
                    new=fates["new"],
                    removed=fates["removed"],
                    ended=sum(one.ended for one in done.rules),
                    detail="; ".join(changed[:20]),
                )
            )
        fate = [RuleFate(one.rule, one.part, one.fate, WORDS[one.fate], one.ended) for one in done.rules]
        return RulesReloaded(fate, [])

    def status(self) -> RulesStatus:
        """The rules at a glance."""
        engines = self._engines.values()
        lines = [line for engine in engines for line in engine.lines]
        throttled = {j.rule.name for line in lines if line.meter.is_throttled for j in line.judges}
        raised = sum(len(judge.raised()) for engine in engines for judge in engine.judges())
        return RulesStatus(len(self._names()), raised, sorted(throttled), self.problems)

    def _names(self) -> set[tuple[str, str]]:
        return {rule.key for engine in self._engines.values() for rule in engine.rules}

    def rows(self) -> RuleList:
        """Every rule with its state and cost."""
        rows = [row for on, engine in self._engines.items() for row in _rows(on, engine)]
        rows.sort(key=lambda row: (row.rule, row.part, row.on))
        return RuleList(rows, self.problems, self._loaded_ns)

    def _stamps(self) -> list[Stamp]:
        return [_stamp(file) for file in self._files]


def _rows(on: str, engine: Engine) -> list[RuleRow]:
    costs = {(cost.rule, cost.part): cost for cost in engine.costs()}
    rows = []
    for judge in engine.judges():
        rule, cost = judge.rule, costs[judge.rule.key]
        keys = judge.stage.route.keys
        rows.append(
            RuleRow(
                rule=rule.name,
                on=on,
                part=rule.part,
                version=rule.version,
                severity=rule.severity,
                state="throttled" if cost.is_throttled else "ok",
                open=["/".join(filter(None, keys[slot])) or "all" for slot in judge.raised()],
                cpu_us_per_reading=round(cost.ns_per_message / 1e3, 3),
                cpu_share=round(cost.share, 4),
                budget=cost.budget,
                state_bytes=cost.state_bytes,
                readings=cost.messages,
                evaluations=cost.evaluations,
                decisions=cost.decisions,
                skipped=cost.skipped,
                keys=cost.keys,
                keys_refused=cost.refused,
                text=as_raw(rule.document),
                labels=_labels(judge),
            )
        )
    return rows


def _labels(judge: Judge) -> list[SeriesLabels]:
    """The series of which people confirmed or rejected alerts."""
    thresholds, found = judge.thresholds, list[SeriesLabels]()
    if thresholds is None:
        return found
    for slot in thresholds.labelled():
        one = thresholds.at(slot)
        found.append(SeriesLabels(*judge.place(slot), judge.metric(slot), one.threshold, one.confirmed, one.rejected))
    return found


def _load(files: Sequence[Path], check: Check) -> list[CompiledRule]:
    if not files:
        return []
    from holdfast.stream.language.loading import load_rules  # noqa: PLC0415  # sqlglot: 8 MiB, for those with rules

    rules = load_rules(files)
    if problems := list(check(rules)):
        raise SettingsInvalid(problems)
    return rules


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ino, found.st_size


class _Costs(Collector):
    """What rules cost, when scraped: the dearest by name."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        """One family a fact."""
        by_key: dict[tuple[str, str], list[RuleCost]] = {}
        for cost in (cost for engine in self._engines for cost in engine.costs()):
            by_key.setdefault((cost.rule, cost.part), []).append(cost)
        costs = sorted(by_key.items(), key=lambda pair: sum(one.cpu_ns for one in pair[1]), reverse=True)
        named = [(list(key), of) for key, of in costs[:MOST_NAMED]]
        if len(costs) > MOST_NAMED:
            named.append((["other", ""], [one for _, of in costs[MOST_NAMED:] for one in of]))
        for name, words, of in _FACTS:
            kind = CounterMetricFamily if name in _COUNTED else GaugeMetricFamily
            family = kind(f"holdfast_rule_{name}", words, labels=["rule", "window"])
            for labels, some in named:
                family.add_metric(labels, sum(of(one) for one in some))
            yield family


_COUNTED = frozenset({"cpu_seconds", "evaluations", "decisions", "rows_skipped"})
_FACTS: tuple[tuple[str, str, Callable[[RuleCost], float]], ...] = (
    ("cpu_seconds", "CPU time that the rule used.", lambda one: one.cpu_ns / 1e9),
    ("cpu_ratio", "Share of one core that the rule took in the last 10 s.", lambda one: one.share),
    ("state_bytes", "Memory of the rule's windows and alarms.", lambda one: one.state_bytes),
    ("evaluations", "Windows and messages that the rule judged.", lambda one: one.evaluations),
    ("decisions", "Alerts that the rule raised and cleared.", lambda one: one.decisions),
    ("keys", "Devices or series that the rule keeps apart.", lambda one: one.keys),
    ("alerts_confirmed", "Alerts of the rule's detector that people confirmed.", lambda one: one.confirmed),
    ("alerts_rejected", "Alerts of the rule's detector that people rejected.", lambda one: one.rejected),
    ("rows_skipped", "Readings that the rule missed while it was throttled.", lambda one: one.skipped),
    ("throttled", "1 while the rule is over its budget and misses readings.", lambda one: int(one.is_throttled)),
)
