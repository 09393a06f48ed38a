"""Vibration that was never recorded: recorded windows at other speeds and in other noise, and strikes made up.

Eight clips of one rig would teach a head that rig. What it should learn is that lines at a fault's order mean that
fault, wherever the structure rings and however faint they are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.envelopes import ORDERS, RATE_HZ, WINDOW

Array = NDArray[Any]
_SPEEDS = (0.85, 1.15)
_SLIDES = 0.008
_RINGING = (2000.0, 5200.0)
_CAGE = 0.39828


def changed(rng: np.random.Generator, samples: Array, rpm: float, quiet: Array | None) -> Array:
    """One row of a recording: from somewhere in it, at another speed, in noise. Shape (2049,).

    quiet: a fault-free recording to be mixed in, None = not
    """
    factor = rng.uniform(*_SPEEDS)
    x = _at(rng, samples, factor)
    if quiet is not None:
        x = x + rng.uniform(0, 2) * _at(rng, quiet, factor)
    x = x + rng.normal(0, rng.uniform(0, 0.08) * x.std(), WINDOW)
    return np.append(x, rpm * factor)


def struck(rng: np.random.Generator, fault: int, quiet: Array, rpm: float) -> Array:
    """One row of a fault made up in a fault-free recording. fault: place in `ORDERS`; shape (2049,)."""
    factor = rng.uniform(*_SPEEDS)
    shaft = rpm * factor / 60
    mean = ORDERS[fault] * shaft * (1 + rng.uniform(-_SLIDES, _SLIDES))
    at = np.cumsum(rng.normal(1 / mean, 0.005 / mean, int(1.2 * WINDOW / RATE_HZ * mean) + 12)) - 5 / mean
    turning = (0.0, shaft, _CAGE * shaft)[fault]
    load = 1 + (rng.uniform(0, 0.9) * np.cos(2 * np.pi * turning * at + rng.uniform(0, 6.3)) if turning else 0.0)
    inside = (at >= 0) & (at * RATE_HZ < WINDOW)
    strikes = np.zeros(WINDOW)
    np.add.at(strikes, (at[inside] * RATE_HZ).astype(int), (load * rng.normal(1, 0.15, len(at)))[inside])
    t, hz = np.arange(120) / RATE_HZ, rng.uniform(*_RINGING)
    ring = np.exp(-t * hz * rng.uniform(0.1, 0.6)) * np.sin(2 * np.pi * hz * t)
    x = np.convolve(strikes, ring)[:WINDOW]
    background = _at(rng, quiet, factor)
    x = x / x.std() * background.std() * np.exp(rng.uniform(np.log(0.7), np.log(8)))
    x = x + background + rng.normal(0, rng.uniform(0, 0.3) * x.std(), WINDOW)
    return np.append(x, rpm * factor)


def _at(rng: np.random.Generator, samples: Array, factor: float) -> Array:
    """A window at so many times the speed it was recorded at."""
    span = int(WINDOW * factor) + 2
    begin = int(rng.integers(0, len(samples) - span))
    x: Array = np.interp(np.arange(WINDOW) * factor, np.arange(span), samples[begin : begin + span])
    return x
