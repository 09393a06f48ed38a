"""The last N samples of each column of a key, in order of arrival; `each` is N = 1.

Every message that counts is an evaluation; a column that isn't in it keeps its window.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.quality import QUALITY_MASK
from holdfast.stream.aggregates.segments import Arrivals
from holdfast.stream.aggregates.tape_windows import KINDS, TapeWindows
from holdfast.stream.evaluations import EVIDENCE, Evaluations, Samples
from holdfast.stream.plans import Call, StagePlan
from holdfast.stream.rows import Rows, Skipped
from holdfast.stream.state import State
from holdfast.stream.windows.spans import column_of, quality, samples_of
from holdfast.stream.windows.tapes import Ring, Rings, Tape

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


class _NoneOdd:
    """The counts of what isn't good, where all of it is."""

    @staticmethod
    def get(call: Call) -> float:  # noqa: ARG004 - as `Arrivals`
        """None of it."""
        return 0.0


_NONE_ODD = _NoneOdd()


class LastSamples:
    """One stage's windows of the last N samples."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._plan = plan
        self._width = plan.window.samples
        used = {c.column for c in plan.calls if c.column >= 0} | set(range(len(plan.metrics)))
        more = {column_of(c) for c in plan.calls if c.column >= 0 and c.kind not in KINDS}
        self._by_time, self._rated = sorted(c for c in more if c >= 0), sorted(c for c in more if c < 0)
        kinds = {
            c: {call.kind for call in plan.calls if column_of(call) == c and call.column >= 0} for c in self._rated
        }
        folded = [c for c in plan.calls if c.column >= 0 and c.kind in KINDS]
        self._folded = sorted({c.column for c in folded})
        self._lasting = set(self._folded) - {c.column for c in folded if c.kind != "last"}
        """Columns of which only the newest sample is asked for."""
        self._quieted = {c for c in self._rated if kinds[c] <= {"uncertain", "bad"}}
        """Columns of which only what isn't good is counted."""
        self._state, self._puts, self._odd = state, -1, dict[int, int]()
        """By column how many more batches its rings are taken to hold an odd one; 0: they don't. Unknown: look."""
        self._marks = {quality(c): Ring(state, f"rated{quality(c)}", self._width) for c in self._rated}
        shown = max(self._width, plan.window.shown)
        wide = {i for i, one in enumerate(plan.inputs) if one.kind == "own"}
        self._rings = {i: Ring(state, f"ring{i}", shown if i in wide else self._width) for i in sorted(used)}
        self._groups = [
            (some, Rings(state, [f"ring{i}" for i in some], width))
            for width in dict.fromkeys((shown, self._width))
            if (some := [i for i, ring in self._rings.items() if ring.width == width])
        ]

    def feed(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, Skipped | None]:  # noqa: ARG002 - the port's
        """Every message is an evaluation; none is ever late."""
        others: dict[int, Arrivals | _NoneOdd] = {column: self._rate(rows, quality(column)) for column in self._rated}
        counted = rows.counting()
        if counted is None:
            return None, None
        rows, n = counted, self._width
        tapes, ends = dict[int, Tape](), dict[int, Array]()
        for some, rings in self._groups:
            if any(rows.fresh[i] is not None for i in some):
                for i in some:
                    tapes[i], ends[i] = self._splice(rows, i)
                continue
            values = np.array([rows.columns[i] for i in some])
            tapes.update(zip(some, rings.splice(rows.slots, rows.firsts, rows.key, rows.ts, values), strict=True))
            width = tapes[some[0]].width
            ends.update(dict.fromkeys(some, rows.key * width + np.arange(1 + width, len(rows) + 1 + width)))
        for i in self._by_time:
            others[i] = _by_time(tapes[i], ends[i], n)
        windows = dict[int, TapeWindows]()
        for i in self._folded:
            if rows.fresh[i] is not None or i not in self._lasting:
                windows[i] = TapeWindows(tapes[i].values, tapes[i].ts, n, ends[i] - n)
        inputs = [
            _fact(c.kind, rows)
            if c.column < 0
            else others[column_of(c)].get(c)
            if c.kind not in KINDS
            else windows[c.column].get(c)
            if c.column in windows
            else rows.columns[c.column]  # the newest sample is the message's own
            for c in self._plan.calls
        ]
        evidence = _TapeEvidence(tapes, ends)
        return Evaluations(rows.slots, rows.firsts, rows.row, rows.ts, inputs, evidence), None

    def _splice(self, rows: Rows, i: int) -> tuple[Tape, Array]:
        """The tape of one column, and where each message's window ends on it."""
        ring, fresh = self._rings[i], rows.fresh[i]
        if fresh is None:
            tape = ring.splice(rows.slots, rows.firsts, rows.key, rows.ts, rows.columns[i])
            return tape, rows.key * tape.width + np.arange(1 + tape.width, len(rows) + 1 + tape.width)
        seen = np.cumsum(fresh)
        firsts = seen[rows.firsts] - fresh[rows.firsts]
        tape = ring.splice(rows.slots, firsts, rows.key[fresh], rows.ts[fresh], rows.columns[i][fresh])
        return tape, rows.key * tape.width + seen + tape.width

    def _rate(self, rows: Rows, column: int) -> "Arrivals | _NoneOdd":
        """The last values that were told of a column, usable or not, by their quality; for messages that count."""
        if self._puts != self._state.puts:
            self._puts = self._state.puts
            self._odd.clear()
        if rows.is_good and quality(column) in self._quieted and self._is_calm(column):
            return _NONE_ODD  # good ones push nothing out of a ring without odd ones
        self._odd[column] = self._odd.get(column, 0) or self._width  # until then none falls out of every ring
        told, codes = samples_of(rows, quality(column))
        seen = np.cumsum(told)
        firsts = seen[rows.firsts] - told[rows.firsts]
        tape = self._marks[column].splice(rows.slots, firsts, rows.key[told], rows.ts[told], codes)
        ends = rows.key * self._width + seen + self._width
        return _by_time(tape, ends if rows.live is None else ends[rows.live], self._width)

    def _is_calm(self, column: int) -> bool:
        left = self._odd.get(column, 1) - 1
        if left > 0:
            self._odd[column] = left
        elif left == 0:
            codes = np.nan_to_num(self._marks[column].kept).astype(np.int64)
            self._odd[column] = self._width if (codes & QUALITY_MASK).any() else 0
        return self._odd[column] <= 0

    stirred = False

    def close(self, times: Array) -> None:  # noqa: ARG002 - the windowing port's
        """Nothing is ever due: samples decide, not time."""
        return


def _by_time(tape: Tape, ends: Array, width: int) -> Arrivals:
    """The windows that end there, for aggregates that want samples by time; a place without a sample is left out."""
    known = tape.values == tape.values
    ts, value = tape.ts[known], tape.values[known]
    place = np.append(0, np.cumsum(known))
    lo, hi = place[ends - width], place[ends]
    falls = np.append(0, np.cumsum(ts[1:] < ts[:-1]))
    last = max(len(falls) - 1, 0)
    return Arrivals(ts, value, lo, hi, falls[np.clip(hi - 1, 0, last)] <= falls[np.minimum(lo, last)])


def _fact(kind: str, rows: Rows) -> Any:
    """A fact of the window itself: it ends with the message, and is never revised."""
    return {"window_end": rows.ts / 1e9, "revision": 0.0, "final": 1.0}.get(kind, np.nan)
