"""A node's readings of the past, in order of time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from holdfast.backtesting.past import Files, Past, opened
from holdfast.history.gathering import placed_points, step_points
from holdfast.history.lake.rollup import Steps
from holdfast.history.question import Question
from holdfast.history.rows import Texts
from holdfast.history.tiers import Asked
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Series

Wants = Callable[[Series], bool]
FIRST_NS = 3600 * NS_PER_S
MOST_NS = 31 * 24 * FIRST_NS
AIM_ROWS = 4_000_000
"""Rows that are sorted at once: about 200 MB while it's done."""


@dataclass(frozen=True, slots=True)
class Bite:
    """How much is read at once: rows at most, about, and how long a time (ns)."""

    rows: int = AIM_ROWS
    longest: int = MOST_NS


@dataclass(slots=True)
class Readings:
    """What was opened. name: of where it is from; series: how many; notes: what is to be known, complete at the end."""

    name: str
    node: str
    catalogue: Catalogue
    from_ns: int
    to_ns: int
    batches: Iterator[Batch]
    series: int = 0
    notes: list[str] = field(default_factory=list)


@contextmanager
def of_node(
    where: Files,
    wants: Wants,
    from_ns: int,
    to_ns: int,
    bite: Bite = Bite(),  # frozen
) -> Iterator[Readings]:
    """Of a node's files; it may run."""
    with opened(where) as past:
        ids = np.array([i for i, one in enumerate(past.catalogue.since(0)) if wants(one)], np.int32)
        found = Readings(
            f"{where.node}'s memory", where.node, past.catalogue, from_ns, to_ns, iter(()),
            len(ids),
        )  # fmt: skip
        found.batches = _chunks(past, ids, found, bite)
        yield found


def _chunks(past: Past, ids: NDArray[np.int32], about: Readings, bite: Bite) -> Iterator[Batch]:
    low, length, coarse = about.from_ns, min(FIRST_NS, bite.longest), 0
    while low < about.to_ns and len(ids):
        high = min(low + length, about.to_ns)
        texts = Texts()
        question = Question(ids, low, high)
        asked = Asked(question, texts, ("*",), 0, sites=False, parent=False)
        into, got = past.history.tiers.gather(partial(_Gatherer, question, texts), asked)
        if got.is_cut:
            about.notes.append("there was more than could be read at once: ask for a shorter time")
        batch = into.sorted()
        coarse += into.coarse
        yield batch
        length = min(2 * length, bite.longest) if len(batch) < bite.rows // 2 else length
        length = max(length // 2, FIRST_NS // 60) if len(batch) > bite.rows else length
        low = high
    if coarse:
        about.notes.append(f"{coarse:,} of the readings are gone but for the mean of a step each")


class _Gatherer:
    """Takes readings as they are stored. See `history.gathering.Gathering`."""

    def __init__(self, question: Question, texts: Texts) -> None:
        self.before = question.to_ns
        self.coarse = 0
        self._question, self._texts = question, texts
        self._parts: list[Batch] = []

    def place(self, rows: Batch) -> None:
        self._parts.append(Batch(self._question.ids[rows.series], rows.ts, rows.value, rows.quality))

    def place_steps(self, steps: Steps) -> None:
        self.coarse += len(steps.ts)
        self.place(placed_points(steps))

    def grow(self, series: int) -> None:
        """Other nodes aren't asked, so there are no others' series."""

    def take(self, rows: Batch, is_text: NDArray[np.bool_]) -> None:
        value = self._texts.renumber(rows, is_text)
        self._parts.append(Batch(rows.series, rows.ts, value, rows.quality))

    def merge(self, steps: Steps, is_text: NDArray[np.bool_]) -> None:
        rows = step_points(steps, is_text, self._question.from_ns)
        self.coarse += len(rows)
        self.take(rows, is_text)

    def sorted(self) -> Batch:
        """All of it by time; rows of one time as they were stored."""
        if not self._parts:
            return Batch.empty()
        whole = Batch(
            np.concatenate([p.series for p in self._parts]),
            np.concatenate([p.ts for p in self._parts]),
            np.concatenate([p.value for p in self._parts]),
            np.concatenate([p.quality for p in self._parts]),
            tuple(self._texts.known),
        )
        self._parts.clear()
        return whole.take(np.argsort(whole.ts, kind="stable"))
