"""Which lines a view has, in which order, filter and sorting applied. Pure."""

from collections.abc import Iterable

from holdfast.cli.top.look import Look
from holdfast.cli.top.state import State, View
from holdfast.web.alerts import AlertRow
from holdfast.web.device_answers import DeviceRow
from holdfast.web.rule_answers import RuleRow

_WEIGHT = {"critical": 0, "major": 1, "error": 1, "warning": 2, "minor": 3, "info": 4}
_TROUBLE = {"silent": 0, "late": 1, "unknown": 3, "online": 4, "never": 5, "": 6}


def alerts_shown(look: Look, state: State) -> list[AlertRow]:
    """Open alerts: those nobody deals with first, the severest before the others, the newest of them first."""
    found = [one for one in look.alerts if one.state == "open" and _has(state, _about(one))]
    return sorted(found, key=lambda one: (one.acknowledged_ns > 0, _WEIGHT.get(one.severity, 5), -one.raised_ns))


def devices_shown(look: Look, state: State) -> list[DeviceRow]:
    """Devices by what the viewer sorts by."""
    listed = () if look.devices is None else look.devices.devices
    found = [one for one in listed if _has(state, (one.name, one.node, one.state, one.status, *one.labels))]
    return sorted(found, key=lambda one: sort_key(one, state.sort))


def rules_shown(look: Look, state: State) -> list[RuleRow]:
    """Rules, those that cost most first."""
    listed = () if look.rules is None else look.rules.rules
    found = [one for one in listed if _has(state, (one.rule, one.part, one.severity, one.state))]
    return sorted(found, key=lambda one: (-one.cpu_share, -one.cpu_us_per_reading, one.rule, one.part))


def lines_of(look: Look, state: State) -> int:
    """How many lines the viewer can move over."""
    match state.view:
        case View.DEVICES:
            return len(devices_shown(look, state))
        case View.RULES:
            return len(rules_shown(look, state))
        case View.ALERTS | View.OVERVIEW:
            return len(alerts_shown(look, state))
    return 0


def sort_key(one: DeviceRow, by: str) -> tuple[float, float, str, str]:
    """As `sorted` takes it."""
    if by == "rate":
        return (-one.rate, 0.0, one.node, one.name)
    if by == "trouble":
        return (_TROUBLE.get(one.state, 6), -refused_share(one), one.node, one.name)
    return (0.0, 0.0, one.name, one.node)


def refused_share(one: DeviceRow) -> float:
    """Of a device's messages of the last day, how many were refused: 0 to 1."""
    return one.day_refused / one.day_judged if one.day_judged else 0.0


def _about(one: AlertRow) -> tuple[str, ...]:
    return one.device, one.rule, one.severity, one.node, one.message, one.acknowledged_by


def _has(state: State, texts: Iterable[str]) -> bool:
    wanted = state.filter.lower().split()
    if not wanted:
        return True
    text = "\n".join(texts).lower()
    return all(one in text for one in wanted)
