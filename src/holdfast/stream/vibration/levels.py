"""Levels of a piece of signal: one number each, of n samples in one unit. NaN where there is no answer.

`rms` and `crest_factor` are of the signal as it is: a sensor's offset (gravity) counts. `kurtosis` and `skewness` are
about the mean: 3 and 0 for Gaussian noise, 1.5 and 0 for a sine; impacts raise the kurtosis long before the RMS.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def rms(x: Array) -> float:
    """sqrt(mean(x²)), in the samples' unit."""
    top = peak(x)
    if not top > 0:
        return top
    part = x / top
    return top * math.sqrt(float(np.mean(part * part)))


def peak(x: Array) -> float:
    """The largest |x|, in the samples' unit."""
    return float(np.abs(x).max()) if len(x) else math.nan


def crest_factor(x: Array) -> float:
    """Peak / RMS; unknown of zeros."""
    level = rms(x)
    return peak(x) / level if level > 0 else math.nan


def kurtosis(x: Array) -> float:
    """Σ(x - mean)⁴ / n / σ⁴, Pearson's; unknown of equal samples."""
    off, square = _about_mean(x)
    return float(np.mean(square * square)) / float(np.mean(square)) ** 2 if len(off) else math.nan


def skewness(x: Array) -> float:
    """Σ(x - mean)³ / n / σ³; unknown of equal samples."""
    off, square = _about_mean(x)
    return float(np.mean(square * off)) / math.pow(float(np.mean(square)), 1.5) if len(off) else math.nan


def _about_mean(x: Array) -> tuple[Array, Array]:
    """Deviations from the mean, the largest being 1, and their squares; none where all samples are equal."""
    none = np.empty(0)
    if len(x) < 2:
        return none, none
    off = x - np.mean(x)
    scale = float(np.abs(off).max())
    if not scale > np.abs(x).max() * 1e-14:  # what rounding leaves of equal samples is no shape
        return none, none
    off /= scale  # neither 1e-200 nor 1e200 goes out of range
    return off, off * off
