"""Latencies of a sliding window: a histogram whose buckets grow by 8 %, in six slots that take turns. Pure."""

import math

import numpy as np

SLOTS = 6
BUCKETS = 256
FIRST_S = 1e-5
GROWTH = 1.08
"""A quantile is right within ±4 %; 256 buckets reach from 10 µs to 50 minutes in 6 kB."""
_LOG = math.log(GROWTH)


class Latencies:
    """What it took, lately."""

    def __init__(self, window_s: float) -> None:
        self._slot_s = window_s / SLOTS
        self._counts = np.zeros((SLOTS, BUCKETS), np.uint32)
        self._at = 0
        self._since: float | None = None
        self._born = 0.0

    def add(self, seconds: float, rows: int, now: float) -> None:
        """So many rows took so long."""
        self._turn(now)
        bucket = int(math.log(max(seconds, FIRST_S) / FIRST_S) / _LOG) if math.isfinite(seconds) else BUCKETS
        self._counts[self._at, min(bucket, BUCKETS - 1)] += rows

    def quantiles(self, shares: tuple[float, ...], now: float) -> tuple[float, ...]:
        """The latencies that these shares of the rows didn't exceed, s; NaN while there's none."""
        self._turn(now)
        reached = np.cumsum(self._counts.sum(axis=0, dtype=np.int64))
        total = int(reached[-1])
        if not total:
            return tuple(math.nan for _ in shares)
        found = (int(np.searchsorted(reached, math.ceil(share * total))) for share in shares)
        return tuple(FIRST_S * GROWTH ** (bucket + 0.5) for bucket in found)

    def rows_per_s(self, now: float) -> float:
        """How many rows a second, over the window."""
        self._turn(now)
        began = now if self._since is None else self._since
        covered = min(self._slot_s * (SLOTS - 1) + now - began, now - self._born)
        return float(self._counts.sum(dtype=np.int64)) / max(covered, 1.0)

    def _turn(self, now: float) -> None:
        if self._since is None:
            self._since = self._born = now
        passed = int((now - self._since) / self._slot_s)
        for _ in range(min(passed, SLOTS)):
            self._at = (self._at + 1) % SLOTS
            self._counts[self._at] = 0
        self._since += passed * self._slot_s
