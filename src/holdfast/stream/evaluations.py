"""What windows hand to a rule: input columns for every evaluation, and where each window's samples are."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from holdfast.stream.rows import Rows, Skipped
from holdfast.stream.tapes import Tape

Array = NDArray[Any]

EVIDENCE = 20
"""How many of a window's samples an alert shows."""


@dataclass(frozen=True, slots=True)
class Evaluations:
    """E evaluations of one rule, grouped by device.

    slots, firsts: each device's slot and first evaluation, shape (D,)
    row:    the deciding row's position in the batch, shape (E,)
    ts:     event time of the decision, shape (E,)
    inputs: the plan's input columns, each of shape (E,) or one number
    tapes:  per metric, the samples; `ends[m][e]` is where evaluation e's window ends on it, exclusive,
    sizes:  and `sizes[m][e]` how many samples before that belong to it (None: as many as there are, up to the ring)
    """

    slots: Array
    firsts: Array
    row: Array
    ts: Array
    inputs: list[Any]
    tapes: list[Tape]
    ends: list[Array]
    sizes: list[Array | None]

    def samples(self, at: int, metric: int) -> tuple[list[int], list[float]]:
        """Times and values of the last samples in the window of evaluation `at`."""
        tape, sizes = self.tapes[metric], self.sizes[metric]
        size = tape.width if sizes is None else int(sizes[at])
        return tape.last(int(self.ends[metric][at]), min(size, EVIDENCE))


class Windowing(Protocol):
    """How a rule cuts its samples into windows; keeps its memory in the rule's `State`."""

    def feed(self, rows: Rows) -> tuple[Evaluations | None, Skipped | None]:
        """Take rows in: the evaluations they cause, and the rows that came too late."""
        ...

    def close(self, now_ns: int) -> Evaluations | None:
        """The evaluations that are due because time passed."""
        ...
