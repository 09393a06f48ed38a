"""Putting rules to work, and others in their place: what the new ones leave alone goes on as if nothing had happened.

A stage whose signature is among the new ones stays, in place, with its windows. A rule's alarms stay while its name,
part and shape do; where its stage is another one now, they move there by key. All else starts empty, and the alerts of
rules that are gone, or that start anew, end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from holdfast.stream.costs import Meter
from holdfast.stream.detecting import PREFIX
from holdfast.stream.features.taps import Tap
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.lines import Line
from holdfast.stream.plans import READINGS
from holdfast.stream.routing import Key, Routes
from holdfast.stream.rules import CompiledRule
from holdfast.stream.stages import Stage
from holdfast.stream.windows.pool import MAX_SAMPLES

if TYPE_CHECKING:
    from holdfast.stream.engine import Engine

Fate = Literal["unchanged", "kept", "new window", "new alarm", "started empty", "new", "removed"]
WORDS: dict[Fate, str] = {
    "unchanged": "as before",
    "kept": "keeps its windows, alarms and timers",
    "new window": "keeps its alarms and timers; its windows start empty: what it reads, or its window, is different",
    "new alarm": "keeps its windows; its alarms start anew: its `for`, `clear_for`, `latch` or the like is different",
    "started empty": "starts empty: both what it reads and how it alarms are different",
    "new": "is new",
    "removed": "is gone",
}


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of a rule. ended: alerts that ended because of it."""

    rule: str
    part: str
    fate: Fate
    ended: int = 0


@dataclass(slots=True)
class Adoption:
    """What became of all rules, and what was found on the way."""

    rules: list[Adopted] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    @property
    def is_change(self) -> bool:
        """Is any rule different now?"""
        return any(one.fate != "unchanged" for one in self.rules)


def joined(one: Adoption, other: Adoption) -> Adoption:
    """What became of rules that are at work in two engines; a rule's fate in the one where more changed."""
    fates = {(each.rule, each.part): each for each in one.rules}
    for each in other.rules:
        mine = fates.get((each.rule, each.part))
        if mine is None:
            fates[each.rule, each.part] = each
        else:
            fate = each.fate if mine.fate == "unchanged" else mine.fate
            fates[each.rule, each.part] = Adopted(each.rule, each.part, fate, mine.ended + each.ended)
    return Adoption(list(fates.values()), one.findings)


def assemble(engine: "Engine", rules: Sequence[CompiledRule]) -> None:
    """Put the first rules to work."""
    _Change(engine, rules, 0).make()


def adopt(engine: "Engine", rules: Sequence[CompiledRule], now_ns: int) -> Adoption:
    """See `Engine.adopt`."""
    change = _Change(engine, rules, now_ns)
    change.end_alerts()
    change.make()
    return change.done


class _Change:
    """From one set of rules to another."""

    def __init__(self, engine: "Engine", rules: Sequence[CompiledRule], now_ns: int) -> None:
        self._engine, self._rules, self._now_ns = engine, rules, now_ns
        self._lines = {line.plan.signature: line for line in engine.lines}
        self._old = {judge.rule.key: judge for judge in engine.judges()}
        self._by_stage: dict[str, list[CompiledRule]] = {}
        for rule in rules:
            self._by_stage.setdefault(rule.stage.signature, []).append(rule)
        self.done = Adoption()

    def end_alerts(self) -> None:
        """Of rules that are gone or start anew, and of keys that a rule isn't about any more."""
        new = {rule.key: rule for rule in self._rules}
        for key, judge in self._old.items():
            rule = new.get(key)
            if rule is not None and judge.rule.version == rule.version:
                self.done.rules.append(Adopted(*key, "unchanged"))
            elif rule is None:
                ended = self._withdraw(judge, judge.raised(), "the rule was removed")
                self.done.rules.append(Adopted(*key, "removed", ended))
            elif not _keeps_alarms(judge, rule):
                ended = self._withdraw(judge, judge.raised(), "the rule was changed, and its alarms start anew")
                fate: Fate = "new alarm" if judge.stage.plan.signature == rule.stage.signature else "started empty"
                self.done.rules.append(Adopted(*key, fate, ended))
            else:
                raised = [] if judge.rule.matches is rule.matches else judge.raised()
                gone = [slot for slot in raised if not _is_about(rule, judge.stage.route.keys[slot])]
                ended = self._withdraw(judge, gone, "the rule isn't about this device any more")
                self.done.rules.append(Adopted(*key, _fate(judge, rule), ended))
        self.done.rules += [Adopted(*key, "new") for key in new.keys() - self._old.keys()]
        self.done.rules.sort(key=lambda one: (one.rule, one.part))

    def _withdraw(self, judge: Judge, slots: list[int], why: str) -> int:
        if slots:
            self.done.findings.decided += [(-1, one) for one in judge.abandon(self._now_ns, why, slots)]
            judge.forget(np.array(slots, np.intp))
        return len(slots)

    def make(self) -> None:
        """Build what is new, keep what isn't."""
        engine = self._engine
        made = frozenset(stored.metric for rule in self._rules for stored in rule.stores)
        routes, places = engine.routes, dict(engine.places())
        if made != routes.made:  # which series are read at all is different
            routes, places = Routes(engine.catalogue, made), {}
        place_of = {id(line): place for place, line in places.items()}
        gone = [p for p, line in places.items() if line.plan.signature not in self._by_stage]
        for place in gone:
            routes.remove(place)
            del places[place]
        engine.rules = list(self._rules)
        engine.lines = []
        for signature, rules in self._by_stage.items():
            line = self._line(signature, rules)
            engine.lines.append(line)
            if line.plan.source != READINGS:
                if line.is_changed:
                    line.stage.route.reset([rule.matches for rule in rules])
                continue
            former = place_of.get(id(line))
            if former is None or line.is_changed:
                if former is not None:
                    routes.remove(former)
                    del places[former]
                line.stage.route.reset([rule.matches for rule in rules])
                places[routes.add(line.stage.route)] = line
        engine.connect(routes, places)

    def _stage(self, rules: list[CompiledRule]) -> Stage:
        return Stage(rules[0].stage, [rule.matches for rule in rules], by_site=self._engine.by_site)

    def _line(self, signature: str, rules: list[CompiledRule]) -> Line:
        engine, old = self._engine, self._lines.get(signature)
        stage = self._stage(rules) if old is None else old.stage
        same = old is not None and [j.rule.version for j in old.judges] == [rule.version for rule in rules]
        if old is not None and same:
            for judge, rule in zip(old.judges, rules, strict=True):
                judge.rule = rule
            old.is_changed = False
            self._limit(old)
            return old
        most = max(rule.most_keys or engine.limits.keys for rule in rules)
        is_widened, stage.route.most_keys = stage.route.most_keys != most, most
        before, after = ({id(one) for one in some} for some in (stage.route.matches, [r.matches for r in rules]))
        if old is not None and not before <= after:
            self._forget_others(stage, rules)
        judges = [self._judge(rule, stage) for rule in rules]
        line = old or Line(rules[0].stage, stage, judges, engine.watch, engine.catalogue)
        line.judges, line.is_changed = judges, old is None or is_widened or before != after
        line.meter = Meter(line.meter.stage_ns, [], 0, line.meter.evaluations, line.meter.skipped,
                           is_throttled=line.meter.is_throttled)  # fmt: skip
        self._limit(line)
        return line

    def _limit(self, line: Line) -> None:
        line.stage.state.bound(max(judge.rule.most_samples or MAX_SAMPLES for judge in line.judges))
        default = self._engine.limits.cpu
        line.meter.budget = max(judge.rule.budget or default for judge in line.judges) if line.may_be_throttled else 0.0

    def _forget_others(self, stage: Stage, rules: list[CompiledRule]) -> None:
        """Keys that no rule of the stage is about any more: should one come back, it begins anew."""
        gone = [slot for slot, key in enumerate(stage.route.keys) if not any(_is_about(rule, key) for rule in rules)]
        if gone:
            stage.state.grow(len(stage.route.keys))
            stage.state.forget(np.array(gone, np.intp))

    def _judge(self, rule: CompiledRule, stage: Stage) -> Judge:
        engine, old = self._engine, self._old.get(rule.key)
        if old is not None and old.stage is stage and old.rule.version == rule.version:
            old.rule = rule
            return old
        make = Judge if rule.features is None else Tap
        judge = make(rule, stage, engine.node, engine.catalogue, engine.texts)
        if old is None or not (_keeps_alarms(old, rule) or _keeps_labels(old, judge)):
            return judge
        keys = old.stage.route.keys
        if old.rule.matches is rule.matches:
            kept = np.arange(len(keys))
        else:
            kept = np.array([slot for slot, key in enumerate(keys) if _is_about(rule, key)], np.intp)
        if len(kept):
            old.state.grow(len(keys))
            is_same = old.stage is stage
            mine = kept if is_same else np.array([stage.route.slot(keys[slot]) for slot in kept.tolist()], np.intp)
            judge.state.grow(len(stage.route.keys))
            if _keeps_alarms(old, rule):
                judge.state.inherit(old.state, kept, mine)
            else:
                judge.state.take(PREFIX, old.state, kept, mine)
        return judge


def _keeps_alarms(judge: Judge, rule: CompiledRule) -> bool:
    return judge.rule.shape == rule.shape and judge.rule.stage.by == rule.stage.by


def _keeps_labels(old: Judge, judge: Judge) -> bool:
    """What people said of alerts outlives every edit but that of the detector."""
    mine, theirs = judge.rule.watch, old.rule.watch
    return mine is not None and theirs is not None and mine.detector == theirs.detector


def _is_about(rule: CompiledRule, key: Key) -> bool:
    return rule.stage.by not in ("device", "series") or rule.matches(*key)


def _fate(judge: Judge, rule: CompiledRule) -> Fate:
    if judge.rule.version == rule.version:
        return "unchanged"
    return "kept" if judge.stage.plan.signature == rule.stage.signature else "new window"
