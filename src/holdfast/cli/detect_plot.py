"""A detector's scores as a picture or in the terminal: the values, when something was wrong, the score, the alarms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.cli import axes
from holdfast.cli.picture import Picture, width_of
from holdfast.cli.plot import drawn
from holdfast.cli.words import plain
from holdfast.history.answers import Answer, Column
from holdfast.stream.bins import Bins
from holdfast.stream.detectors.trials import Run, Subject, alarms

MOST_PANELS, MOST_CURVES = 6, 4
BINS = 1_000
HEAD, PANEL, SCORE, FOOT = 40, 190, 76, 34
_LABEL, _RIGHT, _WRONG = (90, 170, 110), (30, 130, 70), (214, 39, 40)


@dataclass(frozen=True, slots=True)
class Panel:
    """One subject. marks: rows at which alarms begin, and whether they are right (None: nobody knows)."""

    subject: Subject
    score: np.ndarray
    threshold: float
    marks: Sequence[tuple[int, bool | None]]


def panels(subjects: Sequence[Subject], run: Run, threshold: float) -> list[Panel]:
    """Those with labels or most alarms first."""
    found = []
    for subject, scores in zip(subjects, run.scores, strict=True):
        begun = [first for first, _ in alarms(subject.ts, scores.score, threshold)]
        marks = [(first, subject.is_right(first)) for first in begun]
        found.append(Panel(subject, scores.score, threshold, marks))
    found.sort(key=lambda panel: (-len(panel.subject.windows), -len(panel.marks)))
    return found[:MOST_PANELS]


def picture(found: Sequence[Panel], span: tuple[int, int], title: str) -> bytes:
    """A PNG, two strips a panel: values, and the score below them."""
    tall = PANEL + SCORE
    made = Picture(axes.WIDTH, HEAD + tall * len(found) + FOOT)
    made.text(axes.LEFT, 14, title[:100], axes.INK, 1.5)
    for i, panel in enumerate(found):
        _values(made, panel, HEAD + i * tall, span)
        _score(made, panel, HEAD + i * tall + PANEL, span)
    foot = HEAD + tall * len(found)
    for ns, words in axes.ticks(*span):
        x = axes.x_of(ns, *span)
        made.line([x, x], [foot - 12, foot - 6], axes.FAINT)
        made.text(x - width_of(words, 1.2) / 2, foot, words, axes.FAINT, 1.2)
    return made.png()


def _values(made: Picture, panel: Panel, top: float, span: tuple[int, int]) -> None:
    upper, lower, right = top + 30, top + PANEL - 10, axes.WIDTH - axes.RIGHT
    columns = _scaled(panel.subject)
    every = np.concatenate(columns)
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    room = 0.06 * (high - low) or max(1.0, abs(high) * 0.06)
    low, high = low - room, high + room
    _frame(made, (upper, lower), (low, high), axes.nice(low, high))
    for start, end in panel.subject.windows:
        x0, x1 = (axes.x_of(min(max(ns, span[0]), span[1]), *span) for ns in (start, end))
        made.area(x0, upper, x1, lower, _LABEL, 0.25)
    for i, column in enumerate(columns):
        bins = Bins(*span, BINS)
        bins.add(np.zeros(len(column), np.int64), panel.subject.ts, column)
        if len(bins.low):
            axes.curve(made, bins, 0, axes.LINES[i], lambda v: upper + (high - v) / (high - low) * (lower - upper))
    for row, is_right in panel.marks:
        x = axes.x_of(int(panel.subject.ts[row]), *span)
        made.area(x - 1, upper, x + 1, lower, _RIGHT if is_right else _WRONG, 0.55)
        made.area(x - 4, upper - 7, x + 4, upper - 1, _RIGHT if is_right else _WRONG)
    _legend(made, panel, top + 6, right)


def _scaled(subject: Subject) -> list[np.ndarray]:
    """The columns; of several each from its own mean, in its own deviations."""
    if subject.values.ndim == 1:
        return [subject.values]
    columns = [subject.values[:, i] for i in range(min(subject.values.shape[1], MOST_CURVES))]
    return [(c - np.nanmean(c)) / (np.nanstd(c) or 1.0) for c in columns]


def _frame(made: Picture, edges: tuple[float, float], span: tuple[float, float], marks: Sequence[float]) -> None:
    (upper, lower), (low, high) = edges, span
    for value in marks:
        y = upper + (high - value) / (high - low) * (lower - upper)
        made.line([axes.LEFT, axes.WIDTH - axes.RIGHT], [y, y], axes.GRID)
        words = f"{value:.6g}"
        made.text(axes.LEFT - 8 - width_of(words, 1.2), y - 4, words, axes.FAINT, 1.2)
    made.line([axes.LEFT, axes.LEFT, axes.WIDTH - axes.RIGHT], [upper, lower, lower], axes.FAINT)


def _legend(made: Picture, panel: Panel, y: float, right: float) -> None:
    subject = panel.subject
    made.text(axes.LEFT, y, subject.name, axes.INK)
    x = axes.LEFT + width_of(subject.name) + 24
    if len(subject.columns) > 1:
        for i, name in enumerate(subject.columns[:MOST_CURVES]):
            made.line([x, x + 16], [y + 4, y + 4], axes.LINES[i], 2)
            made.text(x + 22, y, name, axes.LINES[i])
            x += 22 + width_of(name) + 18
    words = f"{len(panel.marks)} alarm{'' if len(panel.marks) == 1 else 's'}"
    if subject.windows:
        right_ones = sum(is_right is True for _, is_right in panel.marks)
        words += f", {right_ones} in {len(subject.windows)} label{'' if len(subject.windows) == 1 else 's'}"
    made.text(right - width_of(words), y, words, axes.RED if panel.marks else axes.FAINT)


def _score(made: Picture, panel: Panel, top: float, span: tuple[int, int]) -> None:
    upper, lower = top + 2, top + SCORE - 18
    _frame(made, (upper, lower), (0.0, 1.0), (0.0, 0.5, 1.0))
    bins = Bins(*span, BINS)
    bins.add(np.zeros(len(panel.score), np.int64), panel.subject.ts, panel.score)
    if len(bins.high):
        known = np.flatnonzero(np.isfinite(bins.high[0]))
        x = axes.LEFT + (known + 0.5) / BINS * (axes.WIDTH - axes.LEFT - axes.RIGHT)
        made.line(x, upper + (1 - bins.high[0][known]) * (lower - upper), axes.LINES[0], 1.2)
    y = upper + (1 - panel.threshold) * (lower - upper)
    made.dashed(axes.LEFT, axes.WIDTH - axes.RIGHT, y, axes.RED)
    made.text(axes.WIDTH - axes.RIGHT + 6, y - 4, f"score {panel.threshold:g}", axes.RED, 1.1)


def terminal(found: Sequence[Panel], span: tuple[int, int], size: tuple[int, int], *, colours: bool) -> list[str]:
    """The same for a terminal of so many columns and lines."""
    said: list[str] = []
    for panel in found:
        columns = [
            _column(name, panel.subject.ts, column, span)
            for name, column in zip(panel.subject.columns, _scaled(panel.subject), strict=False)
        ]
        score = _column("score", panel.subject.ts, panel.score, span)
        said.append(f"{plain(panel.subject.name)}: {len(panel.marks)} alarms")
        for part in (columns, [score]):
            answer = Answer(span[0], span[1], None, part, False)
            said += drawn(answer, size[0], 18 if part is columns else 12, colours=colours)
        width = max(20, size[0] - 13)
        bar = [" "] * width
        for row, _ in panel.marks:
            place = (int(panel.subject.ts[row]) - span[0]) * width // (span[1] - span[0])
            bar[min(max(place, 0), width - 1)] = "▲"
        said += [f"{'alarms':>10}  {''.join(bar).rstrip()}", ""]
    return said


def _column(name: str, ts: np.ndarray, values: np.ndarray, span: tuple[int, int]) -> Column:
    bins = Bins(*span, BINS)
    bins.add(np.zeros(len(values), np.int64), ts, values)
    known = np.flatnonzero(np.isfinite(bins.last[0])) if len(bins.last) else np.zeros(0, np.int64)
    middle = (span[0] + (2 * known + 1) * (span[1] - span[0]) // (2 * BINS)).tolist()
    low, high, last = (part[0][known].tolist() if len(known) else [] for part in (bins.low, bins.high, bins.last))
    return Column(name, "", "float", middle, mean=last, min=low, max=high)
