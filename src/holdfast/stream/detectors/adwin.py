"""`adwin`: has the mean drifted? Adaptive windowing, Bifet and Gavaldà 2007 (SIAM SDM).

A window of the past as an exponential histogram; wherever it can be cut into two parts whose means differ by more than
the paper's bound allows, its older part is dropped. The bound is for independent readings: neighbours that are alike
count as fewer of them (effective sample size, Bayley and Hammersley 1946), or else every wave would be drift. With
`alike` 0 it's the paper's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.baselines import ByBaseline, Usual
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, scored, told

Array = NDArray[Any]

ROWS, BUCKETS = 11, 5  # a row's buckets hold twice as many readings as the row's before; 10,235 readings in all
_PLACES = BUCKETS + 1  # one more, until two are merged
_LEAST_PART = 5.0  # readings in either part
_PATIENCE = 100.0  # readings before the first score
_CLIP = 6.0  # deviations: a spike further off isn't drift
_RANGE = 2.0  # deviations: values within [0, 1], as in the paper, have a range of at least two of theirs
_MOST_ALIKE = 0.99


class Adwin(ByBaseline):
    """The detector over many series; its memory is in the scope, by slot."""

    aspects: Sequence[str] = ("mean",)

    def __init__(self, scope: Scope, delta: float, *, alike: bool) -> None:
        super().__init__(scope)
        self._delta, self._alike = delta, alike
        scope.declare("count", np.uint8, 0, ROWS)
        scope.declare("sum", float, 0.0, ROWS * _PLACES)
        scope.declare("square", float, 0.0, ROWS * _PLACES)  # about the bucket's own mean

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told("mean since the series drifted", scores, row)

    def width(self, slots: Array) -> Array:
        """How many readings each window holds."""
        kept: Array = (self._scope["count"][slots] * 2.0 ** np.arange(ROWS)).sum(axis=1)
        return kept

    def _round(self, slots: Array, _ts: Array, usual: Usual, at: Array, out: Scores) -> None:
        """One reading per series."""
        far = np.where(usual.seen > _PATIENCE, _CLIP * usual.deviation, np.inf) if self._alike else np.inf
        self._insert(slots, usual.mean + np.clip(usual.x - usual.mean, -far, far))
        alike = np.minimum(np.maximum(1 - (usual.noise / usual.deviation) ** 2, 0), _MOST_ALIKE)
        fewer = (1 + alike) / (1 - alike) if self._alike else np.ones(len(slots))
        ratio, new, old, deviation = self._cut(slots, fewer, usual.deviation)
        out.score[at] = np.where(usual.seen > _PATIENCE, scored(ratio, 1.0), 0.0)
        out.seen[at], out.expected[at] = new + usual.origin, old + usual.origin
        out.deviations[at] = np.abs(new - old) / deviation
        left = np.flatnonzero(ratio > 1)
        while len(left):
            self._drop_oldest(slots[left])
            left = left[self._cut(slots[left], fewer[left], usual.deviation[left])[0] > 1]

    def _insert(self, slots: Array, x: Array) -> None:
        """The reading as a bucket of its own; of a row with too many, the two oldest become one of the next row."""
        state, square = self._scope, np.zeros(len(slots))
        for row in range(ROWS):
            place = row * _PLACES
            many = state["count"][slots, row]
            state["sum"][slots, place + many] = x
            state["square"][slots, place + many] = square
            state["count"][slots, row] = many + 1
            full = many + 1 == _PLACES
            slots = slots[full]
            if not len(slots):
                return
            if row == ROWS - 1:
                self._shift(slots, row, 1)
                return
            sums, squares = state["sum"][slots, place : place + 2], state["square"][slots, place : place + 2]
            x = sums[:, 0] + sums[:, 1]
            square = squares[:, 0] + squares[:, 1] + (sums[:, 0] - sums[:, 1]) ** 2 / 2 ** (row + 1)
            self._shift(slots, row, 2)

    def _shift(self, slots: Array, row: int, by: int) -> None:
        """The oldest `by` buckets of a row go."""
        state, first, end = self._scope, row * _PLACES, (row + 1) * _PLACES
        for name in ("sum", "square"):
            state[name][slots, first : end - by] = state[name][slots, first + by : end]
            state[name][slots, end - by : end] = 0
        state["count"][slots, row] -= by

    def _drop_oldest(self, slots: Array) -> None:
        oldest = ROWS - 1 - (self._scope["count"][slots, ::-1] > 0).argmax(axis=1)
        for row in np.unique(oldest):
            self._shift(slots[oldest == row], int(row), 1)

    def _cut(self, slots: Array, fewer: Array, usual: Array) -> tuple[Array, Array, Array, Array]:
        """The best cut's difference over the bound; both parts' means; the window's deviation."""
        state, n = self._scope, len(slots)
        held = np.arange(_PLACES) < state["count"][slots][:, :, None]
        size = (held * 2.0 ** np.arange(ROWS)[:, None])[:, ::-1].reshape(n, -1)  # oldest first
        sums = state["sum"][slots].reshape(n, ROWS, _PLACES)[:, ::-1].reshape(n, -1)
        before, sum_before = np.cumsum(size, axis=1), np.cumsum(sums, axis=1)
        width, total = before[:, -1:], sum_before[:, -1:]
        after = width - before
        mean = total / width
        between = np.where(size > 0, (sums / np.maximum(size, 1) - mean) ** 2 * size, 0.0).sum(axis=1)
        variance = (state["square"][slots].sum(axis=1) + between) / width[:, 0]
        old = sum_before / np.maximum(before, 1)
        new = (total - sum_before) / np.maximum(after, 1)
        fit = (size > 0) & (before >= _LEAST_PART) & (after >= _LEAST_PART)
        bound = self._bound(before, after, variance, fewer)
        ratio = np.where(fit, np.abs(new - old) / (bound + 1e-6 * usual[:, None]), 0.0)
        rows, best = np.arange(n), ratio.argmax(axis=1)
        deviation = np.maximum(np.sqrt(variance), 1e-6 * usual)
        return ratio[rows, best], new[rows, best], old[rows, best], deviation

    def _bound(self, before: Array, after: Array, variance: Array, fewer: Array) -> Array:
        """Epsilon of the paper's theorem 3.2: more than this apart the two means aren't by chance."""
        harmonic = 1 / np.maximum(before, 1) + 1 / np.maximum(after, 1)
        chance = np.log(2 * np.log(np.maximum(before + after, 3)) / self._delta)
        deviation = np.sqrt(variance)[:, None]
        # The second term is for the skew of single readings, of which there are as many, alike or not.
        bound: Array = deviation * (
            np.sqrt(2 * harmonic * fewer[:, None] * chance) + _RANGE * 2 / 3 * harmonic * chance
        )
        return bound


def _make(scope: Scope, options: Mapping[str, float], _columns: Sequence[str]) -> Adwin:
    return Adwin(scope, options["delta"], alike=options["alike"] > 0)


KIND = Kind(
    name="adwin",
    make=_make,
    options=(
        Option("delta", 0.002, "probability", "the chance that a cut is none", least=1e-12, most=0.5),
        Option(
            "alike", 1.0, "0 or 1", "1: neighbours that are alike count as fewer readings; 0: as in the paper", most=1.0
        ),
    ),
    finds="drift: a mean that isn't what it was, however slowly it went there",
    blind="spikes, changed noise, changed order; on a wave it needs most of a period before it believes a shift",
    cost="O(log window) per reading: 66 buckets for up to 10,235 readings; 1,123 bytes a series",
    reference="Bifet and Gavaldà 2007, Learning from Time-Changing Data with Adaptive Windowing (SDM)",
)
