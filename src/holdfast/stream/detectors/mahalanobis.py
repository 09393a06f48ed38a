"""`mahalanobis`: how far a reading of several columns is from the usual, given how the columns usually go together.

Finds a pressure that is usual and a flow that is usual, but never together. With `lag` the columns are also seen as
they were that many readings ago, so that a column that should follow another and begins to trail is found. Columns that
are missing are left out exactly: the distance is of those that are there (Mahalanobis 1936).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.columns import ByRow
from holdfast.stream.detectors.moments import Moments, normal
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, scored

Array = NDArray[Any]


class Mahalanobis(ByRow):
    """The detector; what it remembers is in `scope`, by slot."""

    def __init__(self, scope: Scope, options: Mapping[str, float], columns: Sequence[str]) -> None:
        self._state, self._k, self._lag = scope, len(columns), int(options["lag"])
        self.aspects = columns
        self._alarm, self._learn = options["alarm"], options["learn"]
        self._moments = Moments(scope, self._k * (2 if self._lag else 1), options["memory"])
        if self._lag:
            scope.declare("past", float, np.nan, self._k * self._lag)
            scope.declare("place", np.int64, 0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        name, seen, usual = self.aspects[int(scores.aspect[row])], scores.seen[row], scores.expected[row]
        return f"{name} is {seen:.6g}; with the other columns as they are, {usual:.6g} would be usual"

    def _round(self, slots: Array, values: Array, at: Array, out: Scores) -> None:
        """One reading per series."""
        wide = np.concatenate([values, self._earlier(slots, values)], axis=1) if self._lag else values
        moments = self._moments
        off, there = moments.centred(slots, wide)
        deviation = moments.deviation(slots)
        z = np.clip(off / deviation, -1e6, 1e6)
        precise = np.linalg.inv(_without(moments.correlation(slots), there))
        pulled = (precise * z[:, None, :]).sum(axis=2)
        squares = np.maximum((pulled * z).sum(axis=1), 0.0)
        far = np.maximum(normal(squares, there.sum(axis=1)), 0.0)
        known = moments.seen(slots) >= np.maximum(self._learn, 5 * wide.shape[1])
        out.score[at] = np.where(known, scored(far, self._alarm), 0.0)
        own = np.sqrt(precise.diagonal(axis1=1, axis2=2))
        apart = (pulled / own)[:, : self._k]
        column, rows = np.abs(np.where(there[:, : self._k], apart, 0.0)).argmax(axis=1), np.arange(len(at))
        out.aspect[at] = column
        out.seen[at] = values[rows, column]
        out.expected[at] = values[rows, column] - (apart / own[:, : self._k] * deviation[:, : self._k])[rows, column]
        out.deviations[at] = np.abs(apart[rows, column])
        moments.learn(slots, off, there)

    def _earlier(self, slots: Array, values: Array) -> Array:
        """The columns `lag` readings ago, NaN where there was none; these are kept for later."""
        place = self._state["place"][slots]
        past = self._state["past"][slots].reshape(-1, self._lag, self._k)
        rows = np.arange(len(slots))
        earlier = past[rows, place].copy()
        past[rows, place] = values
        self._state["past"][slots] = past.reshape(len(slots), -1)
        self._state["place"][slots] = (place + 1) % self._lag
        return earlier


def _without(correlation: Array, there: Array) -> Array:
    """The same with missing columns independent of all, so that the inverse is that of the others alone."""
    both = there[:, :, None] & there[:, None, :]
    return np.where(both, correlation, np.eye(correlation.shape[1]))


KIND = Kind(
    name="mahalanobis",
    make=Mahalanobis,
    options=(
        Option("alarm", 6, "deviations", "of a normal variable that is as unlikely", 0.5, 1e3),
        Option("learn", 100, "readings", "before the first score; at least 5 a column", 10, 1e6),
        Option("memory", 2000, "readings", "that mean and covariance remember", 50, 1e7),
        Option("lag", 0, "readings", "ago at which the columns are looked at too; 0: only now", 0, 60),
    ),
    finds="columns that don't go together as usual, though each alone may; with lag, one that trails the other",
    blind="what creeps in over its memory; bends: only straight relations; a lag far from the one given",
    cost="O(columns³) per reading; 712 bytes at 8 columns, about 2.5 kB and 64 a reading of lag with lag",
    reference="Mahalanobis 1936; shrinkage: Ledoit and Wolf 2004; Wilson and Hilferty 1931",
    columns=(2, 16),
)
