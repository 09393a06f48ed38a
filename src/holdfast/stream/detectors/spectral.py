"""`spectral_residual`: a point that the spectrum of the readings before it doesn't explain (Ren et al. 2019, KDD).

The log spectrum less its own moving average, turned back, is large where something breaks the pattern. The last reading
would stand at the edge, so a few ones estimated without it are put behind it, as in the paper's code. In place of the
paper's fixed threshold stands the series' own: how rare such a saliency has been (see `tails`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.baselines import ByBaseline, Usual
from holdfast.stream.detectors.ports import Kind, Scope, Scores, told
from holdfast.stream.detectors.tails import ONE_IN, Tail

Array = NDArray[Any]

RING = 59
_BEHIND = 5  # estimated readings after the last one: 64 in all
_GRADIENT = 5  # readings over which the estimate's slope is taken
_SMOOTH = 3  # frequencies that are averaged
_NEAR = 21  # saliencies with which the last one is compared
_LEAST = 1e-2  # of the usual deviation: an amplitude below it doesn't matter


def saliency(windows: Array) -> Array:
    """How much each window's last reading stands out: its saliency over the mean of those before, squared.

    windows: shape (n, RING), in usual deviations, oldest first. Of plain noise the square is nearly exponential.
    """
    ages = np.arange(1, _GRADIENT + 1)
    slope = ((windows[:, -2:-1] - windows[:, -2 - ages]) / ages).mean(axis=1)
    guess = windows[:, -1 - _GRADIENT] + slope * _GRADIENT
    full = np.concatenate([windows, np.repeat(guess[:, None], _BEHIND, axis=1)], axis=1)
    spectrum = np.fft.fft(full)
    amplitude = np.abs(spectrum)
    logs = np.log(amplitude + _LEAST)
    smooth = (np.roll(logs, 1, axis=1) + logs + np.roll(logs, -1, axis=1)) / _SMOOTH
    back = np.abs(np.fft.ifft(np.exp(logs - smooth) * spectrum / (amplitude + _LEAST)))
    near = back[:, RING - 1 - _NEAR : RING - 1].mean(axis=1)
    power: Array = (back[:, RING - 1] / (near + 1e-9)) ** 2
    return power


class SpectralResidual(ByBaseline):
    """The detector over many series; its memory is in the scope, by slot."""

    aspects: Sequence[str] = (f"value among the last {RING}",)

    def __init__(self, scope: Scope, one_in: float) -> None:
        super().__init__(scope)
        self._tail = Tail(scope, one_in, least=0.05)
        scope.declare("ring", float, 0.0, RING)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(self.aspects[0], scores, row)

    def _round(self, slots: Array, _ts: Array, usual: Usual, at: Array, out: Scores) -> None:
        ring = self._scope["ring"]
        before = ring[slots]
        windows = np.concatenate([before[:, 1:], usual.x[:, None]], axis=1)
        ring[slots] = windows
        centre = before.mean(axis=1)
        deviation = np.maximum(before.std(axis=1), _LEAST * usual.deviation)
        out.seen[at] = usual.x + usual.origin
        out.expected[at] = centre + usual.origin
        out.deviations[at] = np.minimum(np.abs(usual.x - centre) / deviation, 1e6)
        full = np.flatnonzero(usual.seen > RING)
        if len(full):
            scaled = np.clip((windows[full] - usual.mean[full, None]) / usual.deviation[full, None], -1e6, 1e6)
            salient = saliency(scaled)
            out.score[at[full]] = self._tail.score(slots[full], salient)
            self._tail.learn(slots[full], salient)


def _make(scope: Scope, options: Mapping[str, float], _columns: Sequence[str]) -> SpectralResidual:
    return SpectralResidual(scope, options["one_in"])


KIND = Kind(
    name="spectral_residual",
    make=_make,
    options=(ONE_IN,),
    finds="single readings and sudden jumps that break the pattern of the last hour or so, whatever the pattern",
    blind="slow changes, a wrong level that stays, anything longer than its ring of 59 readings; it counts readings, "
    "so gaps are not seen",
    cost="two Fourier transforms of 64 per reading whatever the history; 560 bytes a series",
    reference="Ren et al. 2019, Time-Series Anomaly Detection Service at Microsoft (KDD); tail: Siffer et al. 2017",
)
