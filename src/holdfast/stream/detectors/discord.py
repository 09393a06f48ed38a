"""`discord`: is the course of the last m readings unlike every course before?

After the matrix profile (Yeh et al. 2016) and DAMP, its online form that looks back only (Lu et al. 2022). Instead of
the whole past, a bounded sample of earlier windows is kept: the newest, and a few from ever longer ago. The distance to
the nearest is ranked among the series' own earlier distances (see `tails`). Windows are z-normalised within bounds: by
no less than a share of the series' own deviation, for the noise of a flat stretch has no shape worth comparing (De
Paepe et al. 2019), and by no more than it, or else a spike would be scaled away.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.baselines import ByBaseline, Usual
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores
from holdfast.stream.detectors.tails import ONE_IN, Tail

Array = NDArray[Any]

WINDOWS = 48
_PER_M = 4.0  # windows are kept among m readings, on average
_GOLDEN = (5**0.5 - 1) / 2  # its multiples' fractions keep in step with no rhythm, so that every phase comes to be kept
_ENOUGH = 24  # windows before distances are taken
_FLAT, _STEEP = 0.5, 1.0  # of the usual deviation: windows flatter or wilder than this stay so
_LEAST = 0.01  # the smallest difference of distances that counts
_TOGETHER = 64  # series whose distances are taken at once: their windows fit a core's cache


class Discord(ByBaseline):
    """The detector over many series; its memory is in the scope, by slot."""

    def __init__(self, scope: Scope, m: int, one_in: float) -> None:
        super().__init__(scope)
        self._m = m
        self.aspects: Sequence[str] = (f"course of the last {m} readings",)
        self._tail = Tail(scope, one_in, least=_LEAST)
        scope.declare("ring", float, 0.0, 2 * m)  # the last m, and the m before, which are old enough to be kept
        scope.declare("windows", np.float32, 0.0, WINDOWS * m)
        scope.declare("kept", np.int64, 0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        seen, expected = scores.seen[row], scores.expected[row]
        return (
            f"the {self.aspects[0]} is unlike any before: {seen:.6g} stands where the nearest one has {expected:.6g}, "
            f"{scores.deviations[row]:.1f} deviations apart"
        )

    def _round(self, slots: Array, _ts: Array, usual: Usual, at: Array, out: Scores) -> None:
        """One reading per series."""
        ring, m = self._scope["ring"], self._m
        past = np.concatenate([ring[slots][:, 1:], usual.x[:, None]], axis=1)
        ring[slots] = past
        ready = np.flatnonzero((usual.seen > 2 * m) & (self._scope["kept"][slots] >= _ENOUGH))
        for start in range(0, len(ready), _TOGETHER):
            part = ready[start : start + _TOGETHER]
            self._judge(slots[part], past[part, m:], (usual, part), (at[part], out))
        keep = np.flatnonzero((usual.seen >= 2 * m) & ((usual.seen * _GOLDEN) % 1 < _PER_M / m))
        if len(keep):
            self._keep(slots[keep], _shape(past[keep, :m], usual.deviation[keep])[0])

    def _judge(self, slots: Array, window: Array, about: tuple[Usual, Array], to: tuple[Array, Scores]) -> None:
        """The nearest of the kept windows, how far it is, and where it differs most."""
        (usual, part), (at, out) = about, to
        shape, mean, scale = _shape(window, usual.deviation[part])
        kept = self._scope["windows"][slots].reshape(len(slots), WINDOWS, self._m)
        apart = kept - shape[:, None]
        squares = (apart * apart).sum(axis=2).astype(float)
        squares[np.arange(WINDOWS) >= self._scope["kept"][slots][:, None]] = np.inf
        rows, nearest = np.arange(len(slots)), squares.argmin(axis=1)
        distance = np.sqrt(squares[rows, nearest] / self._m)
        out.score[at] = self._tail.score(slots, distance)
        self._tail.learn(slots, distance)
        place = np.abs(apart[rows, nearest]).argmax(axis=1)
        seen, expected = window[rows, place], kept[rows, nearest, place] * scale + mean
        out.seen[at], out.expected[at] = seen + usual.origin[part], expected + usual.origin[part]
        out.deviations[at] = np.minimum(np.abs(seen - expected) / usual.deviation[part], 1e6)

    def _keep(self, slots: Array, shape: Array) -> None:
        """A window takes a place of the sample; the first fill it, then see `place_of`."""
        kept = self._scope["kept"]
        place = place_of(kept[slots])
        for i in range(self._m):
            self._scope["windows"][slots, place * self._m + i] = shape[:, i]
        kept[slots] += 1


def place_of(nth: Array) -> Array:
    """Where the nth window goes.

    Half of the places are a ring of the newest; each quarter after it is renewed eight times less often than the part
    before, so the sample reaches far back and needs no random numbers.
    """
    sizes, every, first = (24, 12, 12), (1, 8, 64), (0, 24, 36)
    place = np.where(nth < WINDOWS, nth, first[0] + nth % sizes[0])
    for size, step, start in zip(sizes[1:], every[1:], first[1:], strict=True):
        place = np.where((nth >= WINDOWS) & (nth % step == step - 1), start + nth // step % size, place)
    return place


def _shape(windows: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """Windows z-normalised, in single precision; their means and scales."""
    mean = windows.mean(axis=1)
    off = windows - mean[:, None]
    scale = np.clip(np.sqrt((off * off).mean(axis=1)), _FLAT * deviation, _STEEP * deviation)
    return (off / scale[:, None]).astype(np.float32), mean, scale


def _make(scope: Scope, options: Mapping[str, float], _columns: Sequence[str]) -> Discord:
    return Discord(scope, int(options["m"]), options["one_in"])


KIND = Kind(
    name="discord",
    make=_make,
    options=(
        Option(
            "m",
            24.0,
            "readings",
            "how long a course is compared: about as long as what goes wrong",
            least=4.0,
            most=256.0,
        ),
        ONE_IN,
    ),
    finds="an unusual order of usual values: a skipped beat, a cycle of another form, a stretch that froze",
    blind="the level itself, as courses are compared about their mean; jumps that come a reading earlier or later each "
    "time; what was forgotten: only samples of long ago are kept",
    cost="O(48 m) per reading whatever the history; 5,088 bytes a series with m = 24, 208 for each m more or less",
    reference="Yeh et al. 2016 (ICDM), Matrix Profile I; Lu et al. 2022 (KDD), DAMP; noise: De Paepe et al. 2019",
)
