"""Aggregates of raw vibration: levels, bands of the spectrum, and what is wrong with a bearing.

Those of a spectrum take the samples for evenly spaced at the rate said. They are unknown where the samples' times take
longer than the rate allows: then some are missing, and frequencies would be wrong.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.plans import Call
from holdfast.stream.rowops.speeds import apart
from holdfast.stream.texts import known
from holdfast.stream.vibration import levels, spectra
from holdfast.stream.vibration.bearings import Orders
from holdfast.stream.vibration.naming import SLIP, Found, diagnose

Array = NDArray[Any]
NOTHING = "none"
"""What `bearing_fault` says of a bearing at which nothing stands out."""
_LATE = 0.01
"""Of a window's length, by which its times may be longer than its samples."""
_S = 1e-9

_LEVELS: dict[str, Callable[[Array], float]] = {
    "rms": levels.rms,
    "crest_factor": levels.crest_factor,
    "kurtosis": levels.kurtosis,
    "skewness": levels.skewness,
}
_SPECTRAL: dict[str, Callable[..., float]] = {"band_power": spectra.band_power, "velocity_rms": spectra.velocity_rms}
_BEARINGS: dict[str, Callable[[Found], float]] = {
    "bearing_fault": lambda found: known().number(found.fault),
    "bearing_hz": lambda found: found.hz,
    "bearing_expected_hz": lambda found: found.expected_hz,
    "bearing_times": lambda found: found.times,
}
KINDS = frozenset(_LEVELS) | frozenset(_SPECTRAL) | frozenset(_BEARINGS)
BEARINGS = frozenset(_BEARINGS)
"""Arguments of these: rate (Hz), rpm (0: it's paired with the samples), and the four `Orders`."""

Diagnoses = dict[tuple[float, ...], list[Found | None]]
"""By arguments, of each window: what one aggregate of a bearing found the next one needn't look for again."""


def of_windows(call: Call, ts: Array, value: Array, bounds: Array, diagnoses: Diagnoses) -> Array:
    """One number per window value[bounds[0, w]:bounds[1, w]], sorted by time; NaN where it isn't known."""
    with np.errstate(all="ignore"):
        found = _of_windows(call, ts, value, bounds, diagnoses)
    return np.where(np.isfinite(found), found, np.nan)


def _of_windows(call: Call, ts: Array, value: Array, bounds: Array, diagnoses: Diagnoses) -> Array:
    pieces = ((ts[lo:hi], value[lo:hi]) for lo, hi in bounds.T.tolist())
    level = _LEVELS.get(call.kind)
    if level is not None:
        return np.array([level(x) for _, x in pieces], np.float64)
    rate = call.args[0]
    if call.kind in _SPECTRAL:
        of_spectrum = _SPECTRAL[call.kind]
        found = [of_spectrum(x, *call.args) if _is_whole(t, rate) else math.nan for t, x in pieces]
        return np.array(found, np.float64)
    if call.args not in diagnoses:
        diagnoses[call.args] = [_diagnosed(t, x, *call.args) for t, x in pieces]
    return np.array([_said(call.kind, one) for one in diagnoses[call.args]], np.float64)


def _said(kind: str, found: Found | None) -> float:
    if found is None:
        return math.nan
    if not found.stands_out:
        return known().number(NOTHING) if kind == "bearing_fault" else math.nan
    return _BEARINGS[kind](found)


def _diagnosed(ts: Array, value: Array, rate: float, rpm: float, *orders: float) -> Found | None:
    if not _is_whole(ts, rate):
        return None
    x, turning = (value, rpm) if rpm else _at_one_speed(value)
    return diagnose(x, rate, turning / 60, Orders(*orders))


def _at_one_speed(value: Array) -> tuple[Array, float]:
    """The samples, and the last known speed that came with them; NaN when it changed by more than slip may hide."""
    x, rpm = apart(value)
    told = rpm[np.isfinite(rpm)]
    if not len(told) or told.max() - told.min() > SLIP * abs(told[-1]):
        return x, math.nan
    return x, float(told[-1])


def _is_whole(ts: Array, rate: float) -> bool:
    """Whether these can be samples at this rate, none missing. ts: sorted, ns."""
    return len(ts) > 1 and float(ts[-1] - ts[0]) * _S * rate <= len(ts) * (1 + _LATE)
