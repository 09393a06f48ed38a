"""A series, the score below it and the alarms in it, as SVG; numbers to a tenth of a dot."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_WIDE, _HIGH = 760, 250
_LEFT, _RIGHT = 48, 748
_TOP, _MIDDLE = 26, 158  # of the values
_UPPER, _LOWER = 178, 226  # of the score
_LINES = ("#1f5f99", "#2e8b57", "#8a5a00", "#7a3fa0")
_GREY, _RED, _INK = "#8a8f98", "#c62828", "#333a44"
_DAY_NS, _HOUR_NS = 86_400 * 10**9, 3_600 * 10**9
_GAP = 3.0  # usual distances: readings further apart aren't joined


def drawn(name: str, told: tuple[Array, Array, Array], fault: tuple[float, str], threshold: float) -> str:
    """The picture. told: times in ns, values as rows x columns, scores; fault: when it begins, and its name."""
    ts, values, scores = told
    x = _LEFT + (ts - ts[0]) / (ts[-1] - ts[0]) * (_RIGHT - _LEFT)
    begins = _LEFT + (fault[0] - ts[0]) / (ts[-1] - ts[0]) * (_RIGHT - _LEFT)
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 1.0
    low, high = low - room, high + room
    y = _MIDDLE - (values - low) / (high - low) * (_MIDDLE - _TOP)
    score_y = _LOWER - scores * (_LOWER - _UPPER)
    limit = _LOWER - threshold * (_LOWER - _UPPER)
    alarms = scores >= threshold
    size = f'viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" height="{_HIGH}"'
    fonts = 'font-family="system-ui, sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {fonts} role="img" aria-label="{name} on a {fault[1]}">',
        f'<rect width="{_WIDE}" height="{_HIGH}" fill="#ffffff"/>',
        _box(begins, _TOP, _RIGHT - begins, _LOWER - _TOP, "#eef0f3"),
        _text(begins + 4, 18, f"{fault[1]}", _INK),
        *_axis(ts, x, low, high),
        *(_line(x[part], y[part, c], _LINES[c % len(_LINES)]) for c in range(y.shape[1]) for part in _joined(ts)),
        *(_line(x[part], score_y[part], _INK, 1.0) for part in _joined(ts)),
        f'<path d="M{_LEFT} {limit:.1f}H{_RIGHT}" stroke="{_RED}" stroke-dasharray="5 4" stroke-width="0.8"/>',
        *(_dot(x[i], y[i, 0]) for i in _first_of_runs(alarms)),
        *(_stroke(x[i], score_y[i]) for i in np.flatnonzero(alarms)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axis(ts: Array, x: Array, low: float, high: float) -> list[str]:
    """Two values, the score's ends and the hours."""
    frame = f"M{_LEFT} {_TOP}V{_MIDDLE}H{_RIGHT}M{_LEFT} {_UPPER}V{_LOWER}H{_RIGHT}"
    parts = [f'<path d="{frame}" fill="none" stroke="{_GREY}" stroke-width="0.8"/>']
    for value in _round_values(low, high):
        at = _MIDDLE - (value - low) / (high - low) * (_MIDDLE - _TOP)
        parts += [_text(_LEFT - 6, at + 4, f"{value:g}", _GREY, "end"), _box(_LEFT - 3, at - 0.4, 3, 0.8, _GREY)]
    for share, word in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        parts.append(_text(_LEFT - 6, _LOWER - share * (_LOWER - _UPPER) + 4, word, _GREY, "end"))
    parts += [_text(_LEFT + 5, 18, "value", _GREY), _text(_LEFT + 5, _UPPER + 9, "score", _GREY)]
    first = -(-int(ts[0]) // (6 * _HOUR_NS)) * 6 * _HOUR_NS
    for at_ns in range(first, int(ts[-1]), 6 * _HOUR_NS):
        at = float(x[0] + (at_ns - ts[0]) / (ts[-1] - ts[0]) * (x[-1] - x[0]))
        if at > _RIGHT - 20:
            break
        parts += [_text(at, _LOWER + 16, f"{at_ns % _DAY_NS // _HOUR_NS:02d}:00", _GREY, "middle")]
        parts.append(_box(at - 0.4, _LOWER, 0.8, 3, _GREY))
    return parts


def _round_values(low: float, high: float) -> list[float]:
    """Three to six round numbers between."""
    step = 10.0 ** np.floor(np.log10((high - low) / 2))
    step *= next(s for s in (0.5, 1, 2, 5) if (high - low) / (s * step) <= 6)
    return [float(n * step) for n in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _joined(ts: Array) -> Sequence[Array]:
    apart = np.diff(ts)
    return np.split(np.arange(len(ts)), np.flatnonzero(apart > _GAP * np.median(apart)) + 1)


def _first_of_runs(alarms: Array) -> Array:
    return np.flatnonzero(alarms & ~np.concatenate([[False], alarms[:-1]]))


def _line(x: Array, y: Array, colour: str, thick: float = 1.2) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{thick}" stroke-linejoin="round"/>'


def _stroke(x: float, y: float) -> str:
    return f'<path d="M{x:.1f} {_LOWER}V{y:.1f}" stroke="{_RED}" stroke-width="1.6"/>'


def _dot(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="none" stroke="{_RED}" stroke-width="1.8"/>'


def _box(x: float, y: float, wide: float, high: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{colour}"/>'


def _text(x: float, y: float, words: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'
