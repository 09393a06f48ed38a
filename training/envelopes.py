"""What a window of raw vibration says of a bearing, whatever its gain and speed: four numbers, in NumPy and as a graph.

A fault is struck at a rate that geometry and speed dictate, and each strike rings the structure somewhere between 300
and 5,800 Hz. So four bands are cut out with analytic filters, the power of each one's envelope is looked at by
frequency in orders of the shaft's speed, and the lines at a fault's order and its double are compared with all others
(Randall and Antoni 2011). Beside that: how much power lies in the upper two bands.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.graphs import Graph

Array = NDArray[Any]
RATE_HZ = 12_000.0
WINDOW = 2_048
"""Samples: 171 ms, five turns at 1,770 rpm. Twice as many were tried: no better on what was left out, and later."""
BANDS = ((300.0, 1500.0), (1500.0, 3000.0), (2300.0, 4300.0), (3000.0, 5800.0))
ORDERS = (3.5848, 5.4152, 2 * 2.357)
"""Of a 6205 at the drive end: outer race, inner race; a ball strikes twice a turn of its own."""
HARMONICS = (1, 2)
SLIP = (0.988, 1.0, 1.012)
"""Balls slide a little, so a line is looked for around its order too."""
OTHERS = np.arange(0.6, 18.0, 0.4)
"""Orders that the lines are compared with."""
NAMES = ("high", "outer", "inner", "ball")
"""What the head sees: power in the upper bands over that in the lower ones; lines over others. All logarithms."""
_TAPS, _POOL, _LEAST, _CHUNK = 65, 8, 1e-6, 64
_BOTH = (WINDOW - _TAPS + 1) // _POOL


def filters() -> Array:
    """Analytic band filters, windowed sinc on a carrier, shape (bands, taps), complex."""
    k = np.arange(_TAPS) - (_TAPS - 1) / 2
    made = []
    for low, high in BANDS:
        half, centre = (high - low) / 2, (high + low) / 2
        low_pass = 2 * half / RATE_HZ * np.sinc(2 * half / RATE_HZ * k) * np.hamming(_TAPS)
        made.append(low_pass * np.exp(2j * np.pi * centre / RATE_HZ * k))
    return np.array(made)


def times() -> Array:
    """Of the pooled envelope's samples, s, from the window's middle: phases stay small, which float32 likes."""
    return (np.arange(_BOTH) - (_BOTH - 1) / 2) * _POOL / RATE_HZ


def orders() -> Array:
    """All orders that are looked at: for each fault, harmonic and slip; then the others."""
    lines = [order * harmonic * slip for order in ORDERS for harmonic in HARMONICS for slip in SLIP]
    return np.array([*lines, *OTHERS])


def said(rows: Array) -> Array:
    """Shape (n, 4), as in `NAMES`. rows: (n, 2049), samples and then the speed in rpm."""
    return np.vstack([_said(rows[at : at + _CHUNK]) for at in range(0, len(rows), _CHUNK)])


def _said(rows: Array) -> Array:
    x, turns = rows[:, :WINDOW], rows[:, WINDOW] / 60
    x = x - x.mean(1, keepdims=True)
    x = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-12)
    spectra = np.fft.fft(x, 2 * WINDOW)[:, None] * np.fft.fft(filters(), 2 * WINDOW)
    power = np.abs(np.fft.ifft(spectra)[:, :, _TAPS - 1 : _TAPS - 1 + _BOTH * _POOL]) ** 2
    power = power.reshape(len(x), len(BANDS), _BOTH, _POOL).mean(3)
    means = power.mean(2)
    envelope = (power / (means[:, :, None] + _LEAST) - 1) * np.hanning(_BOTH)
    phase = 2 * np.pi * turns[:, None, None] * (times()[:, None] * orders())
    lines = np.log(((envelope @ np.cos(phase)) ** 2 + (envelope @ np.sin(phase)) ** 2) / _BOTH + _LEAST)
    count = len(ORDERS) * len(HARMONICS) * len(SLIP)
    own = lines[:, :, :count].reshape(len(x), len(BANDS), len(ORDERS), len(HARMONICS), len(SLIP)).max(4).mean(3)
    above = (own - lines[:, :, count:].mean(2)[:, :, None]).max(1)
    high = np.log(means[:, 2:].sum(1) + _LEAST) - np.log(means[:, :2].sum(1) + _LEAST)
    return np.column_stack([high, above])


def graph(made: Graph, rows: str) -> str:
    """The same as nodes."""
    x = made.columns(rows, range(WINDOW))
    turns = made.add("Mul", made.columns(rows, [WINDOW]), made.constant(1 / 60))
    x = made.add("Sub", x, made.add("ReduceMean", x, axes=[1], keepdims=1))
    square = made.add("ReduceMean", made.add("Mul", x, x), axes=[1], keepdims=1)
    x = made.add("Div", x, made.add("Sqrt", made.add("Add", square, made.constant(1e-12))))
    power = _envelopes(made, x)
    means = made.add("ReduceMean", power, axes=[2], keepdims=1)
    envelope = made.add("Div", power, made.add("Add", means, made.constant(_LEAST)))
    envelope = made.add("Mul", made.add("Sub", envelope, made.constant(1.0)), made.constant(np.hanning(_BOTH)))
    above = _lines(made, envelope, turns)
    means = made.add("Squeeze", means, made.constant([2]))
    halves = [
        _log(made, made.add("ReduceSum", made.columns(means, at), made.constant([1]), keepdims=1))
        for at in ((2, 3), (0, 1))
    ]
    return made.add("Concat", made.add("Sub", *halves), above, axis=1)


def _log(made: Graph, x: str) -> str:
    return made.add("Log", made.add("Add", x, made.constant(_LEAST)))


def _envelopes(made: Graph, x: str) -> str:
    """Power of each band, pooled: [n, bands, times]."""
    kernels = filters()[:, ::-1]
    both = made.constant(np.stack([kernels.real, kernels.imag], 1).reshape(-1, 1, _TAPS))
    parts = made.add("Conv", made.add("Unsqueeze", x, made.constant([1])), both)
    parts = made.add("AveragePool", made.add("Mul", parts, parts), kernel_shape=[_POOL], strides=[_POOL])
    real, imaginary = (made.columns(parts, range(at, 2 * len(BANDS), 2)) for at in (0, 1))
    return made.add("Add", real, imaginary)


def _lines(made: Graph, envelope: str, turns: str) -> str:
    """How far lines stand above the others, best of all bands: [n, faults]."""
    grid = (2 * np.pi * times()[:, None] * orders()[None, :])[None]
    phase = made.add("Mul", made.constant(grid), made.add("Unsqueeze", turns, made.constant([2])))
    parts = [made.add("MatMul", envelope, made.add(wave, phase)) for wave in ("Cos", "Sin")]
    power = made.add("Add", *(made.add("Mul", part, part) for part in parts))
    lines = _log(made, made.add("Mul", power, made.constant(1 / _BOTH)))
    count = len(ORDERS) * len(HARMONICS) * len(SLIP)
    own, others = (made.add("Gather", lines, made.constant(np.arange(a, b)), axis=2)
                   for a, b in pairwise((0, count, len(orders()))))  # fmt: skip
    shape = made.constant([0, len(BANDS), len(ORDERS), len(HARMONICS), len(SLIP)])
    own = made.add("ReduceMax", made.add("Reshape", own, shape), axes=[4], keepdims=0)
    own = made.add("ReduceMean", own, axes=[3], keepdims=0)
    above = made.add("Sub", own, made.add("ReduceMean", others, axes=[2], keepdims=1))
    return made.add("ReduceMax", above, axes=[1], keepdims=0)
