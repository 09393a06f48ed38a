"""Commands that rules send: what is refused when it's read, and what a decision makes of it."""

from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.event import Event
from holdfast.stream.loading import load_rules
from holdfast.stream.orders import Ordered
from holdfast.stream.rules import CompiledRule

FACTS = {"device": "press-1", "node": "gw", "rule": "r", "severity": "critical", "t": 80.5}


def rule(folder: Path, do: str) -> CompiledRule:
    path = folder / "rules.yaml"
    path.write_text(f"rules:\n  r:\n    select: air.temperature as t\n    when: t > 60\n    do: [{do}]\n")
    return load_rules([path])[0]


def event(kind: str, number: str = "e1") -> Event:
    return Event(
        id=number,
        ts=1,
        kind="alert.raised" if kind == "raised" else "alert.cleared",
        severity="critical",
        node="gw",
        device="press-1",
        rule="r",
        message="",
        why={},
    )


def test_a_command_is_made_of_the_event_and_named_after_it(tmp_path: Path) -> None:
    params = '{why: "{rule} at {t:.1f}", limit: "{t}", deep: [1, {who: "{device}"}], plain: stop}'
    (order,) = rule(tmp_path, f"{{command: {{device: '{{device}}', name: stop, params: {params}}}}}").orders
    made = order.made(event("raised"), 0, FACTS)
    wanted = {"why": "r at 80.5", "limit": 80.5, "deep": [1, {"who": "press-1"}], "plain": "stop"}
    assert made == Ordered(made.id if made else "", "press-1", "stop", wanted, None)
    assert order.made(event("raised"), 0, FACTS) == made
    others = [order.made(event("raised", "e2"), 0, FACTS), order.made(event("raised"), 1, FACTS)]
    assert len({one.id for one in (made, *others) if one is not None}) == 3
    assert order.made(event("cleared"), 0, FACTS) is None


def test_a_rule_may_command_when_its_alert_ends(tmp_path: Path) -> None:
    text = "{command: {device: fan, name: 'off', on: cleared, deadline: 5s}}"
    (order,) = rule(tmp_path, text).orders
    made = order.made(event("cleared"), 0, FACTS)
    assert made is not None
    assert (made.device, made.deadline_s) == ("fan", 5.0)


def test_a_rule_without_commands_keeps_its_version(tmp_path: Path) -> None:
    assert rule(tmp_path, "{publish: 'alerts/{device}/{rule}'}").version == "d20fd706161b1629"


@pytest.mark.parametrize(
    ("do", "says"),
    [
        ("{}", "an action is one of `publish`, `command`, `notify` and `escalate`"),
        ("{publish: a, command: {device: d, name: n}}", "an action is one of"),
        ("{command: {device: d, name: n}, on: raised}", "belong to a `publish`"),
        ("{command: {device: '', name: n}}", "is empty"),
        ("{command: {device: '{t}', name: n}}", "can't stand here"),
        ("{command: {device: d, name: 'not one'}}", "no command's name"),
        ("{command: {device: d, name: n, params: {a: '{x}'}}}", "`{x}` is unknown"),
        ("{command: {device: d, name: n, deadline: 0s}}", "above 0 s"),
        ("{command: {device: d, name: n, on: both}}", "on"),
        ("{command: {device: d}}", "name"),
    ],
)
def test_what_cannot_be_a_command_is_refused(tmp_path: Path, do: str, says: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"rules\.r\.do") as refused:
        rule(tmp_path, do)
    assert says in str(refused.value)
