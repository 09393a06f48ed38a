"""`pca`: readings of many columns against the few directions in which they usually move together.

T² says that they moved far in the usual directions, Q (the squared prediction error) that they left them (Jackson and
Mudholkar 1979). The directions are taken anew from the running covariance after every `_EVERY` readings of a series, so
that they don't depend on batches. Columns that are missing are taken at their means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.columns import ByRow
from holdfast.stream.detectors.moments import Moments, normal
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, scored

Array = NDArray[Any]
_EVERY = 50
_LEAST = 1e-3  # variance of a direction, of a column's own


class Pca(ByRow):
    """The detector; what it remembers is in `scope`, by slot."""

    def __init__(self, scope: Scope, options: Mapping[str, float], columns: Sequence[str]) -> None:
        self._state, self._k, self.aspects = scope, len(columns), columns
        self._rank = min(int(options["rank"]), self._k - 1)
        self._alarm, self._learn = options["alarm"], options["learn"]
        self._moments = Moments(scope, self._k, options["memory"])
        scope.declare("directions", float, 0.0, self._k * self._k)
        scope.declare("spreads", float, 1.0, self._k)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        name, seen, usual = self.aspects[int(scores.aspect[row])], scores.seen[row], scores.expected[row]
        return f"{name} is {seen:.6g}; the directions in which the columns usually move give {usual:.6g}"

    def _round(self, slots: Array, values: Array, at: Array, out: Scores) -> None:
        """One reading per series."""
        moments, rank = self._moments, self._rank
        off, there = moments.centred(slots, values)
        deviation, usual = moments.deviation(slots), moments.usual(slots)
        z = np.clip(off / deviation, -1e6, 1e6)
        directions = self._state["directions"][slots].reshape(-1, self._k, self._k)
        spreads = self._state["spreads"][slots]
        along = (directions * z[:, :, None]).sum(axis=1)
        t2 = (along[:, :rank] ** 2 / spreads[:, :rank]).sum(axis=1)
        q = (along[:, rank:] ** 2).sum(axis=1)
        mean, square = spreads[:, rank:].sum(axis=1), (spreads[:, rank:] ** 2).sum(axis=1)
        far_q = normal(q * mean / square, mean**2 / square)  # a sum of unequal squares as Box 1954 has it
        far = np.maximum(np.maximum(normal(t2, np.full(len(at), float(rank))), far_q), 0.0)
        known = moments.seen(slots) >= np.maximum(self._learn, _EVERY)
        out.score[at] = np.where(known, scored(far, self._alarm), 0.0)
        explained = (directions[:, :, :rank] * along[:, None, :rank]).sum(axis=2)
        apart = np.where(there, z - explained, 0.0)
        column, rows = np.abs(apart).argmax(axis=1), np.arange(len(at))
        out.aspect[at] = column
        out.seen[at] = np.where(there, values, usual)[rows, column]
        out.expected[at] = (usual + explained * deviation)[rows, column]
        out.deviations[at] = np.abs(apart[rows, column])
        moments.learn(slots, off, there)
        self._turn(slots)

    def _turn(self, slots: Array) -> None:
        """Take the directions anew where it is time."""
        which = slots[self._moments.seen(slots) % _EVERY == 0]
        if len(which):
            spreads, directions = np.linalg.eigh(self._moments.correlation(which))
            self._state["spreads"][which] = np.maximum(spreads[:, ::-1], _LEAST)
            self._state["directions"][which] = directions[:, :, ::-1].reshape(len(which), -1)


KIND = Kind(
    name="pca",
    make=Pca,
    options=(
        Option("rank", 3, "directions", "in which the columns usually move; fewer than columns", 1, 15),
        Option("alarm", 6, "deviations", "of a normal variable that is as unlikely", 0.5, 1e3),
        Option("learn", 100, "readings", "before the first score", 50, 1e6),
        Option("memory", 2000, "readings", "that mean and covariance remember", 50, 1e7),
    ),
    finds="many columns that leave the few directions in which they usually move, or go far along them",
    blind="what creeps in over its memory; bends; a fault within the directions that stays in their usual range",
    cost="O(columns²) per reading, O(columns³) each 50; 8 x (2 columns² + 4 columns + 1) bytes, 1,288 at 8",
    reference="Q: Jackson and Mudholkar 1979; Box 1954; T²: Hotelling 1947",
    columns=(2, 16),
)
