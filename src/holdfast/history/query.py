"""Answers `series, from, to, step`: raw points, or aggregates per step, over every tier. Blocking, any thread.

Bounds: at most `limit` raw points (the oldest are kept, `truncated` says so), at most `MAX_CELLS` steps in all series
together, and at most `SCAN_ROWS` stored rows of the journal read for one question.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.history.answers import AGGREGATES, PERCENTILES, Aggregate, Answer, pointed, stepped
from holdfast.history.downsample import Cells, Grid
from holdfast.history.errors import QueryInvalid
from holdfast.history.gathering import Gathering, Points, StepCells
from holdfast.history.lake.view import View
from holdfast.history.names import select
from holdfast.history.ports import Between
from holdfast.history.question import Missing, Question, Source, patient, summed
from holdfast.history.rows import Scan, Texts
from holdfast.model.batch import Batch, concatenate
from holdfast.model.series import Catalogue, Series

MAX_CELLS = 500_000
MAX_SERIES = 2_000
MAX_POINTS = 100_000
SCAN_ROWS = 50_000_000
# Rows gathered before they are aggregated or cut: large enough that numpy does the work, small enough for a gateway.
_CHUNK = 1 << 17


class Memory(Protocol):
    """The site's memory at one moment, of [from_ns, to_ns]."""

    def __call__(self, from_ns: int, to_ns: int) -> AbstractContextManager[View]:
        """Open it."""
        ...


class History:
    """The past of one node. Keeps nothing between questions."""

    def __init__(self, groups: Between, catalogue: Catalogue, memory: Memory | None = None) -> None:
        """memory: where part of the past lies in files; None = all of it is in `groups`."""
        self._groups, self._catalogue, self._memory = groups, catalogue, memory

    def query(
        self,
        patterns: Sequence[str],
        from_ns: int,
        to_ns: int,
        step_ns: int | None = None,
        aggregates: Sequence[Aggregate] = AGGREGATES,
        limit: int = 10_000,
        check: Callable[[], None] = patient,
    ) -> Answer:
        """The readings of every series that `patterns` mean, in [from_ns, to_ns).

        Series without any row in that time are part of the answer, empty, so that a typo differs from silence.

        Raises:
            QueryInvalid: when a pattern is no name or the answer would be too large.
            StorageError, JournalError: when the rows can't be read.
            QueryTooLong: from `check`, which is called between parts.
        """
        ids, series = self.select(patterns, from_ns, to_ns)
        wants_rows = any(name in PERCENTILES for name in aggregates)
        question = Question(ids, from_ns, to_ns, step_ns, wants_rows and step_ns is not None, check)
        texts = Texts()
        if step_ns is None:
            points = Points(question, texts, min(limit, MAX_POINTS))
            sources, missing, is_cut = self._gather(points, question, texts)
            kept, truncated = points.rows, points.is_cut or is_cut
            return Answer(from_ns, to_ns, None, pointed(series, kept, texts), truncated, sources, missing)
        grid = _grid(from_ns, to_ns, step_ns, len(ids))
        cells = Cells(len(ids), grid, keeps_values=question.wants_rows)
        sources, missing, is_cut = self._gather(StepCells(question, texts, cells), question, texts)
        columns = stepped(series, cells, texts, aggregates)
        return Answer(from_ns, to_ns, step_ns, columns, is_cut, sources, missing)

    def pour(
        self,
        patterns: Sequence[str],
        from_ns: int,
        to_ns: int,
        vessel: Callable[[list[Series], Question, Texts], Gathering],
        check: Callable[[], None] = patient,
    ) -> tuple[list[Source], list[Missing], bool]:
        """Give the stored readings to what `vessel` makes, part by part; returns sources, missing, and was it cut?

        Errors as for `query`, but that there is no bound on the answer's size.
        """
        ids, series = self.select(patterns, from_ns, to_ns)
        question, texts = Question(ids, from_ns, to_ns, check=check), Texts()
        return self._gather(vessel(series, question, texts), question, texts)

    def select(self, patterns: Sequence[str], from_ns: int, to_ns: int) -> tuple[NDArray[np.int32], list[Series]]:
        """The series that are asked for, by their ids, ascending.

        Raises:
            QueryInvalid: when a pattern is no name, too many series match, or the time is none.
        """
        if from_ns >= to_ns:
            raise QueryInvalid("`from` is not before `to`", "give a time span, as in from=-1h&to=now")
        ids = select(self._catalogue, patterns)
        if len(ids) > MAX_SERIES:
            raise QueryInvalid(f"{len(ids)} series match; at most {MAX_SERIES} may", "narrow the pattern")
        return ids, [self._catalogue[int(i)] for i in ids]

    def _gather(self, into: Gathering, question: Question, texts: Texts) -> tuple[list[Source], list[Missing], bool]:
        if self._memory is None:
            scan = self._scan(question, texts)
            source = self._tail(into, scan, self._groups, question)
            return summed(source), [], scan.is_cut
        with self._memory(question.from_ns, question.to_ns - 1) as view:
            for read, part in view.stored(question):
                if isinstance(part, Batch):
                    into.take(part, self._catalogue.is_text)
                else:
                    into.merge(part, self._catalogue.is_text, is_coarse=read.is_coarse)
                if into.before <= question.from_ns:
                    break
            scan = self._scan(question, texts)
            tail = self._tail(into, scan, view, question)
            return summed(view.sources + tail), view.missing(question), scan.is_cut

    def _tail(self, into: Gathering, scan: Scan, groups: Between, question: Question) -> list[Source]:
        rows = 0
        for batch in chunked(scan, groups):
            rows += len(batch)
            into.place(batch)
            scan.before = min(scan.before, into.before)
        return [Source("journal", question.from_ns, question.to_ns, rows)] if rows else []

    def _scan(self, question: Question, texts: Texts) -> Scan:
        is_text = self._catalogue.is_text.copy()
        place_of = np.full(len(is_text), -1, np.int64)
        place_of[question.ids] = np.arange(len(question.ids))
        return Scan(place_of, is_text, question.from_ns, question.to_ns, texts, question.check)


def chunked(scan: Scan, groups: Between) -> Iterator[Batch]:
    """The scan's rows in batches of about `_CHUNK`."""
    gathered: list[Batch] = []
    count = 0
    for batch in scan.rows(groups, SCAN_ROWS):
        gathered.append(batch)
        count += len(batch)
        if count >= _CHUNK:
            yield concatenate(gathered)
            gathered, count = [], 0
    if gathered:
        yield concatenate(gathered)


def _grid(from_ns: int, to_ns: int, step_ns: int, series: int) -> Grid:
    if step_ns <= 0:
        raise QueryInvalid("`step` is not above zero", "give a duration, as in step=10s")
    grid = Grid.over(from_ns, to_ns, step_ns)
    if grid.buckets * max(1, series) > MAX_CELLS:
        raise QueryInvalid(
            f"{series} series in {grid.buckets} steps are more than {MAX_CELLS} values",
            "take a longer step, a shorter time or fewer series",
        )
    return grid
