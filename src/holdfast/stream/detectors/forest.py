"""`forest`: is this a place where this series hardly ever is? Half-space trees, Tan, Ting and Liu 2011 (IJCAI).

Each tree halves the space of a few features again and again, and counts how many readings of the last full stretch fell
into each part; a reading in parts of little mass is unusual. The trees' cuts are drawn once, from a fixed sequence, and
are the same for every series: only the counts belong to a series, so it's columnar, and a replay gives the same bits.
The features are each column's value and its distance to its own short mean, each by the series' usual deviation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.baselines import Baseline, Usual, usable
from holdfast.stream.detectors.ports import Kind, Scope, Scores, rounds, told
from holdfast.stream.detectors.tails import ONE_IN, Tail

Array = NDArray[Any]

TREES, DEPTH, STRETCH = 24, 6, 250
NODES = 2 ** (DEPTH + 1) - 1
_ENOUGH = 0.1 * STRETCH  # a part of less mass isn't looked into further, as in the paper
_SHORT = 5.0  # readings: memory of the short mean
_HALF = 2.0  # deviations at which half of the room to either side is used up; no value is beyond it
_LEAST = 0.05  # the smallest difference of the logarithms of masses that counts


def grown(features: int) -> tuple[Array, Array]:
    """Each inner node's feature and threshold in [0, 1], shape (TREES, 2**DEPTH - 1), by the paper's rule.

    A tree's space is stretched about a drawn centre, so that trees differ, and then halved. The draws are fractions of
    multiples of irrational numbers (Weyl 1916): there is nothing to seed.
    """
    inner = 2**DEPTH - 1
    tree, node = np.arange(1, TREES + 1)[:, None], np.arange(1, inner + 1)[None, :]
    which = (((tree * np.sqrt(2) + node * np.sqrt(3) + tree * node * np.sqrt(5)) % 1) * features).astype(np.int64)
    centre = (np.arange(1, TREES + 1)[:, None] * np.sqrt(7) + np.arange(1, features + 1)[None, :] * np.sqrt(11)) % 1
    reach = 2 * np.maximum(centre, 1 - centre)
    low = np.repeat((centre - reach)[:, None, :], inner, axis=1)
    high = np.repeat((centre + reach)[:, None, :], inner, axis=1)
    threshold = np.zeros((TREES, inner))
    for i in range(inner):
        at = np.arange(TREES), which[:, i]
        threshold[:, i] = middle = (low[at[0], i, at[1]] + high[at[0], i, at[1]]) / 2
        for child, bounds in ((2 * i + 1, high), (2 * i + 2, low)):
            if child < inner:
                low[:, child], high[:, child] = low[:, i], high[:, i]
                bounds[at[0], child, at[1]] = middle
    return which, threshold


class Forest:
    """The detector over many series of one or more columns; its memory is in the scope, by slot."""

    def __init__(self, scope: Scope, columns: Sequence[str], one_in: float) -> None:
        self._scope, self._columns = scope, len(columns)
        of = [""] if len(columns) == 1 else [f" of {name}" for name in columns]
        self.aspects: Sequence[str] = [f"{what}{c}" for what in ("value", "value against its short mean") for c in of]
        self._baselines = [Baseline(scope, f"base{c}") for c in range(self._columns)]
        self._tail = Tail(scope, one_in, least=_LEAST)
        self._which, self._threshold = grown(2 * self._columns)
        scope.declare("short", float, 0.0, self._columns)
        scope.declare("seen", np.int64, 0)
        scope.declare("mass", np.uint8, 0, TREES * NODES)
        scope.declare("next_mass", np.uint8, 0, TREES * NODES)

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:  # noqa: ARG002  # it counts readings
        """See `Detector`."""
        table = values[:, None] if values.ndim == 1 else values
        out = Scores.none(len(slots))
        for at in rounds(slots, np.logical_and.reduce(usable(table), axis=1)):
            usual = [b.take(slots[at], table[at, c]) for c, b in enumerate(self._baselines)]
            self._round(slots[at], usual, at, out)
        return out

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(self.aspects[int(scores.aspect[row])], scores, row)

    def _round(self, slots: Array, usual: Sequence[Usual], at: Array, out: Scores) -> None:
        """One reading per series."""
        state = self._scope
        seen = state["seen"][slots]
        state["seen"][slots] = seen + 1
        x = np.stack([u.x for u in usual], axis=1)
        deviation = np.stack([u.deviation for u in usual], axis=1)
        short = np.where(seen[:, None] > 0, state["short"][slots], x)
        state["short"][slots] = short + (x - short) / _SHORT
        off = np.concatenate([np.stack([u.off for u in usual], axis=1), (x - short) / deviation], axis=1)
        path = self._path(0.5 + 0.5 * off / (_HALF + np.abs(off)))
        judged = np.flatnonzero(seen >= STRETCH)
        if len(judged):
            rarity = self._rarity(slots[judged], path[judged])
            out.score[at[judged]] = self._tail.score(slots[judged], rarity)
            self._tail.learn(slots[judged], rarity)
        self._show(at, off, usual, short, out)
        state["next_mass"][slots[:, None], path.reshape(len(slots), -1)] += 1
        turned = slots[(seen + 1) % STRETCH == 0]
        state["mass"][turned] = state["next_mass"][turned]
        state["next_mass"][turned] = 0

    def _path(self, features: Array) -> Array:
        """The nodes that a reading comes through, shape (n, trees, depth + 1), numbered over all trees."""
        n, tree = len(features), np.arange(TREES)
        rows, node = np.arange(n)[:, None], np.zeros((n, TREES), np.int64)
        path = np.empty((n, TREES, DEPTH + 1), np.int64)
        for depth in range(DEPTH + 1):
            path[:, :, depth] = node + tree * NODES
            if depth < DEPTH:
                right = features[rows, self._which[tree, node]] >= self._threshold[tree, node]
                node = 2 * node + 1 + right
        return path

    def _rarity(self, slots: Array, path: Array) -> Array:
        """0 or more: the logarithm of how much less mass there is than if all were in one place, over the trees."""
        mass = self._scope["mass"][slots[:, None], path.reshape(len(slots), -1)].reshape(path.shape)
        small = mass <= _ENOUGH
        small[:, :, DEPTH] = True
        depth = small.argmax(axis=2)
        there = np.take_along_axis(mass, depth[:, :, None], axis=2)[:, :, 0]
        score = (there * 2.0**depth).mean(axis=1)
        rarity: Array = np.log((STRETCH * 2.0**DEPTH + 1) / (score + 1))
        return rarity

    def _show(self, at: Array, off: Array, usual: Sequence[Usual], short: Array, out: Scores) -> None:
        """The evidence: the feature that is furthest off."""
        rows, feature = np.arange(len(off)), np.abs(off).argmax(axis=1)
        column = feature % self._columns
        origin = np.stack([u.origin for u in usual], axis=1)[rows, column]
        x = np.stack([u.x for u in usual], axis=1)[rows, column]
        mean = np.stack([u.mean for u in usual], axis=1)[rows, column]
        out.aspect[at] = feature
        out.seen[at] = x + origin
        out.expected[at] = np.where(feature < self._columns, mean, short[rows, column]) + origin
        out.deviations[at] = np.minimum(np.abs(off[rows, feature]), 1e6)


def _make(scope: Scope, options: Mapping[str, float], columns: Sequence[str]) -> Forest:
    return Forest(scope, columns, options["one_in"])


KIND = Kind(
    name="forest",
    make=_make,
    options=(ONE_IN,),
    finds="readings and steps in places where the series hardly ever is, between its usual values as well as outside",
    blind="order in time beyond one step; how far outside a reading is; after 250 readings of a fault that's its "
    "place; readings of which a column is missing",
    cost="O(24 trees of depth 6) per reading; 6,200 bytes a series of one column, 80 for each more",
    reference="Tan, Ting and Liu 2011, Fast Anomaly Detection for Streaming Data (IJCAI)",
    columns=(1, 8),
)
