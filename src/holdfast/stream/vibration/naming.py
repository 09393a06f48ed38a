"""Which part of a bearing is faulty: lines of envelope spectra where that part's fault would put them, or none.

A fault shows as a line at its frequency f, with harmonics, and sidebands where its strength changes: by the shaft's
speed at the inner race, by the cage's at a ball. For each fault, each f within `SLIP` of the expected one and each of
a few patterns of lines, the lines' ratios to the noise are added. Of noise such a sum has a known distribution
(`_log_tail`); times the number of sums looked at it bounds the probability of a false claim, which must be below
`FALSE_CLAIMS`. Machines aren't noise alone, so two things are taken out of the comparison beforehand:

- lines at multiples of the shaft's speed: imbalance, misalignment, blades. They prove nothing of a bearing;
- clutter: where lines that belong to neither shaft nor fault stand out, a fault must stand out of *them* as it must
  of noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.vibration.bearings import FAULTS, Fault, Orders
from holdfast.stream.vibration.envelopes import Band, EnvelopeSpectrum, bands, envelope_spectrum

Array = NDArray[Any]
SLIP = 0.02
"""How far a real frequency may be from the kinematic one."""
FALSE_CLAIMS = 1e-6
"""Probability of a claim about noise, per window looked at."""
LEAST_TURNS = 16
"""Of the shaft, in a window: fewer, and sidebands can't be told from one another."""

_SILENT = 1e-12
"""Of the highest sample: what rounding leaves of a signal that stands still."""

Line = tuple[int, int]
"""(harmonic, sideband): at harmonic * f + sideband * the sidebands' distance."""
_PATTERNS: dict[Fault, tuple[tuple[Line, ...], ...]] = {
    "outer race": (((1, 0), (2, 0), (3, 0)),),
    "inner race": (((1, 0), (2, 0), (3, 0)), ((1, 0), (1, -1), (1, 1))),
    "ball": (((2, 0), (4, 0), (6, 0)), ((1, 0), (2, 0), (3, 0)), ((2, 0), (2, -1), (2, 1))),
    "cage": (((1, 0), (2, 0), (3, 0)),),
}
"""Beginnings of each are patterns too: one line alone, two, three."""
_HARMONICS = 3.2
"""How far spectra are looked at, in highest fault frequencies."""
_LEAST = 3.0
"""A pattern's first line stands out at least so far: harmonics alone are those of something else."""
_SHAFT_WIDTH = 0.005
_OWN_WIDTH = 0.004
_WORTH_A_LOOK = math.log(0.01)
"""A chance above it is nothing, with clutter or without."""
_FEWEST = 32
"""Lines, to judge clutter by."""


@dataclass(frozen=True, slots=True)
class Found:
    """A fault's best pattern. hz: the fault's frequency as measured; expected_hz: as the geometry has it.

    times: how many times the noise's median its strongest line is high, as an amplitude
    log10_chance: of the probability that noise alone makes such a claim; band: where it showed
    clutter: how many times higher than of noise the lines are that belong to nothing known
    """

    fault: Fault
    hz: float
    expected_hz: float
    times: float
    log10_chance: float
    band: Band
    clutter: float

    @property
    def stands_out(self) -> bool:
        """Whether it is claimed."""
        return self.log10_chance <= math.log10(FALSE_CLAIMS)


def diagnose(
    x: Array, rate_hz: float, shaft_hz: float, orders: Orders, only: Sequence[Band] | None = None
) -> Found | None:
    """The best candidate, claimed or not (`stands_out`).

    None where nothing can be said: too short, silent, bands too narrow for how often the races would be struck.

    x: acceleration in any unit; only: the bands to look at instead of `bands`
    """
    if not (math.isfinite(shaft_hz) and shaft_hz > 0 and len(x) * shaft_hz >= LEAST_TURNS * rate_hz):
        return None
    peak = float(np.abs(x).max())
    if not 0 < peak < math.inf:
        return None
    off = x / peak
    off -= np.mean(off)
    if not np.abs(off).max() > _SILENT:
        return None
    spectrum = np.fft.rfft(off / np.abs(off).max())
    most = _HARMONICS * shaft_hz * max(orders.inner, orders.outer, 2 * orders.ball)
    made = [envelope_spectrum(spectrum, len(x), rate_hz, band, most) for band in only or bands(rate_hz)]
    speeds, races = _Speeds(shaft_hz, orders), (1 + SLIP) * shaft_hz * max(orders.inner, orders.outer)
    spectra = [_Lines(one, speeds) for one in made if one is not None and len(one.ratio) * one.step > races]
    found = [lines.candidate(fault, len(spectra) * len(FAULTS)) for lines in spectra for fault in FAULTS]
    return min((one for one in found if one is not None), key=lambda one: one.log10_chance, default=None)


@dataclass(frozen=True, slots=True)
class _Speeds:
    """Of the shaft, Hz, and what follows from it."""

    shaft: float
    orders: Orders

    def sidebands(self, fault: Fault) -> float:
        """How far apart they are; 0 for none: a fault that stays where the load is is struck evenly."""
        return {"inner race": self.shaft, "ball": self.shaft * self.orders.cage}.get(fault, 0.0)


class _Lines:
    """The lines of one band's spectrum, without those of the shaft."""

    def __init__(self, spectrum: EnvelopeSpectrum, speeds: _Speeds) -> None:
        self._spectrum, self._speeds = spectrum, speeds
        turns = np.arange(1, len(spectrum.ratio) * spectrum.step / speeds.shaft + 1)
        self._of_shaft = self._near(turns * speeds.shaft, _SHAFT_WIDTH)
        self._ratio = np.where(self._of_shaft, 0.0, spectrum.ratio)

    def candidate(self, fault: Fault, looked: int) -> Found | None:
        """The fault's best pattern. looked: how many faults and bands are looked at in all."""
        expected = self._speeds.orders.of(fault) * self._speeds.shaft
        apart = self._speeds.sidebands(fault)
        tried = [one for p in _PATTERNS[fault] for one in self._tried(p, expected, apart)]
        if not tried:
            return None
        best = min(tried, key=lambda one: one.log_chance(1.0))
        many = math.log(looked * len(tried) * best.trials)
        clutter = 1.0
        if best.log_chance(1.0) + many < _WORTH_A_LOOK:
            clutter = self._clutter(best.hz, apart)
        chance = min(best.log_chance(clutter) + many, 0.0) / math.log(10)
        times = math.sqrt(best.strongest / math.log(2))
        return Found(fault, best.hz, expected, times, chance, self._spectrum.band, clutter)

    def _tried(self, pattern: tuple[Line, ...], expected: float, apart: float) -> "list[_Sum]":
        """The largest sum of each beginning of a pattern, over all f that slip allows."""
        step, last = self._spectrum.step, len(self._ratio) - 1
        finest = step / (2 * max(harmonic for harmonic, _ in pattern))
        reach = max(int(SLIP * expected / finest), 1)
        hz = expected + np.arange(-reach, reach + 1) * min(finest, SLIP * expected)
        at = np.rint(np.array([harmonic * hz + side * apart for harmonic, side in pattern]) / step).astype(np.intp)
        inside = int(np.argmin(np.append((at.min(1) > 0) & (at.max(1) <= last), False)))
        ratios = self._ratio[at[:inside]]
        if not inside or not (ratios[0] > _LEAST).any():
            return []
        sums = np.where(ratios[0] > _LEAST, np.cumsum(np.minimum(ratios, ratios[0]), 0), 0.0)
        sureness = self._spectrum.sureness[at[:inside]].min()
        trials = inside + int(np.count_nonzero(np.diff(at[:inside])))  # different lines: they ascend with f
        best = [int(np.argmax(row)) for row in sums]
        return [
            _Sum(float(hz[b]), float(row[b]), count, float(sureness), trials, float(ratios[:count, b].max()))
            for count, (row, b) in enumerate(zip(sums, best, strict=True), 1)
        ]

    def _clutter(self, hz: float, apart: float) -> float:
        """How many times higher than of noise the highest line is that belongs to neither shaft nor fault."""
        harmonics = np.arange(len(self._ratio) * self._spectrum.step / hz + 1) * hz  # from 0: what turns shows itself
        own = self._near(np.add.outer(harmonics, np.arange(-2, 3) * apart).ravel(), _OWN_WIDTH)
        others = self._ratio[~(own | self._of_shaft)]
        if len(others) < _FEWEST:
            return 1.0
        return max(float(others.max()) / (math.log(len(others)) + 2.0), 1.0)

    def _near(self, hz: Array, width: float) -> Array:
        """Which lines are near one of these: `width` of it, and two lines, which the window makes of one."""
        count, at = len(self._spectrum.ratio), hz / self._spectrum.step
        reach = width * at + 2.0
        edges = np.zeros(count + 1, np.intp)
        np.add.at(edges, np.clip(np.ceil(at - reach), 0, count).astype(np.intp), 1)
        np.add.at(edges, np.clip(np.floor(at + reach) + 1, 0, count).astype(np.intp), -1)
        return np.asarray(np.cumsum(edges[:-1]) > 0)


@dataclass(frozen=True, slots=True)
class _Sum:
    """`count` lines' ratios added. sureness: of the noise under them; trials: how many such sums there were."""

    hz: float
    total: float
    count: int
    sureness: float
    trials: int
    strongest: float

    def log_chance(self, clutter: float) -> float:
        """Of one such sum of noise to be so large."""
        return log_tail(self.total / clutter, self.count, self.sureness)


def log_tail(total: float, count: int, sureness: float) -> float:
    """Logarithm of P(sum of `count` lines / mean >= total) of noise.

    The lines are exponential, their mean is known as from `sureness` such samples: their ratio's tail is a
    negative binomial sum, Σ_{j<count} C(v + j - 1, j) q^j (1 - q)^v with v = sureness, q = total / (v + total).
    """
    q = total / (sureness + total)
    terms = [math.exp(math.lgamma(sureness + j) - math.lgamma(sureness) - math.lgamma(j + 1)) * q**j
             for j in range(count)]  # fmt: skip
    return sureness * math.log1p(-q) + math.log(math.fsum(terms))
