"""What pictures over time share: a scale for times and values, curves of bins, colours."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from holdfast.cli.picture import Colour, Picture
from holdfast.stream.bins import Bins

WIDTH = 1_200
LEFT, RIGHT = 90, 96
INK, FAINT, GRID = (40, 44, 52), (120, 126, 136), (228, 231, 235)
LINES: tuple[Colour, ...] = ((31, 100, 180), (205, 120, 20), (40, 140, 80), (130, 80, 170))
RED, GREEN = (200, 40, 40), (40, 140, 80)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
            1209600, 2592000, 7776000)  # fmt: skip


def x_of(ns: float, from_ns: int, to_ns: int) -> float:
    """Where a time is, in dots."""
    return LEFT + (ns - from_ns) / (to_ns - from_ns) * (WIDTH - LEFT - RIGHT)


def curve(made: Picture, bins: Bins, slot: int, colour: Colour, y_of: Any) -> None:
    """Draw one key: last values as a line, lowest to highest behind it, gaps left open."""
    known = np.flatnonzero(np.isfinite(bins.last[slot]))
    if not len(known):
        return
    x = LEFT + (known + 0.5) / bins.count * (WIDTH - LEFT - RIGHT)
    spread = np.full(3 * len(known), np.nan)
    spread[0::3], spread[1::3] = y_of(bins.high[slot][known]), y_of(bins.low[slot][known])
    made.line(np.repeat(x, 3), spread, lighter(colour))
    usual = max(4 * float(np.median(np.diff(known))) if len(known) > 1 else 1.0, 3.0)
    y = y_of(bins.last[slot][known])
    gaps = np.flatnonzero(np.diff(known) > usual) + 1
    made.line(np.insert(x, gaps, np.nan), np.insert(y, gaps, np.nan), colour, 1.4)


def lighter(colour: Colour) -> Colour:
    """Half way to white."""
    r, g, b = (255 - (255 - part) // 2 for part in colour)
    return r, g, b


def nice(low: float, high: float) -> list[float]:
    """Round numbers of a scale, about seven."""
    raw = (high - low) / 7
    size = 10.0 ** np.floor(np.log10(raw))
    step = float(next(size * f for f in (1, 2, 5, 10) if size * f >= raw))
    first = float(np.ceil(low / step)) * step
    return [round(first + i * step, 12) for i in range(int((high - first) / step) + 1)]


def ticks(from_ns: int, to_ns: int) -> list[tuple[int, str]]:
    """Round times of a scale, ns UTC, and how they are written."""
    seconds = (to_ns - from_ns) / 1e9
    step = next((s for s in _STEPS_S if seconds / s <= 8), _STEPS_S[-1])
    style = "%m-%d" if step >= 86400 else "%m-%d %H:%M" if seconds > 86400 else "%H:%M" if step >= 60 else "%H:%M:%S"
    first = -(-from_ns // (step * 10**9)) * step
    moments = range(first, to_ns // 10**9 + 1, step)
    return [(s * 10**9, f"{_EPOCH + timedelta(seconds=s):{style}}") for s in moments]
