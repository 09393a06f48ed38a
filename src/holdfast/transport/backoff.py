"""Pauses between tries: decorrelated jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015). Pure."""

from random import Random


class Backoff:
    """How long to wait before the next try; grows with every failure up to a bound."""

    def __init__(self, pause_min_s: float, pause_max_s: float, rng: Random) -> None:
        self._min, self._max, self._rng = pause_min_s, pause_max_s, rng
        self._pause = pause_min_s

    def failed(self) -> float:
        """Seconds until the next try."""
        self._pause = min(self._max, self._rng.uniform(self._min, max(self._min, 3 * self._pause)))
        return self._pause

    def succeeded(self) -> None:
        """The next failure waits least again."""
        self._pause = self._min
