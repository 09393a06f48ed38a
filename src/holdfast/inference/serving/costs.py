"""How long a model's run of n rows takes: a + b·n, learnt from its runs. Pure.

Runs are kept by the power of two that n lies in; each size's median is a point, so that a run that the machine
interrupted moves nothing, and a stream of small batches doesn't push out what is known of large ones. The line goes
through the points with relative weights (a 10 µs run and a 10 ms run count alike). When all runs slow down together
(a hot CPU, a neighbour), the newest ones scale the line at once.
"""

from collections import deque
from statistics import median

KEPT = 9
NEWEST = 15
SCALES = (0.5, 20.0)
SHORTEST_S = 1e-7


class Costs:
    """What runs cost. Seconds."""

    def __init__(self) -> None:
        self.fixed, self.per_row, self.scale = 0.0, 0.0, 1.0
        self._by_size: dict[int, deque[tuple[int, float]]] = {}
        self._newest: deque[tuple[int, float]] = deque(maxlen=NEWEST)
        self._runs = 0

    @property
    def is_known(self) -> bool:
        """Has there been a run?"""
        return bool(self._by_size)

    def add(self, n: int, took_s: float) -> None:
        """A run of n rows took so long."""
        size = n.bit_length()
        kept = self._by_size.setdefault(size, deque(maxlen=KEPT))
        kept.append((n, max(took_s, SHORTEST_S)))
        self._newest.append(kept[-1])
        self._runs += 1
        if len(kept) < KEPT or self._runs % 8 == 0:  # later ones move a median little
            self._fit()
        if len(self._newest) >= 3:
            ratio = median(took / max(self.fixed + self.per_row * rows, SHORTEST_S) for rows, took in self._newest)
            self.scale = min(max(ratio, SCALES[0]), SCALES[1])

    def of(self, n: int) -> float:
        """What n rows will take; 0 while nothing is known."""
        return self.scale * (self.fixed + self.per_row * n)

    def rows_in(self, seconds: float, at_most: int) -> int:
        """The most rows of which a run is done in that time; at least one, and doubling at most what was ever run."""
        if not self._by_size:
            return min(32, at_most)
        tried = max(n for n, _ in self._by_size[max(self._by_size)])
        at_most = min(at_most, max(64, 4 * tried))
        left = seconds / self.scale - self.fixed
        if self.per_row * at_most <= left:
            return at_most
        return min(at_most, max(1, int(left / self.per_row))) if left > 0 and self.per_row > 0 else 1

    def _fit(self) -> None:
        points = [(median(n for n, _ in kept), median(t for _, t in kept)) for kept in self._by_size.values()]
        # weighted least squares, weights 1/t²
        w = [1.0 / (t * t) for _, t in points]
        sw = sum(w)
        mean_n = sum(k * n for k, (n, _) in zip(w, points, strict=True)) / sw
        mean_t = sum(k * t for k, (_, t) in zip(w, points, strict=True)) / sw
        spread = sum(k * (n - mean_n) ** 2 for k, (n, _) in zip(w, points, strict=True))
        if spread > 1e-12 * sw * mean_n * mean_n:
            slope = sum(k * (n - mean_n) * (t - mean_t) for k, (n, t) in zip(w, points, strict=True)) / spread
        else:
            slope = mean_t / mean_n / 2.0  # one size is known: half of it may be the fixed part
        self.per_row = max(slope, 1e-12)
        self.fixed = mean_t - self.per_row * mean_n
        if self.fixed < 0.0:  # the line through the origin, then
            self.fixed, self.per_row = 0.0, mean_t / mean_n
