"""The last N samples of each column of a key, in order of arrival; `each` is N = 1.

Every message that counts is an evaluation; a column that isn't in it keeps its window.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates.tape_windows import TapeWindows
from holdfast.stream.evaluations import EVIDENCE, Evaluations, Samples
from holdfast.stream.plans import StagePlan
from holdfast.stream.rows import Rows, Skipped
from holdfast.stream.state import State
from holdfast.stream.windows.tapes import Ring, Tape

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _TapeEvidence:
    """`ends[column][e]` is where evaluation e's window ends on the column's tape."""

    tapes: dict[int, Tape]
    ends: dict[int, Array]

    def samples(self, at: int, column: int) -> Samples:
        """See `Evidence`."""
        tape = self.tapes.get(column)
        return ([], []) if tape is None else tape.last(int(self.ends[column][at]), min(tape.width, EVIDENCE))


class LastSamples:
    """One stage's windows of the last N samples."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._plan = plan
        self._width = plan.window.samples
        used = {c.column for c in plan.calls if c.column >= 0} | set(range(len(plan.metrics)))
        self._rings = {i: Ring(state, f"ring{i}", self._width) for i in sorted(used)}

    def feed(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, Skipped | None]:  # noqa: ARG002 - the port's
        """Every message is an evaluation; none is ever late."""
        counted = rows.counting()
        if counted is None:
            return None, None
        rows, n = counted, self._width
        windows, tapes, ends = {}, {}, {}
        for i, ring in self._rings.items():
            fresh = rows.fresh[i]
            if fresh is None:
                tape = ring.splice(rows.slots, rows.firsts, rows.key, rows.ts, rows.columns[i])
                starts = rows.key * n
                starts += np.arange(1, len(starts) + 1)
            else:
                seen = np.cumsum(fresh)
                firsts = seen[rows.firsts] - fresh[rows.firsts]
                tape = ring.splice(rows.slots, firsts, rows.key[fresh], rows.ts[fresh], rows.columns[i][fresh])
                starts = rows.key * n + seen
            windows[i] = TapeWindows(tape.values, tape.ts, n, starts)
            tapes[i], ends[i] = tape, starts + n
        inputs = [windows[c.column].get(c) if c.column >= 0 else _fact(c.kind, rows) for c in self._plan.calls]
        evidence = _TapeEvidence(tapes, ends)
        return Evaluations(rows.slots, rows.firsts, rows.row, rows.ts, inputs, evidence), None

    def close(self, times: Array) -> None:  # noqa: ARG002 - the windowing port's
        """Nothing is ever due: samples decide, not time."""
        return


def _fact(kind: str, rows: Rows) -> Any:
    """A fact of the window itself: it ends with the message, and is never revised."""
    return {"window_end": rows.ts / 1e9, "revision": 0.0, "final": 1.0}.get(kind, np.nan)
