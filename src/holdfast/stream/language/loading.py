"""Rule documents to compiled rules. Every problem of every file at once, or all rules."""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from holdfast.kernel import documents
from holdfast.kernel.documents import Document, Problem, SettingsInvalid
from holdfast.model.event import EventKind
from holdfast.stream.language.devices import parse_source
from holdfast.stream.language.orders import CompiledOrder, compile_order
from holdfast.stream.language.plans import Plan, plan_condition, plan_select
from holdfast.stream.language.settings import ActionText, RulesFile, RuleText
from holdfast.stream.language.templates import parse_message, parse_topic
from holdfast.stream.language.thresholds import with_threshold
from holdfast.stream.language.windowtext import parse_hold, parse_window
from holdfast.stream.plans import AlarmSpec
from holdfast.stream.rules import BUILTIN, PAYLOAD_FACTS, Action, CompiledRule

__all__ = ["BUILTIN", "compile_documents", "load_rules", "version_of"]

KINDS: Mapping[str, frozenset[EventKind]] = {
    "both": frozenset({"alert.raised", "alert.cleared"}),
    "raised": frozenset({"alert.raised"}),
    "cleared": frozenset({"alert.cleared"}),
}
STORED = "rules of the checkpoint"
_RULE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def load_rules(paths: Iterable[Path]) -> list[CompiledRule]:
    """The rules in these files, in order.

    Raises:
        SettingsInvalid: with every problem in every file: shape, SQL, windows, templates, names used twice.
    """
    problems: list[Problem] = []
    rules: dict[str, CompiledRule] = {}
    for path in paths:
        try:
            document = documents.load(path, RulesFile)
        except SettingsInvalid as error:
            problems.extend(error.problems)
            continue
        for name, text in document.value.rules.items():
            if name in rules:
                problems.append(document.problem(("rules", name), f"a rule named `{name}` stands in another file too"))
            rules[name] = with_threshold(_Reader(document, name, problems).rule(text), text.select, text.clear_when)
    if problems:
        raise SettingsInvalid(problems)
    return list(rules.values())


def compile_documents(texts: Sequence[bytes]) -> list[CompiledRule]:
    """The rules in these documents (`CompiledRule.document`), in order: what a checkpoint was made with.

    Raises:
        SettingsInvalid: when this release doesn't take one of them.
    """
    problems: list[Problem] = []
    rules = []
    for text in dict.fromkeys(texts):
        try:
            name, plain = msgspec.json.decode(text, type=tuple[str, RuleText])
        except msgspec.MsgspecError as error:
            problems.append(Problem(STORED, 1, (), str(error)))
            continue
        document = Document(Path(STORED), RulesFile({name: plain}))
        rules.append(_Reader(document, name, problems).rule(plain))
    if problems:
        raise SettingsInvalid(problems)
    return rules


def version_of(name: str, text: RuleText) -> str:
    """A hash of the rule's canonical text: spacing and the order of keys don't count."""
    plain = msgspec.to_builtins(text)
    squeezed = {k: " ".join(v.split()) if isinstance(v, str) else v for k, v in plain.items()}
    return blake2b(msgspec.json.encode((name, squeezed), order="deterministic"), digest_size=8).hexdigest()


class _Reader:
    """Compiles one rule; its faults become problems with the line of the key they are about."""

    def __init__(self, document: Document[RulesFile], name: str, problems: list[Problem]) -> None:
        self._document = document
        self._name = name
        self._problems = problems

    def rule(self, text: RuleText) -> CompiledRule:
        if _RULE_NAME.fullmatch(self._name) is None:
            self._tell((), [f"`{self._name}` is no rule name: lower-case letters, digits, - and _, at most 64"])
        plan, names = self._plan(text)
        faults: list[str] = []
        message = parse_message(text.message, names, faults) if text.message else None
        self._tell(("message",), faults)
        matches = parse_source(text.source, faults := [])
        self._tell(("from",), faults)
        window = parse_window(text.window, faults := [])
        self._tell(("window",), faults)
        hold = parse_hold(text.hold, faults := [])
        self._tell(("for",), faults)
        actions, orders = self._actions(text, names)
        return CompiledRule(
            name=self._name,
            version=version_of(self._name, text),
            severity=text.severity,
            matches=matches,
            stage=plan.stage(window),
            names=tuple(plan.names),
            values=tuple(plan.values),
            shape=version_of(self._name, text),
            document=msgspec.json.encode((self._name, text)),
            when=plan.when,
            clear=plan.clear,
            alarm=AlarmSpec(hold=hold),
            when_text=" ".join(text.when.split()),
            clear_text=" ".join((text.clear_when or f"not ({text.when})").split()),
            message=message,
            actions=actions,
            orders=orders,
        )

    def _actions(
        self, text: RuleText, names: tuple[str, ...] | None
    ) -> tuple[tuple[Action, ...], tuple[CompiledOrder, ...]]:
        actions, orders = list[Action](), list[CompiledOrder]()
        for i, one in enumerate(text.do):
            if (one.command is None) == (not one.publish):
                self._tell(("do", i), ["an action is one of `publish` and `command`"])
            elif one.command is None:
                actions.append(self._action(i, one, names))
            else:
                if one.on != "both" or one.payload:
                    self._tell(("do", i), ["`on` and `payload` beside `command` belong to a `publish`"])
                faults: list[str] = []
                orders.append(compile_order(one.command, names, faults))
                self._tell(("do", i, "command"), faults)
        return tuple(actions), tuple(orders)

    def _action(self, i: int, text: ActionText, names: tuple[str, ...] | None) -> Action:
        faults: list[str] = []
        topic = parse_topic(text.publish, faults)
        self._tell(("do", i, "publish"), faults)
        if names is not None:
            known = (*PAYLOAD_FACTS, *names)
            for member, fact in text.payload.items():
                unknown = [f"`{fact}` is unknown; allowed: {', '.join(known)}"] if fact not in known else []
                self._tell(("do", i, "payload", member), unknown)
        return Action(topic, KINDS[text.on], text.payload)

    def _plan(self, text: RuleText) -> tuple[Plan, tuple[str, ...] | None]:
        plan, faults = Plan(), list[str]()
        names = tuple(plan.names) if plan_select(text.select, plan, faults) else None
        self._tell(("select",), faults)
        when = plan_condition(text.when, names, faults := [])
        self._tell(("when",), faults)
        if when is not None:
            plan.when, plan.clear = when
        if text.clear_when is not None:
            clear = plan_condition(text.clear_when, names, faults := [])
            self._tell(("clear_when",), faults)
            if clear is not None:
                plan.clear = clear[0]
        return plan, names

    def _tell(self, where: tuple[str | int, ...], faults: list[str]) -> None:
        place = ("rules", self._name, *where)
        self._problems.extend(self._document.problem(place, fault) for fault in dict.fromkeys(faults))
