"""Power spectra of a piece of signal, and levels of bands of them."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MM_PER_M = 1000.0


def power_spectrum(x: Array, rate_hz: float) -> tuple[Array, Array]:
    """(frequencies, Hz; power per line, unit²) of all samples at once, Hann-windowed, mean removed.

    The lines add up to the variance (Parseval, the window's mean square divided out).
    """
    n = len(x)
    window = hann(n)
    lines = np.abs(np.fft.rfft((x - np.mean(x)) * window)) ** 2 * (2.0 / (n * float(np.sum(window * window))))
    lines[0] /= 2
    if n % 2 == 0:
        lines[-1] /= 2
    return np.arange(len(lines)) * (rate_hz / n), lines


def band_power(x: Array, rate_hz: float, low_hz: float, high_hz: float) -> float:
    """The power of low_hz <= f <= high_hz, unit²: of all frequencies it's the variance."""
    if len(x) < 2:
        return math.nan
    hz, power = power_spectrum(x, rate_hz)
    return float(np.sum(power[(hz >= low_hz) & (hz <= high_hz)]))


def velocity_rms(x: Array, rate_hz: float, low_hz: float = 10.0, high_hz: float = 1000.0) -> float:
    """RMS of vibration velocity, mm/s, of acceleration in m/s².

    Integrated in the frequency domain: every line over 2πf. 10 Hz to 1 kHz is ISO 20816-1's band for machines above
    600 rpm; for slower ones it begins at 2 Hz. Unknown for fewer than ten periods of low_hz.
    """
    if len(x) * low_hz < 10 * rate_hz or low_hz <= 0:
        return math.nan
    hz, power = power_spectrum(x, rate_hz)
    kept = (hz >= low_hz) & (hz <= high_hz)
    return MM_PER_M * math.sqrt(float(np.sum(power[kept] / (2 * math.pi * hz[kept]) ** 2)))


@lru_cache(maxsize=64)
def hann(n: int) -> Array:
    """Hann's window, periodic. Not to be written to."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * math.pi * np.arange(n) / n))
