"""`bocpd`: is it likely that this series changed for good a few readings ago? Adams and MacKay 2007, arXiv:0710.3742.

Every run length is a hypothesis with a normal-inverse-gamma posterior of mean and variance (Murphy 2007). The paper's
algorithm with three changes: a fixed number of hypotheses is kept, the least likely makes room; a reading may be an
outlier that belongs to no run, so a spike isn't two changes; and a series that changes all the time (a daily wave, a
duty cycle) must change further than is its habit. With `outliers` 0, and while there are no more runs than are kept,
it's the paper's posterior.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.baselines import ByBaseline, Usual
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, told

Array = NDArray[Any]

RUNS = 32
_PARTS = ("mean", "kappa", "alpha", "beta")
KAPPA, ALPHA = 0.05, 1.0  # of a run not begun: its mean is worth a twentieth of a reading
_LEARN = 30.0  # readings before runs are followed: the prior's scale is taken from them
_PATIENCE = 200.0  # readings before the first score
_WIDE = 20.0  # usual deviations over which an outlier may lie
_LEAST, _MOST = 6, 40  # readings since a change: fewer may be chance, more is no news
_FADE = 10_000.0  # readings in which the habit of changing falls to a third
_HABIT = 1.2  # how much further than its habit a series must change
_STRICT = 6  # the power to which falling short of it counts


class Bocpd(ByBaseline):
    """The detector over many series; its memory is in the scope, by slot."""

    aspects: Sequence[str] = ("level", "spread")

    def __init__(self, scope: Scope, every: float, outliers: float) -> None:
        super().__init__(scope)
        self._hazard, self._outliers = 1 / every, outliers
        for part in _PARTS:
            scope.declare(f"run_{part}", float, 1.0, RUNS)
        scope.declare("run_weight", float, 0.0, RUNS)
        scope.declare("run_start", float, 0.0, RUNS)
        for name in ("habit", "level", "spread"):
            scope.declare(name, float, 0.0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(f"{self.aspects[int(scores.aspect[row])]} since a change a short while ago", scores, row)

    def _round(self, slots: Array, _ts: Array, usual: Usual, at: Array, out: Scores) -> None:
        """One reading per series."""
        state = self._scope
        runs = np.flatnonzero(usual.seen > _LEARN)
        if not len(runs):
            return
        slots, at, x, seen, scale = slots[runs], at[runs], usual.x[runs], usual.seen[runs], usual.noise[runs]
        self._begin(slots, seen, usual.mean[runs], scale)
        posterior = [state[f"run_{part}"][slots] for part in _PARTS]
        density, share = self._predict(x, posterior, usual.deviation[runs])
        weight = state["run_weight"][slots] * density
        _take(x, posterior, share)
        total = weight.sum(axis=1)
        safe = np.maximum(total, 1e-300)[:, None]
        state["run_weight"][slots] = np.where(total[:, None] > 0, weight / safe * (1 - self._hazard), 1 / RUNS)
        for part, values in zip(_PARTS, posterior, strict=True):
            state[f"run_{part}"][slots] = values
        self._judge(slots, seen, posterior, (at, usual.origin[runs], out))

    def _begin(self, slots: Array, seen: Array, mean: Array, scale: Array) -> None:
        """A run that begins with this reading takes the place of the least likely one."""
        state = self._scope
        weight = state["run_weight"][slots]
        place = weight.argmin(axis=1)
        first = weight.max(axis=1) == 0
        state["run_weight"][slots, place] = np.where(first, 1.0, self._hazard)
        state["run_start"][slots, place] = seen
        prior = (mean, np.full(len(slots), KAPPA), np.full(len(slots), ALPHA), ALPHA * scale * scale)
        for part, values in zip(_PARTS, prior, strict=True):
            state[f"run_{part}"][slots, place] = values

    def _predict(self, x: Array, posterior: Sequence[Array], deviation: Array) -> tuple[Array, Array]:
        """Each run's density of the reading, and how far the reading belongs to the run."""
        density = np.exp(log_density(x[:, None], *posterior))
        outlier = self._outliers / (_WIDE * deviation)[:, None]
        own = (1 - self._outliers) * density
        both = own + outlier
        return both, own / np.maximum(both, 1e-300)

    def _judge(self, slots: Array, seen: Array, posterior: Sequence[Array], to: tuple[Array, Array, Scores]) -> None:
        """The chance that a change lies a few readings back, and how far it went beside this series' habit."""
        at, origin, out = to
        state = self._scope
        weight = state["run_weight"][slots]
        weight = weight / weight.sum(axis=1, keepdims=True)
        age = seen[:, None] - state["run_start"][slots] + 1
        mean, _, alpha, beta = posterior
        new, old = weight * ((age >= _LEAST) & (age <= _MOST)), weight * (age > _MOST)
        spread = np.sqrt(beta / alpha)
        chance, new_mean, new_spread = _mixed(new, mean, spread)
        settled, old_mean, old_spread = _mixed(old, mean, spread)
        before = settled > 0.5
        state["level"][slots] = old_mean = np.where(before, old_mean, state["level"][slots])
        state["spread"][slots] = old_spread = np.where(before, old_spread, state["spread"][slots])
        least = 1e-6 * (new_spread + old_spread) + 1e-300
        level = np.abs(new_mean - old_mean) / np.maximum(old_spread, least)
        ratio = np.maximum(new_spread, least) / np.maximum(old_spread, least)
        size = np.where((chance > 0.1) & (old_spread > 0), np.log1p(level) + np.abs(np.log(ratio)), 0.0)
        habit = state["habit"][slots]
        news = np.clip(size / np.maximum(_HABIT * habit, 1e-3), 0.0, 1.0) ** _STRICT
        state["habit"][slots] = np.maximum(habit * (1 - 1 / _FADE), size * (chance > 0.5))
        out.score[at] = np.where(seen > _PATIENCE, np.minimum(chance, 1.0) * news, 0.0)
        about = np.log1p(level) < np.abs(np.log(ratio))
        out.aspect[at] = about
        out.seen[at] = np.where(about, new_spread, new_mean + origin)
        out.expected[at] = np.where(about, old_spread, old_mean + origin)
        out.deviations[at] = np.minimum(np.where(about, np.maximum(ratio, 1 / ratio) - 1, level), 1e6)


def _mixed(weight: Array, mean: Array, spread: Array) -> tuple[Array, Array, Array]:
    """Some runs' weight together, and their mean and spread."""
    total = weight.sum(axis=1)
    safe = np.maximum(total, 1e-300)
    return total, (weight * mean).sum(axis=1) / safe, (weight * spread).sum(axis=1) / safe


def log_density(x: Array, mean: Array, kappa: Array, alpha: Array, beta: Array) -> Array:
    """Of Student's t with 2 alpha degrees of freedom, which a normal-inverse-gamma posterior predicts (Murphy 2007)."""
    width = 2 * beta * (kappa + 1) / kappa
    gammas = _half_step(alpha) - 0.5 * np.log(np.pi * width)
    density: Array = gammas - (alpha + 0.5) * np.log1p((x - mean) ** 2 / width)
    return density


def _take(x: Array, posterior: list[Array], share: Array) -> None:
    """Each run learns the reading, as far as it belongs to it."""
    mean, kappa, alpha, beta = posterior
    off = x[:, None] - mean
    posterior[0] = mean + share * off / (kappa + share)
    posterior[1] = kappa + share
    posterior[2] = alpha + share / 2
    posterior[3] = beta + share * kappa * off * off / (2 * (kappa + share))


def _half_step(a: Array) -> Array:
    """Log of gamma(a + 1/2) / gamma(a), for a >= 1 to 1e-8: three steps up, then Stirling's series."""
    up = a + 3
    series = 0.5 * np.log(up) - 1 / (8 * up) + 1 / (192 * up**3) - 1 / (640 * up**5)
    steps: Array = np.log(a * (a + 1) * (a + 2) / ((a + 0.5) * (a + 1.5) * (a + 2.5)))
    return np.asarray(series + steps)


def _make(scope: Scope, options: Mapping[str, float], _columns: Sequence[str]) -> Bocpd:
    return Bocpd(scope, options["every"], options["outliers"])


KIND = Kind(
    name="bocpd",
    make=_make,
    options=(
        Option("every", 10_000.0, "readings", "how often a change is to be expected", least=2.0, most=1e9),
        Option(
            "outliers",
            0.001,
            "share of readings",
            "how many readings belong to nothing; 0: every spike is a change",
            most=0.5,
        ),
    ),
    finds="the moment from which a series has another level or another spread, a few readings later",
    blind="single spikes; slow drift; a changed rhythm; changes no larger than those that the series makes every day",
    cost="O(1) per reading: 32 run lengths; 1,616 bytes a series",
    reference="Adams and MacKay 2007 (arXiv:0710.3742); posterior: Murphy 2007; the habit and the outliers are ours",
)
