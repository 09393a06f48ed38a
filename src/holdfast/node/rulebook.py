"""A node's rules as files: read again when they change, put in force as a whole or not at all, and told of."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from holdfast.intake.children import ChildRules, place
from holdfast.intake.service import IntakeService
from holdfast.journal.alert_labels import Labelled
from holdfast.journal.alerts import Alert, fired
from holdfast.journal.journal import Journal
from holdfast.kernel.clock import Clock
from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.happenings import RulesChanged, RulesRefused
from holdfast.node.rule_editor import RuleEditor
from holdfast.node.rule_rows import Costs, engine_rows, off_row
from holdfast.node.rule_trials import RuleTrials
from holdfast.node.settings import NodePlan
from holdfast.node.shelf import Check, Edit, Shelf, read_shelf
from holdfast.storage.sqlite import Connection
from holdfast.stream.adoption import WORDS, joined
from holdfast.stream.engine import Engine
from holdfast.stream.language.notifying import CompiledNotice
from holdfast.stream.rules import CompiledRule
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.answers import RulesStatus
from holdfast.web.rule_answers import RuleFate, RuleList, RuleRow, RulesReloaded, as_raw

LOOK_S = 5.0
FIRED_S = 2.0
DAY_NS = 86_400 * 10**9
Look = Callable[[Callable[[Connection], dict[str, tuple[int, int]]]], dict[str, tuple[int, int]]]
Stamp = tuple[int, int, int]


class RuleBook:
    """The rules at work, and their files. Loop thread only."""

    def __init__(
        self,
        plan: NodePlan,
        journal: Journal,
        engine: Engine,
        intake: IntakeService,
        clock: Clock,
        telemetry: Telemetry,
        children: ChildRules | None,
        check: Check,
    ) -> None:
        """plan: its rules are at work already; children: where a node has some.

        check: what is wrong with rules at this node, beyond what is wrong anywhere
        """
        self._sources, self._engine, self._intake = plan.rule_sources, engine, intake
        self.clock, self.telemetry, self._children = clock, telemetry, children
        self.check = check
        self._seen = self._stamps()
        self.shelf, self._lines = plan.shelf, plan.lines
        self.editor = RuleEditor(self, self._sources)
        self.trials = RuleTrials(self, plan, journal.access)
        self._fired = _Fired(journal.look, clock)
        self._loaded_ns = clock.wall_ns()
        self.one_at_a_time = asyncio.Lock()
        self.problems: list[str] = []
        self._engines = {"own": engine} | ({} if children is None else {"children": children.engine})
        telemetry.registry.register(Costs(list(self._engines.values())))
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

    def text(self, rule: str) -> tuple[str, str]:
        """A rule's version and text (JSON) as it is now; empty where there is none."""
        found = next((one for engine in self._engines.values() if (one := engine.rule(rule)) is not None), None)
        return ("", "") if found is None else (found.version, bytes(as_raw(found.document)).decode())

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

    async def close(self) -> None:
        """Stop what is tried."""
        await self.trials.backtests.close()

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
        if self._stamps() != self._seen:
            await self.reload()

    async def reload(self) -> RulesReloaded:
        """Read the files now; what can't be used changes nothing, and every problem of it is told."""
        async with self.one_at_a_time:
            self._seen = self._stamps()
            try:
                shelf = await asyncio.to_thread(read_shelf, self._sources, self.check)
            except SettingsInvalid as invalid:
                problems = [str(one) for one in invalid.problems]
                if problems != self.problems:
                    self.problems = problems
                    self.telemetry.emit(RulesRefused(problems=len(problems), detail=str(invalid)))
                return RulesReloaded([], problems)
            self.problems = []
            await self._intake.free()
            return self._adopt(shelf)

    async def put_in_force(self, edit: Edit, write: Callable[[], None]) -> RulesReloaded:
        """An edit of files: tried with all others, kept, and at work. For who holds `one_at_a_time`.

        Raises:
            SettingsInvalid: with every problem, and nothing has changed.
            StorageUnusable: when it can't be kept; the rules at work go on.
        """
        shelf = await asyncio.to_thread(read_shelf, self._sources, self.check, edit)
        await asyncio.to_thread(write)
        self._seen = self._stamps()
        self.problems = []
        await self._intake.free()
        return self._adopt(shelf)

    def shares(self, rules: Iterable[str]) -> dict[str, float]:
        """By name the share of a core that each of these rules, or features, took in the last 10 s or so."""
        wanted, found = frozenset(rules), dict[str, float]()
        for engine in self._engines.values():
            for cost in engine.costs(wanted):
                found[cost.rule] = found.get(cost.rule, 0.0) + cost.share
        return found

    async def feed(self, lines: Sequence[CompiledRule]) -> None:
        """Other feature lines from now on; rules, and lines that stay, go on."""
        async with self.one_at_a_time:
            if list(lines) != list(self._lines):
                self._lines = tuple(lines)
                await self._intake.free()
                self._adopt(self.shelf)

    def _adopt(self, shelf: Shelf) -> RulesReloaded:
        rules, self.shelf = (*shelf.at_work, *self._lines), shelf
        placed = place(rules, self._engine.node, has_children=self._children is not None)
        done = self._intake.adopt(placed.here)
        if self._children is not None:
            done = joined(done, self._children.adopt(rules))
        if done.is_change:
            self._loaded_ns = self.clock.wall_ns()
            fates = Counter(one.fate for one in done.rules)
            changed = [f"{one.rule}: {WORDS[one.fate]}" for one in done.rules if one.fate != "unchanged"]
            self.telemetry.emit(
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
        off = list(dict.fromkeys(rule.name for rule in self.shelf.off))
        return RulesStatus(len(self._names()), raised, sorted(throttled), self.problems, off)

    def open_of(self, rule: str) -> int:
        """How many alerts of a rule are raised."""
        judges = (judge for engine in self._engines.values() for judge in engine.judges())
        return sum(len(judge.raised()) for judge in judges if judge.rule.name == rule)

    def _names(self) -> set[tuple[str, str]]:
        return {rule.key for engine in self._engines.values() for rule in engine.rules if rule.features is None}

    def rows(self) -> RuleList:
        """Every rule with its state and cost."""
        rows = [row for on, engine in self._engines.items() for row in engine_rows(on, engine)]
        rows += [off_row(rule) for rule in self.shelf.off]
        rows.sort(key=lambda row: (row.rule, row.part, row.on))
        rows = [self._placed(row) for row in rows]
        return RuleList(rows, self.problems, self._loaded_ns)

    async def listed(self) -> RuleList:
        """Likewise, with how often each has fired."""
        fired = await self._fired.latest()
        found = self.rows()
        rows = [
            replace(r, alerts_day=fired[r.rule][0], raised_ns=fired[r.rule][1]) for r in found.rules if r.rule in fired
        ]
        by_name = {(row.rule, row.part, row.on): row for row in rows}
        return replace(found, rules=[by_name.get((row.rule, row.part, row.on), row) for row in found.rules])

    def _placed(self, row: RuleRow) -> RuleRow:
        name, shelf = row.rule, self.shelf
        place, off = shelf.places.get(name), shelf.switched.get(name)
        if place is None:
            return row
        return replace(
            row,
            file=str(place.file),
            line=place.line,
            editable=place.file.parent == self._sources.page,
            enabled=off is None,
            off_by="" if off is None else off.by,
            off_ns=0 if off is None else off.at_ns,
            waits_for=shelf.waits_for(name),
            revision=self.editor.revision(name),
        )

    def stamp(self, file: Path) -> Stamp:
        """What a rule's file was when it was looked at last."""
        return self._seen.get(file, (0, 0, 0))

    def _stamps(self) -> dict[Path, Stamp]:
        return {file: _stamp(file) for file in self._sources.every()}


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ino, found.st_size


class _Fired:
    """How often rules fired, from the book of alerts; asked at most every few seconds."""

    def __init__(self, look: Look, clock: Clock) -> None:
        self._look, self._clock = look, clock
        self._at, self._known = -FIRED_S, dict[str, tuple[int, int]]()

    async def latest(self) -> dict[str, tuple[int, int]]:
        """By rule: alerts of the last 24 h, and when the latest of all was raised."""
        if self._clock.monotonic() - self._at >= FIRED_S:
            self._at = self._clock.monotonic()
            since = self._clock.wall_ns() - DAY_NS
            self._known = await asyncio.to_thread(self._look, lambda db: fired(db, since))
        return self._known
