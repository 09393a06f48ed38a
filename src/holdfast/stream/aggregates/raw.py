"""Windows as they are: the last N samples of each, laid out only for the evaluations that are asked for."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
KIND = "samples"
"""The call: `samples`, of N."""


class Samples(Protocol):
    """What a call of `samples` gives: the last N samples of each window, laid out only when they're asked for."""

    def take(self, at: Array) -> Array:
        """Those of the evaluations `at`, shape (n, N), oldest first; NaN in front where there are fewer."""
        ...


@dataclass(frozen=True, slots=True)
class TapeSamples:
    """`Samples` of a tape: each window is `wide` places from `starts` on; the last `count` of them are wanted."""

    column: Array
    starts: Array
    wide: int
    count: int

    def take(self, at: Array) -> Array:
        """See `Samples`."""
        if len(self.column) < self.count:
            return np.full((len(at), self.count), np.nan)
        view = np.lib.stride_tricks.sliding_window_view(self.column, self.count)
        return np.asarray(view[self.starts[at] + (self.wide - self.count)])


@dataclass(frozen=True, slots=True)
class SpanSamples:
    """`Samples` of pieces value[lo:hi] in order of arrival. is_sorted: which of them are in order of time, too."""

    ts: Array
    value: Array
    lo: Array
    hi: Array
    is_sorted: Array
    count: int

    def take(self, at: Array) -> Array:
        """See `Samples`."""
        lo, hi = self.lo[at], self.hi[at]
        steps = np.arange(-self.count, 0)
        places = hi[:, None] + steps
        known = places >= lo[:, None]
        out = np.where(known, self.value[np.where(known, places, 0)], np.nan) if len(self.value) else _none(known)
        for i in np.flatnonzero(~self.is_sorted[at]).tolist():
            order = np.argsort(self.ts[lo[i] : hi[i]], kind="stable")[-self.count :]
            out[i] = np.nan
            out[i, self.count - len(order) :] = self.value[lo[i] : hi[i]][order]
        return np.asarray(out)


def _none(known: Array) -> Array:
    return np.full(known.shape, np.nan)
