"""Rule documents to compiled rules. Every problem of every file at once, or all rules."""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from holdfast.kernel import documents
from holdfast.kernel.documents import Document, Problem, SettingsInvalid
from holdfast.model.event import EventKind
from holdfast.stream.devices import parse_source
from holdfast.stream.notifying import CompiledNotice, compile_notice
from holdfast.stream.orders import CompiledOrder, compile_order
from holdfast.stream.plans import Plan, plan_condition, plan_select
from holdfast.stream.rules import PAYLOAD_FACTS, Action, CompiledRule
from holdfast.stream.settings import ActionText, RulesFile, RuleText
from holdfast.stream.templates import parse_message, parse_topic
from holdfast.stream.windows import parse_hold, parse_window

BUILTIN = Path(__file__).parent / "builtin"
"""Rule files that ship with Holdfast."""

KINDS: Mapping[str, frozenset[EventKind]] = {
    "both": frozenset({"alert.raised", "alert.cleared"}),
    "raised": frozenset({"alert.raised"}),
    "cleared": frozenset({"alert.cleared"}),
}
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
            rules[name] = _Reader(document, name, problems).rule(text)
    if problems:
        raise SettingsInvalid(problems)
    return list(rules.values())


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
        actions, orders, notices = self._actions(text, names)
        return CompiledRule(
            name=self._name,
            version=version_of(self._name, text),
            severity=text.severity,
            matches=matches,
            window=window,
            plan=plan,
            hold=hold,
            when_text=" ".join(text.when.split()),
            clear_text=" ".join((text.clear_when or f"not ({text.when})").split()),
            message=message,
            actions=actions,
            orders=orders,
            notices=notices,
        )

    def _actions(
        self, text: RuleText, names: tuple[str, ...] | None
    ) -> tuple[tuple[Action, ...], tuple[CompiledOrder, ...], tuple[CompiledNotice, ...]]:
        actions, orders, notices = list[Action](), list[CompiledOrder](), list[CompiledNotice]()
        for i, one in enumerate(text.do):
            if [one.command is not None, bool(one.publish), bool(one.notify), bool(one.escalate)].count(True) != 1:
                self._tell(("do", i), ["an action is one of `publish`, `command`, `notify` and `escalate`"])
            elif one.notify or one.escalate:
                place, faults = ("do", i, "notify" if one.notify else "escalate"), list[str]()
                problem = self._document.problem(("rules", self._name, *place), "")
                notices.append(compile_notice(one, names, problem, faults))
                self._tell(place, faults)
            elif one.command is None:
                actions.append(self._action(i, one, names))
            else:
                if one.on != "both" or one.payload:
                    self._tell(("do", i), ["`on` and `payload` beside `command` belong to a `publish`"])
                faults = []
                orders.append(compile_order(one.command, names, faults))
                self._tell(("do", i, "command"), faults)
        return tuple(actions), tuple(orders), tuple(notices)

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
