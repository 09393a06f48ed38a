"""Answers the nodes around this one: its parent about rows that haven't gone up, a child about what it sent. Blocking.

Bounded by the question's limits, `query`'s bounds and `wire.asking`'s. A question that can't be answered gets an answer
that says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.history.downsample import Cells
from holdfast.history.errors import QueryInvalid
from holdfast.history.gathering import Points, StepCells
from holdfast.history.lake.rollup import Steps
from holdfast.history.query import chosen, grid_of
from holdfast.history.question import Question
from holdfast.history.rows import Texts
from holdfast.history.tiers import DEPTH, Asked, Gathered, Tiers
from holdfast.journal.snapshot import Snapshot
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane, Stay
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.wire.asking import (
    LANES,
    MAX_ROWS,
    AnswerHeader,
    Ask,
    Gone,
    Part,
    RemoteAnswer,
    StepColumns,
    encode_answer,
)


class _Rows(Points):
    """Points that remember whether stored steps had to stand in for some."""

    def __init__(self, question: Question, texts: Texts, limit: int) -> None:
        super().__init__(question, texts, limit)
        self.has_steps = False

    def merge(self, steps: Steps, is_text: NDArray[np.bool_]) -> None:
        """See `Gathering`."""
        self.has_steps = True
        super().merge(steps, is_text)


@dataclass(slots=True)
class _Look:
    """What an answer to a child needs of the very moment it's made at."""

    child: str
    branch: int
    marks: tuple[int, ...] | None = None

    def __call__(self, moment: Snapshot) -> None:
        self.marks = next(
            (
                tuple(one.marks[lane].wm for lane in LANES)
                for one in moment.branches(self.child)
                if one.number == self.branch
            ),
            None,
        )


class Answering:
    """The past of one node, for other nodes."""

    def __init__(self, tiers: Tiers, catalogue: Catalogue) -> None:
        self._tiers, self._catalogue = tiers, catalogue

    def below(self, ask: Ask) -> bytes:
        """Answer the parent: rows above `ask.after`, and those of children that aren't here yet.

        Series that residency keeps are none of its business, whatever region it's in: their rows go by sync, or stay.

        Raises:
            StorageError, JournalError: when the rows can't be read.
        """
        if ask.after is None:
            return refused(ask, "the question doesn't say which rows are known")
        after = dict(zip(LANES, ask.after, strict=True))
        try:
            ids = self._chosen(ask)
            ids = ids[self._catalogue.stay_of[ids] == Stay.ANYWHERE]
            return self._answer(ask, ids, sites=True, parent=False, after=after)
        except QueryInvalid as error:
            return refused(ask, f"{error}; {error.hint}")

    def above(self, ask: Ask, child: str, subtree: set[int]) -> bytes:
        """Answer a child: what's here of the series in `subtree`, which came from it or through it.

        Raises:
            StorageError, JournalError: when the rows can't be read.
        """
        look = _Look(child, ask.branch)
        try:
            ids = np.array([i for i in self._chosen(ask).tolist() if i in subtree], np.int32)
            body = self._answer(ask, ids, sites=False, parent=True, look=look)
        except QueryInvalid as error:
            return refused(ask, f"{error}; {error.hint}")
        return body if look.marks is not None else refused(ask, f"no branch {ask.branch} of {child} is known here")

    def _chosen(self, ask: Ask) -> NDArray[np.int32]:
        return chosen(self._catalogue, ask.patterns, ask.from_ns, ask.to_ns)

    def _answer(
        self,
        ask: Ask,
        ids: NDArray[np.int32],
        *,
        sites: bool,
        parent: bool,
        after: dict[Lane, int] | None = None,
        look: _Look | None = None,
    ) -> bytes:
        question = Question(ids, ask.from_ns, ask.to_ns, ask.step_ns, ask.wants_rows and ask.step_ns is not None)
        depth = min(ask.depth, DEPTH)
        if ask.step_ns is None or question.wants_rows:
            texts = Texts()
            asked = Asked(question, texts, ask.patterns, ask.limit, depth, sites, parent, after, look, ask.within_s)
            most, whole = min(ask.limit, MAX_ROWS), question
            rows, got = self._tiers.gather(lambda: _Rows(whole, texts, most), asked)
            if not (rows.has_steps and question.wants_rows):
                return self._sealed(
                    ask,
                    got,
                    ids,
                    rows=_compact(rows.rows, texts, self._is_text(ids, got.extra)),
                    look=look,
                    is_cut=rows.is_cut,
                )
            question = Question(ids, ask.from_ns, ask.to_ns, ask.step_ns)
        texts = Texts()
        grid = grid_of(ask.from_ns, ask.to_ns, ask.step_ns or 1, len(ids))
        asked = Asked(question, texts, ask.patterns, ask.limit, depth, sites, parent, after, look, ask.within_s)
        gathered, got = self._tiers.gather(lambda: StepCells(question, texts, Cells(len(ids), grid)), asked)
        return self._sealed(
            ask, got, ids, steps=_columns(gathered.cells.steps(), texts, self._is_text(ids, got.extra)), look=look
        )

    def _sealed(
        self,
        ask: Ask,
        got: Gathered,
        ids: NDArray[np.int32],
        *,
        rows: Batch | None = None,
        steps: StepColumns | None = None,
        look: _Look | None = None,
        is_cut: bool = False,
    ) -> bytes:
        if got.is_stale:
            return encode_answer(RemoteAnswer(AnswerHeader(ask.id, "stale", "rows were delivered meanwhile")))
        header = AnswerHeader(ask.id, truncated=got.is_cut or is_cut, marks=None if look is None else look.marks)
        series = (*(self._catalogue[int(i)] for i in ids), *got.extra)
        sources = [Part(s.tier, s.from_ns, s.to_ns, s.rows, s.step, s.error, s.note) for s in got.sources]
        missing = [Gone(m.from_ns, m.to_ns, m.rows, m.reason) for m in got.missing]
        return encode_answer(_without_idle(RemoteAnswer(header, series, rows, steps, sources, missing)))

    def _is_text(self, ids: NDArray[np.int32], extra: Sequence[Series]) -> NDArray[np.bool_]:
        return np.array(
            [self._catalogue[int(i)].kind is Kind.TEXT for i in ids] + [e.kind is Kind.TEXT for e in extra], np.bool_
        )


def refused(ask: Ask, why: str) -> bytes:
    """The answer that there is none."""
    return encode_answer(RemoteAnswer(AnswerHeader(ask.id, "refused", why[:500])))


def _compact(rows: Batch, texts: Texts, is_text: NDArray[np.bool_]) -> Batch:
    """Only the texts that the rows name."""
    value, used = _renumbered(rows.value, is_text[rows.series] if len(rows) else np.empty(0, np.bool_))
    return Batch(rows.series, rows.ts, value, rows.quality, tuple(texts.known[i] for i in used))


def _columns(steps: Steps, texts: Texts, is_text: NDArray[np.bool_]) -> StepColumns:
    last, used = _renumbered(steps.last, is_text[steps.series] if len(steps) else np.empty(0, np.bool_))
    counts = (steps.count, steps.uncertain, steps.bad, steps.last_ts)
    numbers = (steps.low, steps.high, steps.mean)
    return StepColumns(steps.series, steps.ts, *counts, *numbers, last, tuple(texts.known[i] for i in used))


def _renumbered(value: NDArray[np.float64], speaks: NDArray[np.bool_]) -> tuple[NDArray[np.float64], list[int]]:
    speaks = speaks & np.isfinite(value)
    used, place = np.unique(value[speaks].astype(np.int64), return_inverse=True)
    renumbered = value.copy()
    renumbered[speaks] = place
    return renumbered, used.tolist()


def _without_idle(answer: RemoteAnswer) -> RemoteAnswer:
    """The series table without those that have nothing to tell."""
    column = (
        answer.rows.series if answer.rows is not None else answer.steps.series if answer.steps is not None else None
    )
    if column is None:
        return answer
    used = np.unique(column)
    place = np.zeros(len(answer.series), np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    series = tuple(answer.series[int(i)] for i in used)
    rows, steps = answer.rows, answer.steps
    if rows is not None:
        rows = Batch(place[rows.series], rows.ts, rows.value, rows.quality, rows.texts)
    if steps is not None:
        steps = _with_series(steps, place)
    return RemoteAnswer(answer.header, series, rows, steps, answer.sources, answer.missing)


def _with_series(steps: StepColumns, place: NDArray[np.int32]) -> StepColumns:
    counts = (steps.ts, steps.count, steps.uncertain, steps.bad, steps.last_ts)
    return StepColumns(place[steps.series], *counts, steps.low, steps.high, steps.mean, steps.last, steps.texts)
