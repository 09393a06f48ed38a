"""A trace as lines of text: each step under what it's part of, with a bar where and how long it was. Pure."""

from collections.abc import Sequence

from holdfast.cli.tables import moment
from holdfast.cli.words import plain
from holdfast.reporting.questions import ordered
from holdfast.telemetry.spans import DEVICE, Span

_SKIPPED = {"kind", "series", "ts_ns", "quality", "what", "rules", "alerts", "decisions", "event", "rule", "severity"}
_EIGHTHS = " ▏▎▍▌▋▊▉█"
LEAST, MOST = 16, 60


def waterfall(spans: Sequence[Span], width: int) -> list[str]:
    """The lines, for a terminal of so many columns. Each node's times are by its own clock."""
    steps = _as_tree(ordered(spans))
    start, end = min(one.start_ns for one in spans), max(one.end_ns for one in spans)
    # what a device waited would hide all else: bars begin where the node comes in
    zero = min((one.start_ns for one in spans if one.parent and one.name != DEVICE), default=start)
    whole = max(1, end - zero)
    names = [("  " * depth) + one.name for depth, one in steps]
    node_w, name_w = max(len(one.node) for one in spans), max(map(len, names))
    bar_w = max(LEAST, min(MOST, width - node_w - name_w - 36))
    lines = [*_head(spans, start, max(1, end - start)), ""]
    for name, (_, one) in zip(names, steps, strict=True):
        began = max(one.start_ns, zero)
        bar = " " * bar_w if one.name == DEVICE else _bar((began - zero) / whole, (one.end_ns - began) / whole, bar_w)
        took = milliseconds(one.end_ns - one.start_ns)
        left = f"{one.node:<{node_w}}  {name:<{name_w}}  {took:>10}  {bar}"
        lines.append(f"{left}  {_said(one)}".rstrip())
    return lines


def milliseconds(ns: int) -> str:
    """How long."""
    if ns < 1_000_000:
        return f"{ns / 1e3:.0f} µs"
    return f"{ns / 1e6:,.1f} ms" if ns < 10_000_000_000 else f"{ns / 1e9:,.1f} s"


def _head(spans: Sequence[Span], start: int, whole: int) -> list[str]:
    root = next((one for one in spans if not one.parent), None)
    lines = [f"trace {spans[0].trace}"]
    if root is not None:
        facts = root.facts
        about = plain(str(facts.get("series", "")), 200)
        if root.name == "alert":
            lines.append(f"{facts.get('event', 'alert')} by rule {plain(str(facts.get('rule', '')))} on {about}")
        else:
            lines.append(f"{about} at {moment(int(facts.get('ts_ns') or 0))}, {facts.get('quality', '')}")
        rules = plain(str(facts.get("rules") or ""))
        if rules:
            lines.append(f"read by {rules}")
        lines += [f"came of {one}" for one in root.links]
    nodes = list(dict.fromkeys(one.node for one in spans))
    lines.append(f"from {moment(start)}, {milliseconds(whole)} in all, seen at {', '.join(nodes)}")
    return lines


def _as_tree(steps: Sequence[Span]) -> list[tuple[int, Span]]:
    """Each step with its depth, after the one that it's part of."""
    known = {one.id for one in steps}
    below: dict[str, list[Span]] = {}
    for one in steps:
        below.setdefault(one.parent if one.parent in known else "", []).append(one)
    found, seen = list[tuple[int, Span]](), set[int]()

    def walk(parent: str, depth: int) -> None:
        for one in below.get(parent, ()):
            if id(one) not in seen:
                seen.add(id(one))
                found.append((depth, one))
                walk(one.id, min(depth + 1, 8))

    walk("", 0)
    return found


def _bar(begin: float, length: float, width: int) -> str:
    """Eighths of a column; what is too short to be seen is a thin line where it was."""
    first = min(width - 1, int(begin * width))
    eighths = max(1, min(round(8 * length * width), 8 * (width - first)))
    filled = _EIGHTHS[8] * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return (" " * first + filled).ljust(width)


def _said(one: Span) -> str:
    facts = {name: value for name, value in one.facts.items() if name not in _SKIPPED and value not in ("", None)}
    if one.name == "decide":
        facts |= {name: value for name, value in one.facts.items() if name == "alerts" and value}
    return " ".join(f"{name}={plain(str(value), 60)}" for name, value in facts.items())
