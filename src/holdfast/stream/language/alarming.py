"""When a rule's alert is raised and cleared: `for`, `clear_for`, `cooldown`, `latch`, `absent`, `then`, `unless`."""

from collections.abc import Mapping

from holdfast.stream.language.settings import RuleText
from holdfast.stream.language.windowtext import Hold, parse_hold, parse_span
from holdfast.stream.plans import AlarmSpec

ONE = "1 sample"


def parse_alarm(text: RuleText, has_when: bool, faults: Mapping[str, list[str]]) -> AlarmSpec:  # noqa: FBT001 - of the rule
    """The alarm; what doesn't go together is told at the key that is too much."""
    is_sequence = bool(text.then or text.unless)
    _check(text, has_when, faults)
    hold = parse_hold(text.hold, faults["for"])
    clear = parse_hold(text.clear_for, faults["clear_for"])
    cooldown = parse_span(text.cooldown, faults["cooldown"]) if text.cooldown else 0
    if text.absent:
        silent = parse_span(text.absent, faults["absent"])
        return AlarmSpec("absence", hold_ns=silent, cooldown=cooldown, latch=text.latch)
    if is_sequence:
        within = parse_span(text.within, faults["within"]) if text.within else 0
        return _spec("sequence", hold, clear, cooldown, text, within)
    return _spec("condition", hold, clear, cooldown, text, 0)


def _spec(kind: str, hold: Hold, clear: Hold, cooldown: int, text: RuleText, within: int) -> AlarmSpec:
    return AlarmSpec(
        "sequence" if kind == "sequence" else "condition",
        hold.samples, hold.ns, clear.samples, clear.ns, cooldown, text.latch, within, not text.unless,
    )  # fmt: skip


def _check(text: RuleText, has_when: bool, faults: Mapping[str, list[str]]) -> None:  # noqa: FBT001 - of the rule
    if text.absent:
        _check_absence(text, has_when, faults)
        return
    sequence = "then" if text.then else "unless" if text.unless else ""
    if text.then and text.unless:
        faults["unless"].append("`then` and `unless` exclude each other; write two rules")
    if sequence and not has_when:
        faults[sequence].append("what it comes after stands in `when`")
    if sequence and not text.within:
        faults[sequence].append("within which time stands in `within`, as in `within: 30s`")
    if text.within and not sequence:
        faults["within"].append("`within` belongs to `then` or `unless`")
    said = {
        "for": text.hold != ONE, "clear_when": text.clear_when is not None, "clear_for": text.clear_for != ONE,
        "cooldown": bool(text.cooldown), "latch": text.latch, "message": bool(text.message),
    }  # fmt: skip
    for key in [] if has_when else [key for key, is_said in said.items() if is_said]:
        faults[key].append(f"`{key}` is about an alert; say in `when` what raises it")


def _check_absence(text: RuleText, has_when: bool, faults: Mapping[str, list[str]]) -> None:  # noqa: FBT001 - of the rule
    for key, is_said in (("when", has_when), ("then", bool(text.then)), ("unless", bool(text.unless))):
        if is_said:
            faults["absent"].append(f"`absent` stands instead of `{key}`; keep one of them")
    windows = [text.window] if isinstance(text.window, str) else list(text.window)
    if any(" ".join(w.split()) != "none" for w in windows):
        faults["absent"].append("silence is measured from message to message; take `window` out")
    said = {"for": text.hold != ONE, "clear_when": bool(text.clear_when), "clear_for": text.clear_for != ONE}
    for key in [key for key, is_said in said.items() if is_said]:
        faults[key].append(f"`{key}` has no meaning beside `absent`: the next message ends the alert")


def shape_of(spec: AlarmSpec) -> tuple[object, ...]:
    """What of an alarm its memory depends on: what it is, not how long or how often."""
    return (
        spec.kind, bool(spec.hold_ns), bool(spec.clear_ns), spec.hold > 1, spec.clear_hold > 1, bool(spec.cooldown),
        spec.latch, spec.expected,
    )  # fmt: skip
