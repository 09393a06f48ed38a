"""What is allowed in a rule and yet hardly meant. Says nothing that it isn't sure of."""

import re
from itertools import pairwise

import numpy as np

from holdfast.stream.describing import lasting
from holdfast.stream.plans import READINGS
from holdfast.stream.rules import CompiledRule
from holdfast.stream.watching import gives_results

_LITERAL = re.compile(r"(?<![\w.'])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def warnings(rule: CompiledRule, read_by: frozenset[str], period_ns: int = 0) -> list[str]:
    """Sentences, each with what to do.

    read_by: rules that others read; period_ns: how often devices send, 0 = unknown
    """
    found = [*_overlap(rule), *_nowhere(rule, read_by)]
    return found + (_too_short(rule, period_ns) if period_ns and rule.stage.source == READINGS else [])


def _nowhere(rule: CompiledRule, read_by: frozenset[str]) -> list[str]:
    told = any("result" in action.kinds for action in rule.actions)
    if not gives_results(rule) or told or rule.stores or rule.name in read_by:
        return []
    return ["its results go nowhere: add `when`, or `store` or `publish` with `on: result`, or a rule that reads it"]


def _overlap(rule: CompiledRule) -> list[str]:
    """`when` and `clear_when` that hold at once: the alert would be raised and cleared by turns."""
    if rule.when is None or rule.clear is None or rule.alarm.kind != "condition" or not rule.names:
        return []
    numbers = sorted({float(n) for n in _LITERAL.findall(f"{rule.when_text} {rule.clear_text}")})[:50]
    if rule.threshold is not None:
        numbers = sorted({rule.threshold.limit, rule.threshold.clear})
    if not numbers:
        return []
    points = np.array(sorted({v for a in numbers for v in (a - 1e-6, a, a + 1e-6)} | set(_between(numbers))))
    for i, name in enumerate(rule.names):
        columns = [points if j == i else np.full(len(points), np.nan) for j in range(len(rule.names))]
        with np.errstate(all="ignore"):
            both = np.broadcast_to(rule.when(columns), points.shape) & np.broadcast_to(
                rule.clear(columns), points.shape
            )
        if both.any():
            at = points[both][0]
            return [f"`when` and `clear_when` both hold at {name} = {at:g}: it would be raised and cleared by turns"]
    return []


def _between(numbers: list[float]) -> list[float]:
    ends = [numbers[0] - abs(numbers[0]) - 1, *numbers, numbers[-1] + abs(numbers[-1]) + 1]
    return [(a + b) / 2 for a, b in pairwise(ends)]


def _too_short(rule: CompiledRule, period: int) -> list[str]:
    window, alarm, found = rule.stage.window, rule.alarm, list[str]()
    every = f"devices that send every {lasting(period)}"
    wide = window.width or (window.behind + window.ahead)
    if window.kind in ("tumbling", "hopping", "sliding") and wide <= period:
        found.append(f"a window of {lasting(wide)} has one sample at most of {every}: make it longer")
    if window.kind == "session" and window.gap <= period:
        found.append(f"a gap of {lasting(window.gap)} ends a session after every message of {every}")
    if alarm.kind == "absence" and alarm.hold_ns < 2 * period:
        found.append(
            f"`absent: {lasting(alarm.hold_ns)}` is raised by one lost message of {every}: at least twice that"
        )
    elif alarm.kind == "condition" and 0 < alarm.hold_ns < period:
        found.append(f"`for` {lasting(alarm.hold_ns)} is over before the next message of {every}: one sample decides")
    if alarm.kind == "sequence" and alarm.within < period:
        found.append(f"`within` {lasting(alarm.within)} is over before the next message of {every}")
    if 0 < alarm.clear_ns < period:
        found.append(f"`clear_for` {lasting(alarm.clear_ns)} is over before the next message of {every}")
    samples = window.samples if window.kind in ("last", "count") else 1
    held = samples + alarm.hold - 1
    if window.kind == "last" and held * period > 86_400 * 10**9:
        found.append(f"{held} samples are {lasting(held * period)} of {every}: it can't be raised before")
    return found
