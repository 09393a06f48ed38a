"""What rules would have done, as a picture or in the terminal: selected columns, limits, and alerts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.backtesting.recording import Panel
from holdfast.cli import axes
from holdfast.cli.picture import Colour, Picture, width_of
from holdfast.cli.plot import drawn
from holdfast.cli.words import plain
from holdfast.history.answers import Answer, Column
from holdfast.stream.bins import Bins
from holdfast.stream.limits import Limit, limits

PANEL, HEAD, FOOT = 240, 40, 34
_RED, _GREEN = axes.RED, axes.GREEN
_SEVERE: dict[str, Colour] = {"critical": (214, 39, 40), "warning": (240, 150, 30), "info": (90, 140, 220)}


def picture(panels: Sequence[Panel], from_ns: int, to_ns: int, title: str) -> bytes:
    """A PNG, a panel below the other."""
    made = Picture(axes.WIDTH, HEAD + PANEL * len(panels) + FOOT)
    made.text(axes.LEFT, 14, title[:100], axes.INK, 1.5)
    for i, panel in enumerate(panels):
        _paint(made, panel, HEAD + i * PANEL, (from_ns, to_ns))
    for ns, words in axes.ticks(from_ns, to_ns):
        x = axes.x_of(ns, from_ns, to_ns)
        made.line([x, x], [HEAD + PANEL * len(panels) - 12, HEAD + PANEL * len(panels) - 6], axes.FAINT)
        made.text(x - width_of(words, 1.2) / 2, HEAD + PANEL * len(panels), words, axes.FAINT, 1.2)
    return made.png()


def _paint(made: Picture, panel: Panel, top: float, span: tuple[int, int]) -> None:
    upper, lower, right = top + 30, top + PANEL - 12, axes.WIDTH - axes.RIGHT
    held = limits(panel.rule)
    low, high = _bounds(panel, [limit.value for limit in held])

    def y_of(value: Any) -> Any:
        return upper + (high - value) / (high - low) * (lower - upper)

    for value in axes.nice(low, high):
        y = float(y_of(value))
        made.line([axes.LEFT, right], [y, y], axes.GRID)
        words = f"{value:.6g}"
        made.text(axes.LEFT - 8 - width_of(words, 1.2), y - 4, words, axes.FAINT, 1.2)
    for alert in panel.alerts:
        colour = _SEVERE[alert.severity]
        ends = span[1] if alert.cleared is None else alert.cleared
        x0, x1 = (axes.x_of(min(max(ns, span[0]), span[1]), *span) for ns in (alert.raised, ends))
        made.area(x0, upper, x1, lower, colour, 0.22)
        made.area(x0, upper - 7, x1, upper - 2, colour)
    made.line([axes.LEFT, axes.LEFT, right], [upper, lower, lower], axes.FAINT)
    for i, bins in enumerate(panel.columns):
        if panel.slot < len(bins.low):
            axes.curve(made, bins, panel.slot, axes.LINES[i % len(axes.LINES)], y_of)
    _limits(made, held, y_of)
    _legend(made, panel, top + 6)


def _limits(made: Picture, held: Sequence[Limit], y_of: Any) -> None:
    """Dashed lines, their numbers beside them at the right; those that would overlap are moved apart."""
    below = -1e9
    for limit in sorted(held, key=lambda one: -one.value):
        y, colour = float(y_of(limit.value)), _GREEN if limit.clears else _RED
        made.dashed(axes.LEFT, axes.WIDTH - axes.RIGHT, y, colour)
        below = max(y - 4, below + 13)
        made.text(
            axes.WIDTH - axes.RIGHT + 6, below, f"{'ends ' if limit.clears else ''}{limit.value:g}"[:12], colour, 1.1
        )


def _legend(made: Picture, panel: Panel, y: float) -> None:
    x: float = axes.LEFT
    made.text(x, y, panel.title, axes.INK)
    x += width_of(panel.title) + 24
    for i, name in enumerate(panel.rule.names):
        colour = axes.LINES[i % len(axes.LINES)]
        made.line([x, x + 16], [y + 4, y + 4], colour, 2)
        made.text(x + 22, y, name, colour)
        x += 22 + width_of(name) + 18
    count = len(panel.alerts)
    words = f"{count} alert{'' if count == 1 else 's'}"
    made.text(axes.WIDTH - 16 - width_of(words), y, words, _RED if count else axes.FAINT)


def _bounds(panel: Panel, also: Sequence[float]) -> tuple[float, float]:
    values = [
        part[panel.slot] for bins in panel.columns if panel.slot < len(bins.low) for part in (bins.low, bins.high)
    ]
    every = np.concatenate([*values, np.array(also, np.float64)]) if values or also else np.array([0.0])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    room = 0.06 * (high - low) or max(1.0, abs(high) * 0.06)
    return low - room, high + room


def terminal(panels: Sequence[Panel], from_ns: int, to_ns: int, size: tuple[int, int], *, colours: bool) -> list[str]:
    """The same for a terminal of so many columns and lines."""
    lines: list[str] = []
    for panel in panels:
        columns = [
            _column(panel, i, bins, from_ns, to_ns)
            for i, bins in enumerate(panel.columns)
            if panel.slot < len(bins.low)
        ]
        for limit in limits(panel.rule):
            name = f"{'ends at' if limit.clears else 'limit'} {limit.value:g}"
            line: list[Any] = [limit.value, limit.value]
            columns.append(Column(name, "", "float", [from_ns, to_ns], mean=line))
        lines.append(f"{plain(panel.title)}: {len(panel.alerts)} alerts")
        lines += drawn(Answer(from_ns, to_ns, None, columns, False), size[0], 24, colours=colours)
        lines += [_strip(panel, from_ns, to_ns, max(20, size[0] - 13), colours=colours), ""]
    return lines


def _column(panel: Panel, i: int, bins: Bins, from_ns: int, to_ns: int) -> Column:
    known = np.flatnonzero(np.isfinite(bins.last[panel.slot]))
    ts = (from_ns + (2 * known + 1) * (to_ns - from_ns) // (2 * bins.count)).tolist()
    low, high, last = (part[panel.slot][known].tolist() for part in (bins.low, bins.high, bins.last))
    return Column(panel.rule.names[i], "", "float", ts, mean=last, min=low, max=high)


def _strip(panel: Panel, from_ns: int, to_ns: int, width: int, *, colours: bool) -> str:
    marks = [" "] * width
    for alert in panel.alerts:
        ends = to_ns if alert.cleared is None else alert.cleared
        first, last = ((ns - from_ns) * width // (to_ns - from_ns) for ns in (alert.raised, ends))
        for i in range(min(max(first, 0), width - 1), min(max(last, first), width - 1) + 1):
            marks[i] = "▬"
    bar = "".join(marks).rstrip()
    return f"{'alerts':>10}  " + (f"\x1b[31m{bar}\x1b[0m" if colours else bar)
