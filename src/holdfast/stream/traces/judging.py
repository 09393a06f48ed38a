"""What a run gave against what the trace expects: a verdict in the trace's own words, and the trace as it would be."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.stream.rules import CompiledRule
from holdfast.stream.traces.expecting import Got, matches, say
from holdfast.stream.traces.running import manners, run
from holdfast.stream.traces.script import Expected, Trace

MOST_SHOWN = 20
_IN = "  => "


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a trace went. differences: lines; updated: the trace with what came in place of what was expected."""

    trace: Trace
    events: int
    ways: int
    differences: list[str] = field(default_factory=list)
    updated: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all came as expected."""
        return not self.differences


def judge(trace: Trace, rules: Sequence[CompiledRule], splits: int, *, restarts: bool) -> Verdict:
    """Run a trace in every manner."""
    ways = manners(splits, restarts=restarts)
    got = run(trace, rules, ways[0])
    differences = _against_expected(trace, got)
    seen = _sorted(got)
    for way in ways[1:]:
        other = _sorted(run(trace, rules, way))
        if other != seen:
            differences += [f"{trace.path}: {way.name}, what comes is different:", *_against(trace, seen, other)]
            break
    return Verdict(trace, len(got), len(ways), differences, updated(trace, got))


def _sorted(got: Sequence[Got]) -> list[Got]:
    return [
        Got(0, one.kind, one.rule, one.node, one.device, one.ts, one.values)
        for one in sorted(got, key=lambda g: g.facts)
    ]


def _against(trace: Trace, seen: Sequence[Got], other: Sequence[Got]) -> list[str]:
    step = trace.steps[-1]
    ours, theirs = (Counter(say(one, step, trace.node) for one in side) for side in (seen, other))
    lines = [f"  - {_IN.strip()} {text}" for text in (ours - theirs).elements()]
    lines += [f"  + {_IN.strip()} {text}" for text in (theirs - ours).elements()]
    return _some(lines or ["  (values differ in their last bits)"])


def _against_expected(trace: Trace, got: Sequence[Got]) -> list[str]:
    lines = []
    for i, step in enumerate(trace.steps):
        mine = [one for one in got if one.step == i]
        missing, extra = _paired(step.expected, mine, trace.node)
        if missing or extra:
            lines += [f"{trace.path}:{step.line}: {step.text}"]
            lines += [f"  - => {one.text}" for one in missing]
            lines += [f"  + => {say(one, step, trace.node)}" for one in extra]
    return _some(lines)


def _paired(expected: Sequence[Expected], got: Sequence[Got], node: str) -> tuple[list[Expected], list[Got]]:
    """What didn't come, and what wasn't expected. The order among one rule's events of one device counts."""
    missing, extra = [], list(got)
    for one in expected:
        found = next((g for g in extra if matches(one, g, node)), None)
        if found is None:
            missing.append(one)
        else:
            extra.remove(found)
    return missing, extra


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - 4 * MOST_SHOWN
    return lines if more <= 0 else [*lines[: 4 * MOST_SHOWN], f"  … and {more:,} lines more"]


def updated(trace: Trace, got: Sequence[Got]) -> str:
    """The trace's text with what came in place of what was expected."""
    after: dict[int, list[str]] = {}
    for one in got:
        step = trace.steps[one.step]
        after.setdefault(step.line, []).append(_IN + say(one, step, trace.node))
    lines = []
    for number, line in enumerate(trace.lines, 1):
        if line.lstrip().startswith("=>") and not line.lstrip().startswith("=> nothing"):
            continue
        lines.append(line)
        lines += after.get(number, [])
    return "\n".join(lines) + "\n"
