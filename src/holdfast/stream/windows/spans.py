"""What evaluations looked at, as pieces of columns of samples; and the facts of a window itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import EVIDENCE, Samples
from holdfast.stream.plans import Call
from holdfast.stream.rows import Rows

Array = NDArray[Any]
NS = 1e9
MESSAGES = -1
"""The column of messages, whatever they bring."""
QUALITIES = frozenset({"good", "uncertain", "bad"})


@dataclass(frozen=True, slots=True)
class Span:
    """Evaluation e saw the samples lo[e]:hi[e]."""

    ts: Array
    value: Array
    lo: Array
    hi: Array


@dataclass(frozen=True, slots=True)
class SpanEvidence:
    """By message column. Good until the stage takes the next messages."""

    spans: dict[int, Span]

    def samples(self, at: int, column: int) -> Samples:
        """See `Evidence`."""
        span = self.spans.get(column)
        if span is None:
            return [], []
        hi = int(span.hi[at])
        lo = max(int(span.lo[at]), hi - EVIDENCE)
        return span.ts[lo:hi].tolist(), span.value[lo:hi].tolist()


def fact(kind: str, start: Array, end: Array, messages: Any) -> Array:
    """A fact of windows themselves: when they began and ended, s since the epoch, and how many messages they had."""
    match kind:
        case "window_start":
            return np.asarray(start / NS)
        case "window_end":
            return np.asarray(end / NS)
        case "window_seconds":
            return np.asarray((end - start) / NS)
        case "messages" | "count":
            return np.asarray(messages, np.float64)
        case "final":
            return np.ones(len(end))
        case "revision":
            return np.zeros(len(end))
        case "ts":
            return np.asarray(end, np.float64)
        case _:
            raise ValueError(f"no fact of a window: {kind}")


def column_of(call: Call) -> int:
    """Where a call finds its samples: a message column, `MESSAGES` for a fact, `quality(i)` for counts by quality."""
    return quality(call.column) if call.kind in QUALITIES else call.column


def quality(column: int) -> int:
    """The column of the quality bytes of a message column, whose samples are the values told, usable or not."""
    return -2 - column


def samples_of(rows: Rows, column: int, within: Array | None = None) -> tuple[Array, Array]:
    """Which messages bring a sample of a column, shape (M,), and the samples.

    within: which messages may; those that count unless it's about quality.
    """
    if column <= quality(0):
        i = quality(column)
        told = rows.told[i] if rows.told is not None else np.zeros(len(rows), np.bool_)
        mine = told if within is None else told & within
        return mine, (rows.quality[i][mine].astype(np.float64) if rows.quality is not None else np.empty(0))
    value = rows.columns[column] if column >= 0 else np.zeros(len(rows))
    found = value == value  # noqa: PLR0124 - NaN is not equal to itself
    for other in (rows.live, None if column < 0 else rows.fresh[column], within):
        if other is not None:
            found = found & other
    return np.asarray(found), np.asarray(value[found])
