"""What the parts of an answer are gathered into, whatever tier they come from: points, or cells of steps.

Parts come in the order they were stored, so that of rows with equal time the later one counts as last. In what is
gathered, `series` is the position of a series among those asked for, and texts are numbered across all parts.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.history.downsample import Cells
from holdfast.history.lake.rollup import Steps
from holdfast.history.question import Question
from holdfast.history.rows import Texts
from holdfast.model.batch import Batch, concatenate
from holdfast.model.quality import Quality, Reason, encode_quality

SUMMARY = encode_quality(Quality.UNCERTAIN, Reason.SUMMARY)
_SUMMARY_BAD = encode_quality(Quality.BAD, Reason.SUMMARY)


class Gathering(Protocol):
    """Takes readings and steps inside the question's time."""

    before: int
    """Rows at or after this time aren't needed any more."""

    def place(self, rows: Batch) -> None:
        """Take readings whose `series` and texts are numbered as the answer's already."""
        ...

    def place_steps(self, steps: Steps) -> None:
        """Take steps of the asked grid, numbered as the answer's already."""
        ...

    def grow(self, series: int) -> None:
        """So many more series are answered for, which this node doesn't know; numbered after the others."""
        ...

    def take(self, rows: Batch, is_text: NDArray[np.bool_]) -> None:
        """Take readings; `series` are catalogue ids of series asked for."""
        ...

    def merge(self, steps: Steps, is_text: NDArray[np.bool_]) -> None:
        """Take stored steps, which may be longer than what was asked for."""
        ...


class StepCells:
    """Into cells."""

    def __init__(self, question: Question, texts: Texts, cells: Cells) -> None:
        self.before = question.to_ns
        self._question, self._texts, self.cells = question, texts, cells

    def place(self, rows: Batch) -> None:
        """See `Gathering`."""
        self.cells.add(rows.series.astype(np.int64), rows.ts, rows.value, rows.quality)

    def place_steps(self, steps: Steps) -> None:
        """See `Gathering`."""
        self.cells.merge(steps.series.astype(np.int64), steps)

    def grow(self, series: int) -> None:
        """See `Gathering`."""
        self.cells.grow(series)

    def take(self, rows: Batch, is_text: NDArray[np.bool_]) -> None:
        """See `Gathering`."""
        value = self._texts.renumber(rows, is_text)
        self.cells.add(_places(self._question, rows.series), rows.ts, value, rows.quality)

    def merge(self, steps: Steps, is_text: NDArray[np.bool_]) -> None:
        """See `Gathering`. What is coarser, or begins before the question, counts where it begins or as the first."""
        grid = self.cells.grid
        inside = np.clip(steps.ts, grid.start_ns, grid.start_ns + grid.buckets * grid.step_ns - 1)
        self.cells.merge(_places(self._question, steps.series), _renumbered(steps, inside, self._texts, is_text))


class Points:
    """Into points: the oldest `limit` of them."""

    def __init__(self, question: Question, texts: Texts, limit: int) -> None:
        self.before = question.to_ns
        self.is_cut = False
        self._question, self._texts, self._limit = question, texts, limit
        self._kept = Batch.empty()

    @property
    def rows(self) -> Batch:
        """What was kept, by series and time."""
        return self._kept.take(np.lexsort((self._kept.ts, self._kept.series)))

    def place(self, rows: Batch) -> None:
        """See `Gathering`."""
        if self.is_cut:
            rows = rows.take(rows.ts < self.before)
        kept = concatenate([self._kept, rows])
        if len(kept) > self._limit:
            kept = kept.take(np.argsort(kept.ts, kind="stable")[: self._limit])
            self.is_cut = True
            self.before = int(kept.ts[-1]) + 1 if self._limit else self._question.from_ns
        self._kept = kept

    def place_steps(self, steps: Steps) -> None:
        """See `Gathering`: stands for its readings as one uncertain point."""
        self.place(placed_points(steps))

    def grow(self, series: int) -> None:
        """See `Gathering`: points know no number of series."""

    def take(self, rows: Batch, is_text: NDArray[np.bool_]) -> None:
        """See `Gathering`."""
        value = self._texts.renumber(rows, is_text)
        self.place(Batch(_places(self._question, rows.series).astype(np.int32), rows.ts, value, rows.quality))

    def merge(self, steps: Steps, is_text: NDArray[np.bool_]) -> None:
        """See `Gathering`. A step stands for its readings as one uncertain point with their mean, or last text."""
        self.take(step_points(steps, is_text, self._question.from_ns), is_text)


def step_points(steps: Steps, is_text: NDArray[np.bool_], from_ns: int) -> Batch:
    """Each step from `from_ns` on as one uncertain reading: the mean of those it stands for, or the last text."""
    value = np.where(is_text[steps.series], steps.last, steps.mean)
    quality = np.where(steps.count > 0, SUMMARY, _SUMMARY_BAD).astype(np.uint8)
    return Batch(steps.series, steps.ts, value, quality, steps.texts).take(steps.ts >= from_ns)


def _places(question: Question, series: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.searchsorted(question.ids, series).astype(np.int64)


def _renumbered(steps: Steps, ts: NDArray[np.int64], texts: Texts, is_text: NDArray[np.bool_]) -> Steps:
    last = steps.last
    if steps.texts:
        as_rows = Batch(steps.series, ts, steps.last, np.zeros(len(ts), np.uint8), steps.texts)
        last = texts.renumber(as_rows, is_text)
    return Steps(
        steps.series,
        ts,
        steps.count,
        steps.uncertain,
        steps.bad,
        steps.low,
        steps.high,
        steps.mean,
        last,
        steps.last_ts,
        steps.squares,
    )


def placed_points(steps: Steps) -> Batch:
    """Steps that are numbered as the answer's, each as one uncertain point."""
    quality = np.where(steps.count > 0, SUMMARY, _SUMMARY_BAD).astype(np.uint8)
    return Batch(steps.series, steps.ts, steps.mean, quality)
