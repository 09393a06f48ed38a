"""The last samples of every key, for evidence: what an alert shows of its window.

State per slot and column: `values` and `ts` of the last `EVIDENCE` samples, written round and round; `count`: how many
there ever were. A batch costs by its samples, not by its keys.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import EVIDENCE, Samples
from holdfast.stream.state import State

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Trace:
    """One column's samples of several keys: those of before, and a batch's, which come at ascending positions.

    old_ts, old_values: shape (K, EVIDENCE), NaN for none; turn: the oldest is at turn % EVIDENCE, shape (K,)
    firsts: each key's first new sample, shape (K,)
    """

    old_ts: Array
    old_values: Array
    turn: Array
    firsts: Array
    at: Array
    ts: Array
    values: Array

    def last(self, key: int, before: int, start: int, end: int) -> Samples:
        """Of the last `EVIDENCE` samples of a key before position `before` those of [start, end)."""
        new = slice(int(self.firsts[key]), int(np.searchsorted(self.at, before)))
        turn = -(int(self.turn[key]) % EVIDENCE)
        ts = np.roll(self.old_ts[key], turn).tolist() + self.ts[new].tolist()
        values = np.roll(self.old_values[key], turn).tolist() + self.values[new].tolist()
        pairs = [(t, v) for t, v in zip(ts, values, strict=True) if v == v][-EVIDENCE:]  # noqa: PLR0124 - NaN
        found = [(t, v) for t, v in pairs if start <= t < end]
        return [t for t, _ in found], [v for _, v in found]


class Recent:
    """One column's last samples."""

    def __init__(self, state: State, name: str) -> None:
        self._state = state
        self._values, self._ts, self._count = f"{name}.values", f"{name}.ts", f"{name}.count"
        state.declare(self._values, np.float64, np.nan, EVIDENCE)
        state.declare(self._ts, np.int64, 0, EVIDENCE)
        state.declare(self._count, np.int64, 0)

    def append(self, slots: Array, key: Array, ts: Array, values: Array) -> None:
        """Take samples in; slots (K,); key: of each sample, 0..K-1 ascending, not all need be there."""
        had = self._state[self._count]
        if len(key) == 1:
            slot = int(slots[key[0]])
            turn = int(had[slot]) % EVIDENCE
            self._state[self._values][slot, turn], self._state[self._ts][slot, turn] = values[0], ts[0]
            had[slot] += 1
            return
        counts = np.bincount(key, minlength=len(slots))
        before = had[slots]
        place = np.arange(len(key))
        place += (before - (counts.cumsum() - counts))[key]  # how many samples of its slot came before
        place %= EVIDENCE
        place += (slots * EVIDENCE)[key]
        self._state[self._values].reshape(-1)[place] = values  # of several for one place the last one stays
        self._state[self._ts].reshape(-1)[place] = ts
        had[slots] = before + counts

    def trace(self, slots: Array, key: Array, at: Array, ts: Array, values: Array) -> Trace:
        """What evidence needs, with new samples at ascending positions `at`. Before these are appended."""
        old = self._state[self._ts][slots], self._state[self._values][slots], self._state[self._count][slots]
        return Trace(*old, np.searchsorted(key, np.arange(len(slots))), at, ts, values)
