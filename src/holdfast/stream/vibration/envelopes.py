"""Spectra of the squared envelope of bands: what strikes regularly shows as a line at how often it strikes.

A strike rings the structure at frequencies far above its own repetition. So a band is cut out, made analytic by an
inverse FFT of its own half of the spectrum, and the power of its envelope is looked at by frequency
(Antoni, Mechanical Systems and Signal Processing, 2007). Of Gaussian noise each line of that spectrum is exponentially
distributed about its local mean: the base of all probabilities in `naming`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.vibration.spectra import hann

Array = NDArray[Any]
Band = tuple[float, float]
"""(low, high), Hz."""

_TOP = 0.98
"""Of half the sampling rate: above it is the filter of the converter."""
_LOWEST_HZ = 500.0
_FIRST = 3
"""The first line that the mean, spread by the window, doesn't reach."""
_BLOCKS = (32, 32, 48)
_BLOCK = 64
_WEIGHT = 0.3
"""Degrees of freedom per line of a block's median, of 0.48 for independent lines: Hann's window ties neighbours."""


@dataclass(frozen=True, slots=True)
class EnvelopeSpectrum:
    """Lines at i * step Hz.

    ratio:    each line's power over the local mean of noise; 0 for those before `_FIRST`
    sureness: of that mean: it's as good as the mean of so many exponential samples
    """

    band: Band
    step: float
    ratio: Array
    sureness: Array


def bands(rate_hz: float) -> list[Band]:
    """Where resonances may be: octaves from half the rate down, those between them, and all of it.

    Which one holds the resonance isn't asked beforehand, as a kurtogram does: every band is tested, and pays for it.
    """
    top = rate_hz / 2
    found: list[Band] = []
    high = top
    while high / 2 >= _LOWEST_HZ:
        found.append((high / 2, min(high, _TOP * top)))
        if high / 2 * 0.75 >= _LOWEST_HZ:
            found.append((high * 0.375, high * 0.75))
        high /= 2
    lowest = min((low for low, _ in found), default=0.0)
    if len(found) > 1:
        found.append((lowest, _TOP * top))
    return found or [(top / 8, _TOP * top)]


def envelope_spectrum(spectrum: Array, n: int, rate_hz: float, band: Band, most_hz: float) -> EnvelopeSpectrum | None:
    """The squared envelope's spectrum up to most_hz, or as far as the band has it; None: too few lines.

    spectrum: rfft of n samples at rate_hz
    """
    step = rate_hz / n
    first, last = max(int(np.ceil(band[0] / step)), 1), min(int(band[1] / step), len(spectrum) - 1)
    width = last - first
    count = min(int(most_hz / step) + 2, int(width * 0.75))
    if count < 2 * _BLOCK:
        return None
    around = np.zeros(_smooth(2 * width), np.complex128)  # twice as fine in time: squaring doubles the bandwidth
    around[:width] = spectrum[first:last]
    envelope = np.fft.ifft(around)
    power = envelope.real**2 + envelope.imag**2
    mean = float(power.mean())
    if not mean > 0:
        return None
    power /= mean
    lines = np.abs(np.fft.rfft((power - 1.0) * hann(len(power)))[:count]) ** 2
    ratio, sureness = _over_noise(lines)
    return EnvelopeSpectrum(band, step, ratio, sureness)


def _smooth(least: int) -> int:
    """The next number made of 2, 3 and 5: an FFT of a prime's length takes four times as long."""
    found = 1 << (least - 1).bit_length()
    for odd in (3, 5, 9, 15, 25, 27, 45, 75, 81, 125, 135, 225):
        found = min(found, odd << max((-(-least // odd) - 1).bit_length(), 0))
    return found


def _over_noise(lines: Array) -> tuple[Array, Array]:
    """Each line over the local mean of noise, from medians of blocks: lines that stand out don't move them."""
    starts = _FIRST + np.cumsum((0, *_BLOCKS))
    starts = np.concatenate((starts[:-1], np.arange(starts[-1], len(lines) - _BLOCK // 2, _BLOCK)))
    starts = starts[starts < len(lines) - _BLOCK // 4]
    ends = np.append(starts[1:], len(lines))
    level = np.array([np.median(lines[a:b]) for a, b in zip(starts, ends, strict=True)]) / np.log(2)
    level = np.maximum(level, np.finfo(np.float64).tiny)
    at = np.arange(len(lines))
    noise = np.exp(np.interp(at, (starts + ends - 1) / 2, np.log(level)))
    ratio = lines / noise
    ratio[:_FIRST] = 0.0
    block = np.clip(np.searchsorted(starts, at, side="right") - 1, 0, None)
    return ratio, _WEIGHT * (ends - starts)[block].astype(np.float64)
