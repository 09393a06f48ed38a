"""Rows on their way: pieces that wait, jobs that run. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.features import FeatureRows
from holdfast.model.predictions import How, Predictions

if TYPE_CHECKING:
    from holdfast.inference.serving.lanes import Lane
    from holdfast.inference.serving.posts import Post

Array = NDArray[Any]


@dataclass(slots=True, eq=False)
class Piece:
    """Rows of one post, for one model.

    how:   what a result will be flagged with
    step:  which of the deployment's fallbacks is next, should it come to that
    probe: sent to a model that its post doesn't trust just now, to see how long it takes
    """

    post: "Post"
    rows: FeatureRows
    how: How = How.MODEL
    step: int = 0
    probe: bool = False

    def __len__(self) -> int:
        return len(self.rows.key)

    @property
    def nbytes(self) -> int:
        """What its rows hold."""
        return int(self.rows.values.nbytes)

    def cut(self, n: int) -> tuple["Piece", "Piece"]:
        """Its first n rows, and the others; views, not copies."""
        return replace(self, rows=span(self.rows, 0, n)), replace(self, rows=span(self.rows, n, len(self)))

    def only(self, at: Array) -> "Piece":
        """Of these rows."""
        return replace(self, rows=self.rows.take(at))


@dataclass(slots=True, eq=False)
class Job:
    """A run of a model. No pieces: a warm-up with `n` rows of zeros.

    started:   monotonic s, set by the thread that runs it
    abandoned: its rows were answered otherwise; what it says comes too late
    """

    lane: "Lane"
    pieces: list[Piece]
    n: int
    planned_s: float
    started: float | None = None
    took_s: float = 0.0
    said: Predictions | None = None
    error: str = ""
    abandoned: bool = False
    finite: bool = True


@dataclass(slots=True, eq=False)
class Slot:
    """A worker thread's place: what it runs, and what's laid out for it next."""

    number: int
    jobs: list[Job] = field(default_factory=list)


def span(rows: FeatureRows, start: int, stop: int) -> FeatureRows:
    """These rows, as views."""
    at = slice(start, stop)
    return replace(rows, key=rows.key[at], ts=rows.ts[at], values=rows.values[at], flags=rows.flags[at])


def newest_only(pieces: Iterable[Piece]) -> tuple[deque[Piece], list[Piece]]:
    """What remains when each device keeps its newest row, and what's passed over, in order.

    Newest by event time, of equals the one that came last. Each post's rows are judged by themselves.
    """
    groups: dict[tuple[int, int, How], list[int]] = {}
    waiting = list(pieces)
    for at, piece in enumerate(waiting):
        groups.setdefault((id(piece.post), id(piece.rows.places), piece.how), []).append(at)
    kept: list[Piece | None] = list(waiting)
    passed: list[tuple[int, Piece]] = []
    for members in groups.values():
        keys = np.concatenate([waiting[at].rows.key for at in members])
        newest = _newest(keys, np.concatenate([waiting[at].rows.ts for at in members]))
        if newest.all():
            continue
        start = 0
        for at in members:
            piece = waiting[at]
            mine = newest[start : start + len(piece)]
            start += len(piece)
            if not mine.all():
                kept[at] = piece.only(mine) if mine.any() else None
                passed.append((at, piece.only(~mine)))
    return deque(piece for piece in kept if piece is not None), [piece for _, piece in sorted(passed, key=_place)]


def _place(passed: tuple[int, Piece]) -> int:
    return passed[0]


def _newest(keys: Array, ts: Array) -> Array:
    order = np.argsort(ts, kind="stable")
    last = np.zeros(int(keys.max()) + 1, np.int64)
    last[keys[order]] = order  # of one key's assignments the last stands
    newest = np.zeros(len(keys), bool)
    newest[last[keys]] = True
    return newest
