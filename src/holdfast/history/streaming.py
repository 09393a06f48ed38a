"""Large answers, part by part, in the memory of one part. Blocking, any thread.

Readings come as the stored parts come: by day and file, in a file by series and time, what is not in files yet last.
All of them are of one moment. Steps come by time, a page of steps after the other; what arrives meanwhile may be in a
later page and missing in an earlier one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.history import arrow
from holdfast.history.answers import AGGREGATES, Aggregate
from holdfast.history.downsample import Grid
from holdfast.history.errors import QueryInvalid
from holdfast.history.gathering import placed_points, step_points
from holdfast.history.lake.layout import DAY_NS
from holdfast.history.lake.rollup import Steps
from holdfast.history.query import Chosen, History
from holdfast.history.question import Missing, Question, Source, patient, summed
from holdfast.history.rows import Texts
from holdfast.history.tiers import Gathered
from holdfast.model.batch import Batch
from holdfast.model.series import Kind, Series

MOST_ROWS = 20_000_000
MOST_CELLS = 20_000_000
PAGE_CELLS = 100_000
"""Series times steps that are worked out at once."""
Emit = Callable[[pa.RecordBatch], None]


class Told(Struct, frozen=True):
    """What is to be said after the last row. truncated: more rows match than were given; not the newest ones, any."""

    sources: list[Source]
    missing: list[Missing]
    truncated: bool
    rows: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to be answered in batches. See `History.query`."""

    patterns: Sequence[str]
    from_ns: int
    to_ns: int
    step_ns: int | None = None
    aggregates: Sequence[Aggregate] = AGGREGATES
    limit: int = MOST_ROWS
    ask: bool = True
    """May other nodes be asked, too? Only for an answer in one piece."""

    @property
    def schema(self) -> pa.Schema:
        """Of every batch."""
        return arrow.point_schema() if self.step_ns is None else arrow.step_schema(self.aggregates)


def stream(history: History, asked: Asked, emit: Emit, check: Callable[[], None] = patient) -> Told:
    """Answer, giving every batch to `emit`, which may block or raise.

    Raises:
        QueryInvalid: when the question is wrong or the answer would have too many steps.
        QueryTooLong: from `check`.
        StorageError, JournalError: when the rows can't be read.
    """
    if asked.step_ns is not None:
        return _stream_steps(history, asked, asked.step_ns, emit, check)
    pourers: list[_Pourer] = []

    def vessel(series: list[Series], question: Question, texts: Texts) -> _Pourer:
        is_text = np.array([one.kind == Kind.TEXT for one in series], np.bool_)
        pourers.append(_Pourer(arrow.Names(series), is_text, question, texts, asked.limit, emit))
        return pourers[0]

    sources, missing, is_cut = history.pour(asked.patterns, asked.from_ns, asked.to_ns, vessel, check)
    return Told(sources, missing, is_cut or pourers[0].is_cut, pourers[0].rows)


def _stream_steps(history: History, asked: Asked, step_ns: int, emit: Emit, check: Callable[[], None]) -> Told:
    chosen = history.select(asked.patterns, asked.from_ns, asked.to_ns)
    names, series = arrow.Names(chosen[1]), max(1, len(chosen[1]))
    grid = Grid.over(asked.from_ns, asked.to_ns, step_ns)
    if grid.buckets * series > MOST_CELLS:
        raise QueryInvalid(
            f"{series} series in {grid.buckets} steps are more than {MOST_CELLS} values",
            "take a longer step, a shorter time or fewer series",
        )
    told = Told([], [], False, 0)
    for low, high in _pages(asked, grid, max(1, PAGE_CELLS // series)):
        part = replace(asked, from_ns=low, to_ns=high)
        rows, got = _page(history, part, step_ns, (names, chosen), emit, check)
        missing = told.missing + [one for one in got.missing if one not in told.missing]
        told = Told(summed(told.sources + got.sources), missing, told.truncated or got.is_cut, told.rows + rows)
    return told


def _page(
    history: History,
    asked: Asked,
    step_ns: int,
    about: tuple[arrow.Names, Chosen],
    emit: Emit,
    check: Callable[[], None],
) -> tuple[int, Gathered]:
    """A function of its own, so that nothing of a page is left when the next one begins."""
    patterns, wanted = asked.patterns, asked.aggregates
    names, chosen = about
    _, cells, texts, got = history.steps(
        patterns, asked.from_ns, asked.to_ns, step_ns, wanted, check, ask=False, chosen=chosen
    )
    rows = 0
    for batch in arrow.steps(names, chosen[1], cells, texts, wanted):
        rows += len(batch)
        emit(batch)
    return rows, got


def _pages(asked: Asked, grid: Grid, steps: int) -> Iterator[tuple[int, int]]:
    """Parts of the question's time, of about `steps` steps. A file holds a day: none should be read for two pages."""
    page_ns = steps * grid.step_ns
    begin = grid.start_ns
    if page_ns >= DAY_NS and DAY_NS % grid.step_ns == 0:
        page_ns -= page_ns % DAY_NS
        begin -= begin % DAY_NS
    for low in range(begin, asked.to_ns, page_ns):
        yield max(low, asked.from_ns), min(low + page_ns, asked.to_ns)


@dataclass
class _Pourer:
    """Makes batches of readings of what comes, up to `limit` of them. See `gathering.Gathering`."""

    names: arrow.Names
    is_text: NDArray[np.bool_]
    question: Question
    texts: Texts
    limit: int
    emit: Emit
    rows: int = 0
    is_cut: bool = False
    before: int = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.question.to_ns

    def place(self, rows: Batch) -> None:
        """See `Gathering`."""
        self._give(rows, rows.series, self.texts.known)

    def place_steps(self, steps: Steps) -> None:
        """See `Gathering`."""
        self.place(placed_points(steps))

    def grow(self, series: int) -> None:
        """See `Gathering`. Only this node's readings are poured, so all series are known."""

    def take(self, rows: Batch, is_text: NDArray[np.bool_]) -> None:
        """See `Gathering`."""
        del is_text
        self._give(rows, np.searchsorted(self.question.ids, rows.series).astype(np.int32), rows.texts)

    def merge(self, steps: Steps, is_text: NDArray[np.bool_]) -> None:
        """See `Gathering`."""
        self.take(step_points(steps, is_text, self.question.from_ns), is_text)

    def _give(self, rows: Batch, place: NDArray[np.int32], texts: Sequence[str]) -> None:
        room = self.limit - self.rows
        if len(rows) > room:
            self.is_cut, self.before = True, self.question.from_ns
            rows, place = rows.take(np.arange(room)), place[:room]
        if not len(rows):
            return
        self.rows += len(rows)
        is_text = self.is_text[place]
        nothing = np.isnan(rows.value)
        value = pa.array(rows.value, mask=nothing | is_text)
        text = arrow.words(rows.value, is_text & ~nothing, texts)
        self.emit(arrow.points(self.names, place, rows.ts, value, text, rows.quality))
