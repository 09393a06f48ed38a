"""Parts of an answer that lie at other nodes: which to ask for, and how what they say is believed and placed.

Nothing is doubled or missed, because both ends count in lanes. Down: the parent asks for rows above the marks that its
own snapshot holds, and a child keeps what it hasn't delivered. Up: the child asks first, then takes a snapshot; of the
days it asked for it adds its own rows above the marks that came with the answer. Rows that were dropped meanwhile show
in the lane's cut: then everything is looked at and asked again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.history.downsample import Grid
from holdfast.history.errors import QueryInvalid
from holdfast.history.gathering import Gathering
from holdfast.history.lake.layout import DAY_NS, day_of
from holdfast.history.lake.rollup import Steps
from holdfast.history.names import matching
from holdfast.history.question import Missing, Question, Source
from holdfast.history.rows import Texts
from holdfast.journal.records import OWN, Group
from holdfast.journal.snapshot import Snapshot
from holdfast.journal.transaction import EXCERPT
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Series
from holdfast.wire.asking import LANES, RemoteAnswer, StepColumns

MOST_SPANS = 8
Span = tuple[int, int]
_NS = 10**9


@dataclass(frozen=True, slots=True)
class Wanted:
    """What another node is asked. depth: how many nodes further it may be passed on; within_s: None = as set here."""

    patterns: tuple[str, ...]
    question: Question
    limit: int
    depth: int
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a node said, or why it said nothing."""

    node: str
    answer: RemoteAnswer | None = None
    note: str = ""

    @property
    def is_stale(self) -> bool:
        """Did it drop rows that were asked for? They have been delivered since."""
        return self.answer is not None and self.answer.header.status == "stale"

    @property
    def marks(self) -> dict[Lane, int] | None:
        """How far a parent had this node's lanes when it answered; None = there's no answer to add to."""
        if self.answer is None or self.answer.header.status != "ok" or self.answer.header.marks is None:
            return None
        return dict(zip(LANES, self.answer.header.marks, strict=True))


class Elsewhere(Protocol):
    """The nodes around this one. Called from worker threads; blocks until the answers are there or their time is over.

    Neither raises: a node that can't be reached is a reply without an answer.
    """

    def sites(self, moment: Snapshot, wanted: Wanted) -> list[Reply]:
        """Ask the children for what isn't here at that moment."""
        ...

    @property
    def has_parent(self) -> bool:
        """Is there a parent to ask?"""
        ...

    def parent(self, wanted: Wanted, span: Span) -> Reply:
        """Ask the parent for everything in that time."""
        ...


@dataclass(frozen=True, slots=True)
class Above:
    """The journal's own groups above some seqs, whatever of them is in files, too; of the named lanes only."""

    moment: Snapshot
    after: Mapping[Lane, int]

    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        """See `ports.Between`."""
        if lane in self.after:
            for group in self.moment.between(from_ns, to_ns, lane, self.after[lane]):
                # to the parent a filter's copies are the readings: it has no others
                yield replace(group, origin=OWN) if group.origin == EXCERPT.peer else group

    @property
    def is_stale(self) -> bool:
        """Were some of them dropped?"""
        return any(self.moment.cut(lane) > seq for lane, seq in self.after.items() if lane is not Lane.CRITICAL)

    def missing(self, from_ns: int, to_ns: int) -> list[Missing]:
        """What is gone of them in [from_ns, to_ns)."""
        lanes = self.after.items()
        found = [one for lane, seq in lanes for one in self.moment.missing_above(from_ns, to_ns - 1, lane, seq)]
        return [Missing(*one) for one in found]


def spans_elsewhere(moment: Snapshot, question: Question, damaged: Collection[int] = ()) -> list[Span]:
    """The parts of the question's time in which this node lacks readings: whole UTC days, joined, ascending.

    damaged: days with a file that can't be read
    """
    first, last = day_of(question.from_ns), day_of(question.to_ns - 1)
    days = [(loss.day, loss.day) for loss in moment.losses(first, last) if _is_felt(loss.step, question)]
    days += moment.drops(first, last)
    days += [(day, day) for day in damaged if first <= day <= last]
    joined: list[list[int]] = []
    for low, high in sorted((max(low, first), min(high, last)) for low, high in days):
        if joined and low <= joined[-1][1] + 1:
            joined[-1][1] = max(joined[-1][1], high)
        else:
            joined.append([low, high])
    if len(joined) > MOST_SPANS:
        joined = [[joined[0][0], joined[-1][1]]]
    edges = [(max(question.from_ns, low * DAY_NS), min(question.to_ns, (high + 1) * DAY_NS)) for low, high in joined]
    return [(low, high) for low, high in edges if low < high]


def rest(question: Question, spans: Sequence[Span]) -> list[Span]:
    """The question's time without these spans, which ascend."""
    found, at = [], question.from_ns
    for low, high in spans:
        if at < low:
            found.append((at, low))
        at = high
    return [*found, (at, question.to_ns)] if at < question.to_ns else found


@dataclass(slots=True)
class Placing:
    """Puts what other nodes said among what is gathered here. extra: series that only they know."""

    catalogue: Catalogue
    patterns: Sequence[str]
    question: Question
    texts: Texts
    into: Gathering
    extra: list[Series] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    is_cut: bool = False

    def take(self, reply: Reply, tier: str, span: Span) -> bool:
        """Take a reply about a span; False when there was no use in it, which `sources` then tells."""
        answer, note = reply.answer, reply.note
        if answer is not None:
            note = _fault(answer, self.patterns, self.question, span) or (
                answer.header.detail or answer.header.status if answer.header.status != "ok" else ""
            )
            if not note and tier == "parent" and reply.marks is None:
                note = "answered without saying how far it has this node's rows"
        if answer is None or note:
            self.sources.append(Source(tier, *span, 0, note=note))
            return False
        self._place(answer, takes_new=tier != "parent")
        for part in answer.sources:
            own = part.tier if part.tier.startswith("site:") else tier
            told = part.note if own == part.tier or not part.note else f"{part.tier}: {part.note}"
            self.sources.append(Source(own, part.from_ns, part.to_ns, part.rows, part.step, part.error, told[:500]))
        self.missing += [Missing(*one) for one in answer.missing]
        self.is_cut |= answer.header.truncated
        return True

    def _place(self, answer: RemoteAnswer, *, takes_new: bool) -> None:
        places = np.array([self._of(one, takes_new=takes_new) for one in answer.series], np.int64)
        is_text = np.array([one.kind.name == "TEXT" for one in answer.series], np.bool_)
        if answer.steps is not None:
            self._place_steps(answer.steps, places, is_text)
        elif answer.rows is not None and len(answer.rows):
            rows = answer.rows
            known = places[rows.series] >= 0
            value = self.texts.renumber(rows, is_text)
            self.into.place(Batch(places[rows.series].astype(np.int32), rows.ts, value, rows.quality).take(known))

    def _place_steps(self, steps: StepColumns, places: NDArray[np.int64], is_text: NDArray[np.bool_]) -> None:
        grid = Grid.over(self.question.from_ns, self.question.to_ns, self.question.step_ns or 1)
        as_rows = Batch(steps.series, steps.ts, steps.last, np.zeros(len(steps), np.uint8), steps.texts)
        last = self.texts.renumber(as_rows, is_text)
        known = places[steps.series] >= 0
        self.into.place_steps(
            Steps(
                places[steps.series][known].astype(np.int32),
                np.maximum(steps.ts, grid.start_ns)[known],
                steps.count[known],
                steps.uncertain[known],
                steps.bad[known],
                steps.low[known],
                steps.high[known],
                steps.mean[known],
                last[known],
                steps.last_ts[known],
                np.zeros(int(known.sum())),
            )
        )

    def _of(self, series: Series, *, takes_new: bool) -> int:
        """A series' place in the answer; -1 = it wasn't asked for, or came to this node only after the question."""
        number = self.catalogue.find(series)
        if number is not None:
            place = int(np.searchsorted(self.question.ids, number))
            return place if place < len(self.question.ids) and self.question.ids[place] == number else -1
        if not takes_new:
            return -1
        if series not in self.extra:
            self.extra.append(series)
            self.into.grow(1)
        return len(self.question.ids) + self.extra.index(series)


def _is_felt(step: int, question: Question) -> bool:
    """Do stored steps of `step` s instead of readings make a difference to the answer?"""
    return step <= 0 or question.wants_rows or question.step_ns is None or question.step_ns % (step * _NS) != 0


def _fault(answer: RemoteAnswer, patterns: Sequence[str], question: Question, span: Span) -> str:
    """Why an answer can't be believed; empty when it can."""
    try:
        if len(matching(answer.series, patterns)) != len(answer.series):
            return "answered about series that weren't asked for"
    except QueryInvalid as error:
        return str(error)
    low, high = span
    if answer.steps is not None and question.step_ns is None:
        return "answered with steps where readings were asked for"
    if answer.steps is not None and question.step_ns is not None:
        low, ts = low // question.step_ns * question.step_ns, answer.steps.ts
        if len(ts) and (ts % question.step_ns).any():
            return "answered with other steps than were asked for"
    else:
        ts = np.empty(0, np.int64) if answer.rows is None else answer.rows.ts
    if len(ts) and (int(ts.min()) < low or int(ts.max()) >= high):
        return "answered about another time than was asked for"
    return ""
