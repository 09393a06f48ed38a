"""The aggregates' formulas, read plainly: one window at a time, in Python."""

import cmath
import itertools
import math
import statistics
from collections.abc import Callable

Window = list[tuple[float, float]]
"""(seconds, value), sorted."""


def plain_percentile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    place = share * (len(ranked) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)


def plain_time_average(window: Window, end: float) -> float:
    until = max(end, window[-1][0])
    total = 0.0
    for (t, v), (after, _) in zip(window, [*window[1:], (until, 0.0)], strict=True):
        total += v * (after - t)
    return total / (until - window[0][0]) if until > window[0][0] else window[-1][1]


def plain_slope(window: Window) -> float:
    if len(window) < 2 or window[0][0] == window[-1][0]:
        return math.nan
    return statistics.linear_regression([t for t, _ in window], [v for _, v in window]).slope


def plain_increase(window: Window) -> float:
    pairs = itertools.pairwise(window)
    return sum(b if b < a else b - a for (_, a), (_, b) in pairs) if len(window) > 1 else math.nan


def per_second(number: float, window: Window) -> float:
    passed = window[-1][0] - window[0][0]
    return number / passed if passed else math.nan


def values(window: Window) -> list[float]:
    return [v for _, v in window]


def plain_lines(window: Window, rate: float) -> list[tuple[float, float]]:
    """(Hz, power) of the lines of a Hann-windowed spectrum, by the sum that a Fourier transform is."""
    n, mean = len(window), statistics.fmean(values(window))
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * i / n) for i in range(n)]
    lines = []
    for k in range(n // 2 + 1):
        turned = sum(
            (v - mean) * h * cmath.exp(-2j * math.pi * k * i / n)
            for i, (v, h) in enumerate(zip(values(window), hann, strict=True))
        )
        sides = 1 if k == 0 or 2 * k == n else 2
        lines.append((k * rate / n, sides * abs(turned) ** 2 / (n * sum(h * h for h in hann))))
    return lines


def plain_band(window: Window, rate: float, low: float, high: float) -> float:
    if len(window) < 2 or not _is_whole(window, rate):
        return math.nan
    return sum(power for hz, power in plain_lines(window, rate) if low <= hz <= high)


def plain_velocity(window: Window, rate: float, low: float, high: float) -> float:
    if len(window) < 2 or len(window) * low < 10 * rate or not _is_whole(window, rate):
        return math.nan
    return 1e3 * math.sqrt(sum(p / (2 * math.pi * hz) ** 2 for hz, p in plain_lines(window, rate) if low <= hz <= high))


def _is_whole(window: Window, rate: float) -> bool:
    return (window[-1][0] - window[0][0]) * rate <= 1.01 * len(window)


def plain_moment(samples: list[float], power: int) -> float:
    mean = statistics.fmean(samples)
    spread = statistics.fmean((v - mean) ** 2 for v in samples)
    return statistics.fmean((v - mean) ** power for v in samples) / spread ** (power / 2) if spread else math.nan


def plain_rms(samples: list[float]) -> float:
    return math.sqrt(statistics.fmean(v * v for v in samples))


def plain_crest(samples: list[float]) -> float:
    return max(map(abs, samples)) / plain_rms(samples) if any(samples) else math.nan


_BEARING = (2.0, 60.0, 3.585, 5.415, 2.357, 0.398)
"""Of windows this short nothing is known; longer ones are in tests/unit/stream/vibration."""
PLAIN: dict[str, tuple[tuple[float, ...], Callable[[Window, float], float]]] = {
    "sum": ((), lambda w, _: math.fsum(values(w))),
    "avg": ((), lambda w, _: statistics.fmean(values(w))),
    "min": ((), lambda w, _: min(values(w))),
    "max": ((), lambda w, _: max(values(w))),
    "range": ((), lambda w, _: max(values(w)) - min(values(w))),
    "first": ((), lambda w, _: w[0][1]),
    "last": ((), lambda w, _: w[-1][1]),
    "stddev": ((), lambda w, _: statistics.stdev(values(w)) if len(w) > 1 else math.nan),
    "var": ((), lambda w, _: statistics.variance(values(w)) if len(w) > 1 else math.nan),
    "median": ((), lambda w, _: statistics.median(values(w))),
    "percentile": ((0.9,), lambda w, _: plain_percentile(values(w), 0.9)),
    "approx_percentile": ((0.25,), lambda w, _: plain_percentile(values(w), 0.25)),
    "time_avg": ((), plain_time_average),
    "integral": (
        (),
        lambda w, _: (
            sum((a[1] + b[1]) / 2 * (b[0] - a[0]) for a, b in itertools.pairwise(w)) if len(w) > 1 else math.nan
        ),
    ),
    "derivative": ((), lambda w, _: per_second(w[-1][1] - w[0][1], w)),
    "slope": ((), lambda w, _: plain_slope(w)),
    "increase": ((), lambda w, _: plain_increase(w)),
    "rate": ((), lambda w, _: per_second(plain_increase(w), w)),
    "mode": ((), lambda w, _: min(values(w), key=lambda v: (-values(w).count(v), v))),
    "rms": ((), lambda w, _: plain_rms(values(w))),
    "crest_factor": ((), lambda w, _: plain_crest(values(w))),
    "kurtosis": ((), lambda w, _: plain_moment(values(w), 4)),
    "skewness": ((), lambda w, _: plain_moment(values(w), 3)),
    "band_power": ((2.0, 0.2, 0.8), lambda w, _: plain_band(w, 2.0, 0.2, 0.8)),
    "velocity_rms": ((0.5, 0.2, 0.25), lambda w, _: plain_velocity(w, 0.5, 0.2, 0.25)),
    **{
        kind: (_BEARING, lambda _w, _: math.nan)
        for kind in ("bearing_fault", "bearing_hz", "bearing_expected_hz", "bearing_times")
    },
    "top": ((2.0,), lambda w, _: sorted(values(w))[-2] if len(w) > 1 else math.nan),
}
COUNTS: dict[str, tuple[tuple[float, ...], Callable[[Window, float], float]]] = {
    "count": ((), lambda w, _: len(w)),
    "distinct": ((), lambda w, _: len(set(values(w)))),
    "completeness": ((0.5,), lambda w, end: min(len(w) / (end / 0.5), 1.0)),
    "good": ((), lambda w, _: sum(int(v) & 3 == 0 for v in values(w))),
    "uncertain": ((), lambda w, _: sum(int(v) & 3 == 1 for v in values(w))),
    "bad": ((), lambda w, _: sum(int(v) & 3 == 2 for v in values(w))),
}
