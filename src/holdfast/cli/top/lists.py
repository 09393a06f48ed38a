"""The views of devices, alerts and rules: a list, and below it what there is to say of the chosen line. Pure."""

from collections.abc import Callable, Sequence

from msgspec import json
from rich.text import Text

from holdfast.cli.top.look import Look
from holdfast.cli.top.paint import (
    BAD,
    DIM,
    GOOD,
    STATES,
    TONES,
    WARN,
    Column,
    facts,
    fit,
    grid,
    line,
    title,
    window,
    word,
)
from holdfast.cli.top.picking import alerts_shown, devices_shown, refused_share, rules_shown
from holdfast.cli.top.state import State, View
from holdfast.cli.words import lasting, size, when
from holdfast.kernel.clock import NS_PER_S
from holdfast.web.alerts import AlertRow
from holdfast.web.device_answers import DeviceRow
from holdfast.web.rule_answers import RuleRow

_SHOWN_BELOW = 6
_LEAST_FOR_BELOW = 14


def alert_grid(look: Look, state: State, width: int, height: int) -> list[Text]:
    """Open alerts as a table of `height` lines with its head, the chosen one among them."""
    shown = alerts_shown(look, state)
    columns = (
        Column("severity", 0, 10), Column("device", 1, 24), Column("rule", 2, 24), Column("for", 3, 12, right=True),
        Column("acknowledged", 6, 14), Column("node", 7, 14), Column("message", 4),
    )  # fmt: skip
    at = state.chosen(len(shown))
    seen = window(len(shown), at, height - 1)
    now = 0 if look.status is None else look.status.now_ns
    rows = [_alert(shown[i], now) for i in seen]
    return grid(columns, rows, width, at - seen.start)


def alerts(look: Look, state: State, width: int, height: int) -> list[Text]:
    """All open alerts, and why the chosen one is."""
    shown = alerts_shown(look, state)
    head = title("Open alerts", _counted(len(shown), sum(1 for one in look.alerts if one.state == "open"), state))
    if not shown:
        return [head, line(("none: all is calm" if not state.filter else "none that fits the filter", GOOD))]
    below = _alert_facts(shown[state.chosen(len(shown))], width)
    return _with_below(head, lambda left: alert_grid(look, state, width, left), below, height)


def _alert(one: AlertRow, now_ns: int) -> list[Text]:
    tone = TONES.get(one.severity, "")
    by = one.acknowledged_by or ""
    return [
        line((f"{one.severity}{' ✓' if by else ''}", DIM if by else tone)),
        word(" ".join(filter(None, (one.device, one.metric)))),
        word(one.rule),
        line(lasting(max(now_ns - one.raised_ns, 0) / NS_PER_S)),
        word(by, GOOD) if by else line(("-", DIM)),
        word(one.node, DIM),
        word(one.message.removeprefix(f"{one.device}: ")),
    ]


def _alert_facts(one: AlertRow, width: int) -> list[Text]:
    why = one.why
    values = why.get("values")
    text = json.encode(values).decode() if values else ""
    rows = [
        ("alert", line(f"{one.id}, since {when(one.raised_ns)}, at {one.node}")),
        ("says", word(one.message)),
        ("why", word(" ".join(filter(None, (str(why.get("condition", "")), text))) or "-")),
        ("version", word(str(why.get("rule_version", "-")))),
    ]
    if one.acknowledged_by:
        comment = f": {one.comment}" if one.comment else ""
        rows.append(("taken by", word(f"{one.acknowledged_by}, {when(one.acknowledged_ns)}{comment}")))
    return [fit(text, width) for text in facts(rows)]


def devices(look: Look, state: State, width: int, height: int) -> list[Text]:
    """All devices, and more of the chosen one."""
    shown = devices_shown(look, state)
    total = 0 if look.devices is None else look.devices.total
    head = title("Devices", f"{_counted(len(shown), total, state)}, by {state.sort}")
    if not shown:
        return [head, line(("none yet" if not state.filter else "none that fits the filter", DIM))]
    columns = (
        Column("device", 0, 28), Column("state", 1, 8), Column("status", 5, 9), Column("last", 2, 12, right=True),
        Column("per min", 3, 10, right=True), Column("messages", 7, 13, right=True),
        Column("refused 24 h", 4, 12, right=True), Column("held", 8, 7, right=True),
        Column("series", 9, 7, right=True), Column("node", 6, 16), Column("labels", 10, 30),
    )  # fmt: skip
    now, at = 0 if look.status is None else look.status.now_ns, state.chosen(len(shown))

    def table(left: int) -> list[Text]:
        seen = window(len(shown), at, left - 1)
        return grid(columns, [_device(shown[i], now) for i in seen], width, at - seen.start)

    return _with_below(head, table, [fit(text, width) for text in _device_facts(shown[at])], height)


def _device(one: DeviceRow, now_ns: int) -> list[Text]:
    share = refused_share(one)
    return [
        word(one.name),
        line((one.state or "-", STATES.get(one.state, ""))),
        line((one.status or "-", WARN if one.status == "new" else DIM if one.status == "retired" else "")),
        line(f"{lasting(max(now_ns - one.last_ns, 0) / NS_PER_S)}" if one.last_ns else "never"),
        line(f"{one.rate:,.1f}"),
        line(f"{one.messages:,}"),
        line((f"{share:.1%}", BAD if share > 0.1 else WARN if share > 0.01 else DIM)),
        line((f"{one.held:,}", WARN if one.held else DIM)),
        line(f"{one.series:,}"),
        word(one.node, DIM),
        word(" ".join(one.labels)),
    ]


def _device_facts(one: DeviceRow) -> list[Text]:
    interval = "not known yet" if one.interval_s is None else f"every {lasting(one.interval_s)}"
    skew = "not known" if one.skew_s is None else f"{one.skew_s:+.3g} s"
    names = f"{one.hardware or '-'}" + (f"; before: {', '.join(one.former)}" if one.former else "")
    heard = f"first {when(one.first_ns)}, last {when(one.last_ns)}" if one.first_ns else "never heard"
    held = f", {one.held:,} held until it's accepted" if one.held else ""
    over = "; over its budget of refused messages" if one.over_budget else ""
    return facts(
        [
            ("heard", line(f"{heard}, {interval}, clock {skew}")),
            ("sent", line(f"{one.messages:,} messages, {size(one.bytes)}: {one.readings:,} readings")),
            ("refused", line(f"{one.refused:,}, {one.repeats:,} repeats{held}", (over, BAD))),
            ("calls itself", word(names)),
            ("note", word(one.note or "-")),
        ]
    )


def rules(look: Look, state: State, width: int, height: int) -> list[Text]:
    """All rules by cost, and the text of the chosen one."""
    shown = rules_shown(look, state)
    total = 0 if look.rules is None else len(look.rules.rules)
    head = title("Rules", f"{_counted(len(shown), total, state)}, by cost")
    problems = [] if look.rules is None else [fit(word(one, BAD), width) for one in look.rules.problems[:2]]
    if not shown:
        return [head, *problems, line(("none" if not state.filter else "none that fits the filter", DIM))]
    columns = (
        Column("rule", 0, 32), Column("part", 8, 16), Column("state", 2, 10), Column("severity", 5, 8),
        Column("open", 1, 6, right=True), Column("µs a reading", 3, 12, right=True), Column("core", 4, 7, right=True),
        Column("state size", 7, 10, right=True), Column("devices", 6, 8, right=True),
        Column("decisions", 9, 11, right=True), Column("missed", 10, 9, right=True),
    )  # fmt: skip
    at = state.chosen(len(shown))

    def table(left: int) -> list[Text]:
        seen = window(len(shown), at, left - 1)
        return grid(columns, [_rule(shown[i]) for i in seen], width, at - seen.start)

    found = _with_below(head, table, _rule_facts(shown[at], width), height - len(problems))
    return [*problems, *found]


def _rule(one: RuleRow) -> list[Text]:
    return [
        word(one.rule),
        word(one.part, DIM),
        line((one.state, GOOD if one.state == "ok" else WARN)),
        line((one.severity or "-", TONES.get(one.severity, ""))),
        line((f"{len(one.open):,}", BAD if one.open else DIM)),
        line(f"{one.cpu_us_per_reading:,.1f}"),
        line(f"{one.cpu_share:.1%}"),
        line(size(one.state_bytes)),
        line(f"{one.keys:,}"),
        line(f"{one.decisions:,}"),
        line((f"{one.skipped:,}", WARN if one.skipped else DIM)),
    ]


def _rule_facts(one: RuleRow, width: int) -> list[Text]:
    found = json.decode(one.text)
    parts = [f"{k}: {v}" for k, v in found.items() if v and k in _SAID] if isinstance(found, dict) else []
    rows = [("text", word("; ".join(parts) or "-")), ("raised at", word(", ".join(one.open) or "nobody"))]
    rows.append(("version", word(f"{one.version}, of {one.on} readings, budget {one.budget:.0%} of a core")))
    return [fit(text, width) for text in facts(rows)]


_SAID = ("select", "from", "where", "window", "when", "for", "detect", "sql", "absent", "clear_when", "latch")


def _with_below(head: Text, table: Callable[[int], list[Text]], below: Sequence[Text], height: int) -> list[Text]:
    """The list, and under it the facts where there's room for both."""
    has_room = height >= _LEAST_FOR_BELOW
    under = list(below[:_SHOWN_BELOW]) if has_room else []
    left = height - 1 - (len(under) + 1 if under else 0)
    body = table(left)
    return [head, *body, *([Text()] * (left - len(body))), *([Text(), *under] if under else [])]


def _counted(shown: int, total: int, state: State) -> str:
    if state.filter:
        return f"{shown:,} of {total:,} with “{state.filter}”"
    return f"{shown:,}" if shown == total else f"the first {shown:,} of {total:,}"


def selected(look: Look, state: State) -> list[int]:
    """Numbers of the alerts as they're listed, for the key that acknowledges."""
    return [one.id for one in alerts_shown(look, state)] if state.view in (View.ALERTS, View.OVERVIEW) else []
