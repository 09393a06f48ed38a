"""A chart in the terminal: braille lines with a min/max band, gaps left open, and under it quality and sources.

Pure: an answer becomes lines; colours are ANSI sequences, or none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.cli.tables import moment, value
from holdfast.cli.words import lasting, many, plain
from holdfast.history.answers import Answer, Column, Value
from holdfast.model.quality import Quality, quality_of

MOST_SERIES = 12
_COLOURS = (36, 33, 35, 32, 34, 31)
_DIM, _RED, _YELLOW, _RESET = 90, 31, 33, "\x1b[0m"
# Dots of a braille character by (column, row), Unicode 2800.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
_LABEL = 10
_NS = 10**9
Paint = Callable[[str, int], str]


def drawn(answer: Answer, width: int, height: int, *, colours: bool) -> list[str]:
    """A panel a unit; all over the same time. width, height: of the terminal."""
    paint: Paint = (lambda text, code: f"\x1b[{code}m{text}{_RESET}") if colours else (lambda text, _: text)
    shown = [column for column in answer.series if column.kind != "text" and column.ts][:MOST_SERIES]
    inner = max(20, width - _LABEL - 3)
    units = list(dict.fromkeys(column.unit for column in shown))
    tall = min(16, max(5, (height - 8) // max(1, len(units)) - 2))
    lines: list[str] = []
    for unit in units:
        of_unit = [column for column in shown if column.unit == unit]
        lines += _panel(answer, of_unit, inner, tall, paint)
    if not shown:
        lines.append("No numbers in this time.")
    lines += _axis(answer, inner, paint)
    lines += _strips(answer, shown, inner, paint)
    left_out = len(answer.series) - len(shown)
    if left_out:
        lines.append(paint(f"not drawn: {left_out:,} series (texts, nothing stored, or too many)", _DIM))
    if answer.truncated:
        lines.append(paint("There is more than was read: ask for steps, or a shorter time.", _YELLOW))
    return lines


@dataclass
class _Canvas:
    """Dots, two a column and four a row; who drew last gives a character its colour."""

    width: int
    height: int
    dots: NDArray[np.uint8] = field(init=False)
    owner: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.dots = np.zeros((self.height, self.width), np.uint8)
        self.owner = np.full((self.height, self.width), -1, np.int64)

    def put(self, x: int, y: int, who: int) -> None:
        """X from the left, y from the top, in dots."""
        if 0 <= x < 2 * self.width and 0 <= y < 4 * self.height:
            self.dots[y // 4, x // 2] |= _DOTS[y % 4, x % 2]
            self.owner[y // 4, x // 2] = who

    def line(self, x0: int, y0: int, x1: int, y1: int, who: int) -> None:
        """Join two dots."""
        count = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(count + 1):
            self.put(round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count), who)

    def row(self, y: int, paint: Paint, colours: Sequence[int]) -> str:
        """One line of characters."""
        cells = [
            " " if not dots else paint(chr(0x2800 + int(dots)), colours[int(who)] if who >= 0 else _DIM)
            for dots, who in zip(self.dots[y], self.owner[y], strict=True)
        ]
        return "".join(cells)


def _panel(answer: Answer, columns: Sequence[Column], width: int, height: int, paint: Paint) -> list[str]:
    numbers = [_numbers(column) for column in columns]
    every = np.concatenate([part for _, mid, low, high in numbers for part in (mid, low, high)])
    every = every[np.isfinite(every)]
    bottom, top = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    if bottom == top:
        bottom, top = bottom - 1, top + 1
    canvas = _Canvas(width, height)
    for who, (ts, mid, low, high) in enumerate(numbers):
        _draw(canvas, answer, who, ts, (mid, low, high), (bottom, top))
    colours = [_COLOURS[i % len(_COLOURS)] for i in range(len(columns))]
    lines = []
    for column, colour in zip(columns, colours, strict=True):
        unit = f" [{plain(column.unit)}]" if column.unit else ""
        lines.append(f"{paint('━━', colour)} {plain(column.series)}{unit}  {paint(_about(column), _DIM)}")
    for y in range(height):
        share = 1 - (y + 0.5) / height
        label = value(float(f"{bottom + (top - bottom) * share:.5g}")) if y % 4 == 0 or y == height - 1 else ""
        lines.append(f"{label:>{_LABEL}} {paint('┤' if label else '│', _DIM)}{canvas.row(y, paint, colours).rstrip()}")
    return lines


def _draw(
    canvas: _Canvas,
    answer: Answer,
    who: int,
    ts: NDArray[np.int64],
    values: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    bounds: tuple[float, float],
) -> None:
    mid, low, high = values
    bottom, top = bounds
    x = np.clip(
        (ts - answer.from_ns) / (answer.to_ns - answer.from_ns) * (2 * canvas.width - 1), 0, 2 * canvas.width - 1
    )
    rows = 4 * canvas.height - 1
    place = [np.nan_to_num((top - part) / (top - bottom) * rows, nan=-1) for part in (mid, low, high)]
    gap = _usual_gap(ts, answer.step_ns)
    before: int | None = None
    for i in range(len(ts)):
        if not np.isfinite(mid[i]):
            continue
        here = (round(float(x[i])), round(float(place[0][i])))
        if np.isfinite(low[i]) and np.isfinite(high[i]) and high[i] > low[i]:
            for y in range(round(float(place[2][i])), round(float(place[1][i])) + 1, 2):
                canvas.put(here[0], y, who)
        if before is None or ts[i] - ts[before] > gap:
            canvas.put(*here, who)
        else:
            canvas.line(round(float(x[before])), round(float(place[0][before])), *here, who)
        before = i


def _usual_gap(ts: NDArray[np.int64], step_ns: int | None) -> float:
    """Readings further apart than four times the usual aren't joined: silence must not look like a straight line."""
    usual = 4 * float(np.median(np.diff(ts))) if len(ts) > 1 else 0.0
    return max(usual, 3.5 * (step_ns or 0))


def _numbers(
    column: Column,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Times, and what is drawn: the line, and the band's lower and upper edge (NaN = none)."""
    ts = np.array(column.ts, np.int64)
    chosen = next(
        c
        for c in (
            column.value,
            column.mean,
            column.last,
            column.p50,
            column.p95,
            column.max,
            column.min,
            column.count,
            column.bad,
        )
        if c is not None
    )
    nothing: list[Value] = [None] * len(ts)
    return ts, _floats(chosen), _floats(column.min or nothing), _floats(column.max or nothing)


def _floats(values: Sequence[Value]) -> NDArray[np.float64]:
    return np.array([np.nan if v is None else float(v) for v in values])


def _about(column: Column) -> str:
    _, mid, low, high = _numbers(column)
    known = mid[np.isfinite(mid)]
    if not len(known):
        return "nothing usable"
    lows, highs = (low, high) if np.isfinite(low).any() else (mid, mid)
    return f"min {value(float(np.nanmin(lows)))}  max {value(float(np.nanmax(highs)))}  last {value(float(known[-1]))}"


def _axis(answer: Answer, width: int, paint: Paint) -> list[str]:
    span = answer.to_ns - answer.from_ns
    left, right = (moment(ns // _NS * _NS)[: 16 if span > 3600 * _NS else 19] for ns in (answer.from_ns, answer.to_ns))
    step = "" if answer.step_ns is None else f"steps of {lasting(answer.step_ns / _NS)}"
    room = max(1, width - len(left) - len(right))
    return [f"{'':>{_LABEL}} {paint('└' + '─' * width, _DIM)}", f"{'':>{_LABEL}}  {left}{step:^{room}}{right} UTC"]


def _strips(answer: Answer, shown: Sequence[Column], width: int, paint: Paint) -> list[str]:
    """Where along the time axis readings are doubtful or gone, and what each part was taken from."""
    bad, unsure = np.zeros(width, np.bool_), np.zeros(width, np.bool_)
    for column in shown:
        ts = np.array(column.ts, np.int64)
        at = np.clip((ts - answer.from_ns) * width // max(1, answer.to_ns - answer.from_ns), 0, width - 1)
        qualities = [quality_of(code) for code in column.quality or ()]
        is_bad = np.array(column.bad or [q is Quality.BAD for q in qualities] or np.zeros(len(ts)), np.bool_)
        is_unsure = np.array(
            column.uncertain or [q is Quality.UNCERTAIN for q in qualities] or np.zeros(len(ts)), np.bool_
        )
        bad[at[is_bad]] = True
        unsure[at[is_unsure]] = True
    lines = []
    if bad.any() or unsure.any():
        marks = [paint("▪", _RED) if b else paint("▪", _YELLOW) if u else " " for b, u in zip(bad, unsure, strict=True)]
        lines.append(f"{'quality':>{_LABEL}}  {''.join(marks).rstrip()}  {paint('red: bad, yellow: uncertain', _DIM)}")
    for one in answer.sources:
        name = one.tier if not one.step else f"{one.tier} {lasting(one.step)}"
        bar = paint(_bar(answer, one.from_ns, one.to_ns, width), 32 if not one.step else 34)
        note = plain(one.note) or ("" if one.error is None else f", off by {one.error:.3g} rms")
        about = many(one.rows, "step" if one.step else "reading") + note
        lines.append(f"{name[:_LABEL]:>{_LABEL}}  {bar} {paint(about, _DIM)}")
    for gone in answer.missing:
        bar = paint(_bar(answer, gone.from_ns, gone.to_ns, width, "╳"), _RED)  # noqa: RUF001  # a cross, as meant
        lines.append(f"{'missing':>{_LABEL}}  {bar} {paint(f'{gone.rows:,} rows: {gone.reason}', _DIM)}")
    return lines


def _bar(answer: Answer, from_ns: int, to_ns: int, width: int, mark: str = "▬") -> str:
    span = max(1, answer.to_ns - answer.from_ns)
    first = min(max(0, (from_ns - answer.from_ns) * width // span), width - 1)
    last = max(first + 1, min(width, -(-(to_ns - answer.from_ns) * width // span)))
    return " " * first + mark * (last - first) + " " * (width - last)
