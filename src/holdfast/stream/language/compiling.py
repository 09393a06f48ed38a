"""One rule, from its parts to what the engine runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from sqlglot import exp

from holdfast.kernel.documents import Document, Problem
from holdfast.model.errors import UnitError
from holdfast.model.units import payload_unit
from holdfast.stream.language import parsing
from holdfast.stream.language.alarming import ONE, parse_alarm, shape_of
from holdfast.stream.language.detecting import QUIET_NS
from holdfast.stream.language.doing import Doer
from holdfast.stream.language.drafts import Draft, DraftWindow
from holdfast.stream.language.expressions import Compiler, Kind
from holdfast.stream.language.naming import Kinds, calls_in, learn_kinds
from holdfast.stream.language.parsing import canonical, text_of
from holdfast.stream.language.plans import Selected, compile_condition, compile_select, threshold
from holdfast.stream.language.quantities import Key, Quantities, settle
from holdfast.stream.language.settings import FIRST_KEYS, RulesFile, RuleText, StoredDocument
from holdfast.stream.language.staging import Messages, Source, Stage
from holdfast.stream.language.tables import TableUnusable, table_at
from holdfast.stream.language.templates import Template, parse_message
from holdfast.stream.plans import READINGS, Compute, StagePlan
from holdfast.stream.rules import CompiledRule
from holdfast.stream.windows.bounds import check_ordered_window
from holdfast.stream.windows.limits import check_window

_RULE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DEFAULTS = msgspec.to_builtins(RuleText())


@dataclass(slots=True)
class Below:
    """The rules compiled so far: what others may read. works: what each selects, as text."""

    rules: list[CompiledRule] = field(default_factory=list)
    works: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> list[CompiledRule]:
        """A rule's parts."""
        return [rule for rule in self.rules if rule.name == name]


def version_of(name: str, text: RuleText) -> str:
    """A hash of the rule's canonical text: spacing and the order of keys don't count."""
    plain = {k: v for k, v in msgspec.to_builtins(text).items() if k in FIRST_KEYS or v != _DEFAULTS[k]}
    squeezed = {k: " ".join(v.split()) if isinstance(v, str) else v for k, v in plain.items()}
    return blake2b(msgspec.json.encode((name, squeezed), order="deterministic"), digest_size=8).hexdigest()


def compile_rule(
    document: Document[RulesFile],
    name: str,
    text: RuleText,
    made: Draft,
    folder: Path,
    below: Below,
    problems: list[Problem],
) -> None:
    """Add the rule's parts, one per window, to `below`; what is wrong goes to `problems`."""
    before = len(problems)
    reader = _Reader(document, name, text, made, folder, below, problems)
    try:
        rules = reader.rules()
    except RecursionError:
        rules = []
        made.faults["select"].append("is nested too deeply; make it several columns")
    reader.tell_all()
    if len(problems) == before:
        below.rules += rules
        below.works[name] = reader.work


class _Reader:
    """Compiles one rule; its faults become problems with the line of the key they are about."""

    def __init__(
        self, document: Document[RulesFile], name: str, text: RuleText, made: Draft, folder: Path, below: Below,
        problems: list[Problem],
    ) -> None:  # fmt: skip
        self._document, self._name, self._text, self._draft = document, name, text, made
        self._folder, self._below, self._problems = folder, below, problems
        self._select = "detect" if text.detect else "sql" if text.sql else "select"
        self.work = ""

    def rules(self) -> list[CompiledRule]:
        made, text = self._draft, self._text
        if _RULE_NAME.fullmatch(self._name) is None or self._name == READINGS:
            self._tell((), [f"`{self._name}` is no rule name: lower-case letters, digits, - and _, at most 64"])
        source = self._source()
        if source is None:
            return []
        kinds, quantities = self._kinds(source), self._quantities(source)
        learn_kinds(made.trees(), kinds)
        settle(made.trees(), made.units, quantities, made.faults)
        alarm = parse_alarm(text, "when" in made.conditions or bool(text.when), made.faults)
        if made.watch is not None and text.clear_for == ONE:
            alarm = replace(alarm, clear_ns=QUIET_NS)
        parts = []
        for window in made.windows:
            stage = Stage(source, kinds, quantities, self._folder, made.by == "series" and source.columns is None)
            parts.append(self._part(stage, window, alarm, several=len(made.windows) > 1))
        return parts

    def tell_all(self) -> None:
        """Make problems of the faults found."""
        for key, faults in self._draft.faults.items():
            if key != "_circle":
                self._tell((key,), faults)

    def _source(self) -> Source | None:
        name, key = self._draft.source.name, "sql" if self._text.sql else "from"
        if name == READINGS:
            return Source()
        above = self._below.of(name)
        if not above:
            return None  # its own faults, or that it isn't there, are told
        if len(above) > 1:
            self._draft.faults[key].append(
                f"rule `{name}` has several windows; give the one to be read a rule of its own"
            )
            return None
        rule = above[0]
        if self._draft.by == "series" and rule.stage.by != "series":
            self._draft.faults["by" if key == "from" else key].append(
                f"rule `{name}` keeps no series apart, so none are left to be; say `by: series` there"
            )
        columns: dict[str, Kind] = {
            column: "text" if i in rule.texts else "truth" if i in rule.truths else "number"
            for i, column in enumerate(rule.names)
        }
        signature = blake2b(f"{rule.stage.signature}{self._below.works[name]}".encode(), digest_size=12).hexdigest()
        return Source(name, columns, signature)

    def _kinds(self, source: Source) -> Kinds:
        kinds = Kinds(tables={})
        if source.columns is not None:
            kinds.metrics = {column for column, kind in source.columns.items() if kind == "text"}
        found = dict[tuple[str, str], bool]()
        for tree in self._draft.trees():
            for arguments in calls_in(tree.node, "lookup"):
                texts = [text_of(one) for one in arguments[:2]]
                if len(texts) == 2 and texts[0] and texts[1]:
                    try:
                        found[texts[0], texts[1]] = table_at(self._folder, texts[0]).column(texts[1]).is_text
                    except TableUnusable:
                        continue  # told where it's compiled
        kinds.tables = found
        return kinds

    def _quantities(self, source: Source) -> Quantities:
        quantities = Quantities()
        if source.columns is None:
            return quantities
        quantities.fixed = frozenset[Key](("metric", column) for column in source.columns)
        (rule,) = self._below.of(source.name)
        for column, unit in zip(rule.names, rule.units, strict=True):
            if unit:
                try:
                    quantities.units["metric", column] = payload_unit(unit, None)
                except UnitError:
                    continue  # two units are spelled like this: it stays unknown
        return quantities

    def _part(self, stage: Stage, window: DraftWindow, alarm: Any, *, several: bool) -> CompiledRule:
        made, text = self._draft, self._text
        stage.take_names(made.trees())
        faults = made.faults[self._select]
        if not made.select and made.complete and not faults:
            faults.append(
                "is missing; write columns such as `avg(air.temperature) as avg_temp`"
                if not text.sql
                else "selects nothing but keys"
            )
        selected = compile_select(made.select, stage, window.text.spec, faults) if made.select else []
        where = self._where(stage)
        spec = window.text.spec
        if window.begin is not None:
            begin = stage.condition(window.begin.node, made.faults["window"])
            end = -1 if window.end is None else stage.condition(window.end.node, made.faults["window"])
            spec = replace(spec, begin=begin, end=end)
        names = [one.name for one in selected] if made.complete else None
        kinds = [one.kind for one in selected]
        known = list(zip(names, kinds, strict=True)) if names is not None else None
        plan = stage.plan(
            spec, made.by, made.source.where, where, "" if made.where is None else canonical(made.where.node)
        )
        place = "sql" if text.sql else "window"
        if not made.faults[place]:
            made.faults[place] += [*check_window(spec, plan.calls), *check_ordered_window(spec)]
        return self._finished(
            plan, selected, known, names, kinds, alarm, stage.quantities, spec.text if several else ""
        )

    def _where(self, stage: Stage) -> Compute | None:
        where = self._draft.where
        if where is None:
            return None
        before = len(self._draft.faults[where.place])
        made = Compiler(Messages(stage), self._draft.faults[where.place], self._folder).truth(where.node)
        return made if len(self._draft.faults[where.place]) == before else None

    def _finished(
        self, plan: StagePlan, selected: Sequence[Selected], known: list[tuple[str, Kind | None]] | None,
        names: list[str] | None,
        kinds: list[Kind | None], alarm: Any, quantities: Quantities, part: str,
    ) -> CompiledRule:  # fmt: skip
        made, text = self._draft, self._text
        units = tuple(quantities.of_column(tree.name) for tree in made.select)
        when, clear, then = self._conditions(known)
        doings = Doer(names, kinds, units, self._tell, by_series=made.by == "series").compiled(text.do, self._problem)
        if doings.stores and part:
            self._tell(("do",), ["several windows would store into one series; give each window a rule of its own"])
        when_text = " ".join((text.when or (_said(made, "when") if "when" in made.conditions else "")).split())
        trees = made.conditions
        self.work = repr([(tree.name, canonical(tree.node)) for tree in made.select])
        limit = (
            threshold(
                trees["when"].node,
                trees["clear_when"].node if "clear_when" in trees else None,
                names or [],
                {tree.name: canonical(tree.node) for tree in made.select},
            )
            if "when" in trees and alarm.kind == "condition" and made.watch is None
            else None
        )
        return CompiledRule(
            name=self._name, part=part, version=version_of(self._name, text), severity=text.severity,
            document=msgspec.json.encode(StoredDocument(self._name, str(self._folder.absolute()), text)),
            matches=made.source.matches, stage=plan, shape=self._shape(plan, alarm, part),
            names=tuple(names or ()), values=tuple(one.compute for one in selected),
            texts=frozenset(i for i, kind in enumerate(kinds) if kind == "text"),
            truths=frozenset(i for i, kind in enumerate(kinds) if kind == "truth"), units=units,
            when=when, clear=clear, then=then, when_text=when_text or _absence(text),
            clear_text=_clear_text(text, when_text), alarm=alarm, threshold=limit, message=self._message(names, kinds),
            actions=tuple(doings.actions), orders=tuple(doings.orders), notices=tuple(doings.notices),
            stores=tuple(doings.stores), budget=text.limits.cpu or 0.0, most_keys=text.limits.keys,
            most_samples=text.limits.samples, watch=made.watch,
        )  # fmt: skip

    def _conditions(
        self, known: list[tuple[str, Kind | None]] | None
    ) -> tuple[Compute | None, Compute | None, Compute | None]:
        found: dict[str, tuple[Compute, Compute]] = {}
        for key, tree in self._draft.conditions.items():
            if known is not None:
                made = compile_condition(tree.node, known, self._folder, self._draft.faults[tree.place])
                if made is not None:
                    found[key] = made
        when = found.get("when", (None, None))
        clear = found["clear_when"][0] if "clear_when" in found else when[1]
        then = found.get("then") or found.get("unless") or (None, None)
        if (
            "clear_when" in self._draft.conditions
            and "when" not in self._draft.conditions
            and not self._draft.faults["clear_when"]
        ):
            clear = None
        return when[0], clear, then[0]

    def _message(self, names: list[str] | None, kinds: Sequence[Kind | None]) -> Template | None:
        if not self._text.message:
            return None
        faults = self._draft.faults["message"]
        more = (("metric",) if self._draft.by == "series" else ()) + (("explanation",) if self._draft.watch else ())
        message = parse_message(self._text.message, None if names is None else (*names, *more), faults, more)
        texts = [name for name, kind in zip(names or [], kinds, strict=False) if kind == "text"]
        for _, name, spec in message.steps:
            if name in texts and spec:
                faults.append(f"`{{{name}:{spec}}}`: `{name}` is text; write `{{{name}}}`")
        return message

    def _shape(self, plan: StagePlan, alarm: Any, part: str) -> str:
        """What alarms depend on: limits, texts and what is done aren't among it."""
        conditions = [(key, _without_literals(tree.node)) for key, tree in sorted(self._draft.conditions.items())]
        facts = (plan.signature, self.work, part, shape_of(alarm), conditions)
        return blake2b(repr(facts).encode(), digest_size=12).hexdigest()

    def _problem(self, place: tuple[str | int, ...]) -> Problem:
        return self._document.problem(("rules", self._name, *place), "")

    def _tell(self, where: tuple[str | int, ...], faults: Sequence[str]) -> None:
        if not faults:
            return
        place = ("rules", self._name, *where)
        known = {(p.where, p.message) for p in self._problems}
        for fault in dict.fromkeys(faults):
            if (place, fault) not in known:
                self._problems.append(self._document.problem(place, fault))


def _said(made: Draft, key: str) -> str:
    return parsing.shown(made.conditions[key].node.this)


def _absence(text: RuleText) -> str:
    return f"no message for {text.absent}" if text.absent else ""


def _clear_text(text: RuleText, when_text: str) -> str:
    if text.absent:
        return "a message came"
    return " ".join((text.clear_when or (f"not ({when_text})" if when_text else "")).split())


def _without_literals(node: Any) -> str:
    def blank(one: Any) -> Any:
        return exp.Placeholder() if isinstance(one, exp.Literal) else one

    return canonical(node.copy().transform(blank))
