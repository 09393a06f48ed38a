"""Answers `series, from, to, step`: raw points, or aggregates per step, over every tier. Blocking, any thread.

Bounds: at most `limit` raw points (the oldest are kept, `truncated` says so), at most `MAX_CELLS` steps in all series
together, and at most `tiers.SCAN_ROWS` stored rows of the journal read for one question.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.history.answers import AGGREGATES, PERCENTILES, Aggregate, Answer, pointed, stepped
from holdfast.history.downsample import Cells, Grid
from holdfast.history.elsewhere import Elsewhere
from holdfast.history.errors import QueryInvalid
from holdfast.history.gathering import Gathering, Points, StepCells
from holdfast.history.names import select
from holdfast.history.ports import Between
from holdfast.history.question import Missing, Question, Source, patient
from holdfast.history.rows import Texts
from holdfast.history.tiers import Asked, Gathered, Memory, Tiers
from holdfast.model.series import Catalogue, Series

MAX_CELLS = 500_000
MAX_SERIES = 2_000
MAX_POINTS = 100_000
Chosen = tuple[NDArray[np.int32], list[Series]]
"""Series by their ids, ascending."""


class History:
    """The past of one node. Keeps nothing between questions."""

    def __init__(
        self,
        groups: Between,
        catalogue: Catalogue,
        memory: Memory | None = None,
        elsewhere: Elsewhere | None = None,
        sees: Callable[[NDArray[np.int32]], NDArray[np.int32]] | None = None,
    ) -> None:
        """memory: where part of the past lies in files; None = all of it is in `groups`.

        elsewhere: the nodes around this one; only with `memory`
        sees: of these series those that whoever asks may know of; None = all
        """
        self._catalogue, self._sees = catalogue, sees
        self.tiers = Tiers(groups, catalogue, memory, elsewhere)

    def query(
        self,
        patterns: Sequence[str],
        from_ns: int,
        to_ns: int,
        step_ns: int | None = None,
        aggregates: Sequence[Aggregate] = AGGREGATES,
        limit: int = 10_000,
        check: Callable[[], None] = patient,
        *,
        ask: bool = True,
    ) -> Answer:
        """The readings of every series that `patterns` mean, in [from_ns, to_ns).

        Series without any row in that time are part of the answer, empty, so that a typo differs from silence.
        ask: also ask other nodes for what isn't here

        Raises:
            QueryInvalid: when a pattern is no name or the answer would be too large.
            StorageError, JournalError: when the rows can't be read.
            QueryTooLong: from `check`, which is called between parts.
        """
        if step_ns is not None:
            series, cells, texts, got = self.steps(patterns, from_ns, to_ns, step_ns, aggregates, check, ask=ask)
            columns = stepped(series, cells, texts, aggregates)
            return Answer(from_ns, to_ns, step_ns, columns, got.is_cut, got.sources, got.missing)
        ids, series = self.select(patterns, from_ns, to_ns)
        question, texts, most = Question(ids, from_ns, to_ns, check=check), Texts(), min(limit, MAX_POINTS)
        asked = Asked(question, texts, tuple(patterns), most, sites=ask, parent=ask)
        points, got = self.tiers.gather(lambda: Points(question, texts, most), asked)
        columns = pointed([*series, *got.extra], points.rows, texts)
        return Answer(from_ns, to_ns, None, columns, points.is_cut or got.is_cut, got.sources, got.missing)

    def steps(
        self,
        patterns: Sequence[str],
        from_ns: int,
        to_ns: int,
        step_ns: int,
        aggregates: Sequence[Aggregate],
        check: Callable[[], None] = patient,
        *,
        ask: bool,
        chosen: Chosen | None = None,
    ) -> tuple[list[Series], Cells, Texts, Gathered]:
        """The cells of `query` with a step, the series they are of in order, and what their texts' numbers mean.

        Arguments and errors as for `query`. chosen: what `select` gave for these patterns; None = choose now
        """
        ids, series = self.select(patterns, from_ns, to_ns) if chosen is None else chosen
        wants_rows = any(name in PERCENTILES for name in aggregates)
        question, texts = Question(ids, from_ns, to_ns, step_ns, wants_rows, check), Texts()
        asked = Asked(question, texts, tuple(patterns), MAX_POINTS, sites=ask, parent=ask)
        grid = grid_of(from_ns, to_ns, step_ns, len(ids))
        gathered, got = self.tiers.gather(
            lambda: StepCells(question, texts, Cells(len(ids), grid, keeps_values=wants_rows)), asked
        )
        return [*series, *got.extra], gathered.cells, texts, got

    def pour(
        self,
        patterns: Sequence[str],
        from_ns: int,
        to_ns: int,
        vessel: Callable[[list[Series], Question, Texts], Gathering],
        check: Callable[[], None] = patient,
    ) -> tuple[list[Source], list[Missing], bool]:
        """Give this node's readings to what `vessel` makes, part by part; returns sources, missing, and was it cut?

        Errors as for `query`, but that there is no bound on the answer's size.
        """
        ids, series = self.select(patterns, from_ns, to_ns)
        question, texts = Question(ids, from_ns, to_ns, check=check), Texts()
        asked = Asked(question, texts, tuple(patterns), 0, sites=False, parent=False)
        _, got = self.tiers.gather(lambda: vessel(series, question, texts), asked)
        return got.sources, got.missing, got.is_cut

    def select(self, patterns: Sequence[str], from_ns: int, to_ns: int) -> Chosen:
        """The series that are asked for, by their ids, ascending.

        Raises:
            QueryInvalid: when a pattern is no name, too many series match, or the time is none.
        """
        ids = chosen(self._catalogue, patterns, from_ns, to_ns)
        if self._sees is not None:
            ids = self._sees(ids)
        return ids, [self._catalogue[int(i)] for i in ids]


def chosen(catalogue: Catalogue, patterns: Sequence[str], from_ns: int, to_ns: int) -> NDArray[np.int32]:
    """The ids of the series that are asked for, ascending.

    Raises:
        QueryInvalid: when a pattern is no name, too many series match, or the time is none.
    """
    if from_ns >= to_ns:
        raise QueryInvalid("`from` is not before `to`", "give a time span, as in from=-1h&to=now")
    ids = select(catalogue, patterns)
    if len(ids) > MAX_SERIES:
        raise QueryInvalid(f"{len(ids)} series match; at most {MAX_SERIES} may", "narrow the pattern")
    return ids


def grid_of(from_ns: int, to_ns: int, step_ns: int, series: int) -> Grid:
    """The grid of an answer.

    Raises:
        QueryInvalid: when it would be too large.
    """
    if step_ns <= 0:
        raise QueryInvalid("`step` is not above zero", "give a duration, as in step=10s")
    grid = Grid.over(from_ns, to_ns, step_ns)
    if grid.buckets * max(1, series) > MAX_CELLS:
        raise QueryInvalid(
            f"{series} series in {grid.buckets} steps are more than {MAX_CELLS} values",
            "take a longer step, a shorter time or fewer series",
        )
    return grid
