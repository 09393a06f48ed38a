"""Machines that never ran: impacts through a resonance, shafts, noise of several colours."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.vibration.bearings import Fault, Orders

Array = NDArray[Any]


def impacts(
    rng: np.random.Generator, n: int, rate_hz: float, shaft_hz: float, orders: Orders, fault: Fault,
    resonance_hz: float = 3200.0, slip: float = 0.01,
) -> Array:  # fmt: skip
    """Strikes of a fault, each ringing down at a resonance; RMS 1.

    slip: the mean frequency is off by at most so much, and every interval's length varies by it (standard deviation).
    An inner race's fault passes the load zone once a turn, a ball's once a turn of the cage; that strikes twice in its
    own turn.
    """
    mean = (2 if fault == "ball" else 1) * orders.of(fault) * shaft_hz * (1 + rng.uniform(-slip, slip))
    intervals = rng.normal(1 / mean, slip / mean, int(n / rate_hz * mean) + 20)
    at = np.cumsum(intervals) - rng.uniform(0, 5) / mean
    turning = {"inner race": shaft_hz, "ball": orders.cage * shaft_hz}.get(fault, 0.0)
    load = 1 + 0.8 * np.cos(2 * math.pi * turning * at) if turning else np.ones(len(at))
    height = load * rng.normal(1, 0.1, len(at))
    inside = (at >= 0) & (at * rate_hz < n)
    struck = np.zeros(n)
    np.add.at(struck, (at[inside] * rate_hz).astype(int), height[inside])
    t = np.arange(int(rate_hz * 0.01)) / rate_hz
    ring = np.exp(-t * resonance_hz * 0.25) * np.sin(2 * math.pi * resonance_hz * t)
    x = np.convolve(struck, ring)[:n]
    return np.asarray(x / np.sqrt(np.mean(x * x)))


def noise(rng: np.random.Generator, n: int, colour: str = "white") -> Array:
    """RMS 1. pink: 1/f; resonant: through three resonances; bursts: its strength wanders; impulsive: heavy-tailed."""
    white = rng.normal(size=n)
    f = np.fft.rfftfreq(n, 1.0)
    gain = np.ones(len(f))
    if colour == "pink":
        gain[1:] = 1 / np.sqrt(f[1:])
    elif colour == "resonant":
        gain = np.sum([1 / np.abs(1 - (f / at) ** 2 + 0.04j * f / at) for at in (0.05, 0.19, 0.31)], axis=0)
    elif colour == "impulsive":
        white = rng.standard_t(3, n)
    x = np.fft.irfft(np.fft.rfft(white) * gain, n)
    if colour == "bursts":
        slow = np.cumsum(rng.normal(size=n))
        x = x * np.exp(0.5 * (slow - slow.mean()) / (slow.std() + 1e-9))
    return np.asarray(x / np.sqrt(np.mean(x * x)))


def shaft(rng: np.random.Generator, n: int, rate_hz: float, shaft_hz: float, harmonics: int = 60) -> Array:
    """Harmonics of the shaft's speed up into the bands that are looked at, and a carrier that beats with it; RMS 1."""
    t = np.arange(n) / rate_hz
    x = np.zeros(n)
    for k in range(1, harmonics + 1):
        if k * shaft_hz < rate_hz / 2:
            x += rng.exponential() / math.sqrt(k) * np.cos(2 * math.pi * k * shaft_hz * t + rng.uniform(0, 2 * math.pi))
    turning = 1 + 0.6 * np.cos(2 * math.pi * shaft_hz * t) + 0.3 * np.cos(4 * math.pi * shaft_hz * t)
    x += 3 * turning * noise(rng, n, "resonant")
    return np.asarray(x / np.sqrt(np.mean(x * x)))
