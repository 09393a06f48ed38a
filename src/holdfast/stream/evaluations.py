"""What windows hand to rules: one column per aggregate call, when each evaluation was, and what it looked at."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from holdfast.stream.rows import Rows, Skipped

Array = NDArray[Any]

EVIDENCE = 20
"""How many of a window's samples an alert shows."""

Samples = tuple[list[int], list[float]]
"""Times (ns) and values."""


class Evidence(Protocol):
    """What evaluations looked at; asked only for those that decide something."""

    def samples(self, at: int, column: int) -> Samples:
        """The last samples (at most `EVIDENCE`) of a message column in the window of evaluation `at`."""
        ...


@dataclass(frozen=True, slots=True)
class Evaluations:
    """E evaluations of one stage, grouped by key, within a key in the order in which they came to be.

    slots, firsts: each key's slot and first evaluation, shape (K,)
    row:      the deciding message's position in the batch, shape (E,); -1: time decided
    ts:       event time of the decision, shape (E,): the message's, or a window's end
    inputs:   the stage's calls, each of shape (E,) or one number
    evidence: what they looked at
    start:    where each window begins, shape (E,), ns; None where windows aren't cut by time
    revision: how often each window was evaluated before, shape (E,); None: never
    final:    whether it won't be revised any more, shape (E,); None: all
    """

    slots: Array
    firsts: Array
    row: Array
    ts: Array
    inputs: list[Any]
    evidence: Evidence
    start: Array | None = None
    revision: Array | None = None
    final: Array | None = None


class Windowing(Protocol):
    """How a stage cuts its messages into windows; keeps its memory in the stage's `State`.

    stirred: whether the last `close` changed anything there, with an evaluation or without
    """

    stirred: bool

    def feed(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, Skipped | None]:
        """Take messages in: the evaluations they cause, and those that came too late.

        newest: the newest event time of the message's key so far, it included, shape (M,)
        """
        ...

    def close(self, times: Array) -> Evaluations | None:
        """The evaluations that are due because time passed. times: what time it is for each slot, shape (slots,)."""
        ...
