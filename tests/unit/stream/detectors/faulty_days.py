"""Days of five-minute readings with and without a fault, for detectors of one series."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import Detector

STEP_NS = 300 * 1_000_000_000
DAY = 288
WEEK = 7 * DAY
FAULT = 10 * DAY + DAY // 2  # where the wave is at its mean
Floats = NDArray[np.float64]


def scores_of(detector: Detector, values: Floats, step_ns: int = STEP_NS) -> Floats:
    """Scores of rows x series, a row at a time."""
    slots = np.arange(values.shape[1])
    rows = [detector.update(slots, np.full(len(slots), t * step_ns), row).score for t, row in enumerate(values)]
    return np.array(rows)


def days(series: int, count: int = 14) -> Floats:
    """A daily wave with noise, rows x series, every series with a noise of its own."""
    t = np.arange(count * DAY)[:, None]
    noise = np.random.default_rng(7).normal(size=(len(t), series))
    wave: Floats = 20 + 5 * np.sin(2 * np.pi * t / DAY) + 0.5 * noise
    return wave


def with_fault(kind: str) -> Floats:
    values = days(8)
    after = values[FAULT:]
    ages = np.arange(len(after))[:, None]
    if kind == "spike":
        after[0] += 15
    elif kind == "level shift":
        after += 12
    elif kind == "drift":
        after += 0.05 * ages
    elif kind == "stuck":
        after[:] = after[0]
    elif kind == "variance change":
        after += np.random.default_rng(8).normal(size=after.shape) * 4
    else:
        after[:] = 20 + 0.5 * np.random.default_rng(9).normal(size=after.shape)
    return values


def scores_of_faults(through: Callable[[Floats], Floats]) -> dict[str, Floats]:
    """All kinds side by side: a round costs about the same for six times as many series."""
    kinds = ("spike", "level shift", "drift", "stuck", "variance change", "missing season")
    scores = through(np.hstack([with_fault(kind)[: FAULT + 2 * DAY] for kind in kinds]))
    return dict(zip(kinds, np.split(scores, len(kinds), axis=1), strict=True))
