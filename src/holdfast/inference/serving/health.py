"""May a model run? Errors break it, a run that doesn't return is stuck; both leave it alone for longer each time. Pure.

| state   | errors in a row / warm-up failed | a run is stuck | the pause is over | a warm-up succeeded |
|---------|----------------------------------|----------------|-------------------|---------------------|
| warming | broken                           | stuck          |                   | ok                  |
| ok      | broken                           | stuck          |                   |                     |
| broken  |                                  |                | warming           |                     |
| stuck   |                                  |                | warming           |                     |

Pauses start over once it ran well for as long as the last one was.
"""

from collections.abc import Sequence
from enum import StrEnum


class Fitness(StrEnum):
    """How a model is."""

    WARMING = "warming"
    OK = "ok"
    BROKEN = "broken"
    STUCK = "stuck"


class Health:
    """One model's."""

    def __init__(self, trip_after: int, pauses_s: Sequence[float]) -> None:
        self.state = Fitness.WARMING
        self.until = 0.0
        """While broken or stuck: when it's tried again (monotonic, s)."""
        self._trip_after, self._pauses = trip_after, tuple(pauses_s)
        self._errors, self._falls = 0, 0
        self._well_since = 0.0

    @property
    def is_able(self) -> bool:
        """May it be given rows?"""
        return self.state is Fitness.OK

    @property
    def is_out(self) -> bool:
        """Is it left alone?"""
        return self.state in (Fitness.BROKEN, Fitness.STUCK)

    def wants_try(self, now: float) -> bool:
        """Is its pause over?"""
        return self.is_out and now >= self.until

    def warm_again(self) -> None:
        """Its pause is over: a warm-up decides."""
        self.state = Fitness.WARMING

    def warmed(self, now: float) -> None:
        """The warm-up is done."""
        self.state, self._errors, self._well_since = Fitness.OK, 0, now

    def succeeded(self, now: float) -> None:
        """A run returned."""
        self._errors = 0
        if self._falls and now - self._well_since >= self._pause(self._falls):
            self._falls = 0

    def failed(self, now: float) -> None:
        """A run raised."""
        self._errors += 1
        if self.state is Fitness.WARMING or (self.is_able and self._errors >= self._trip_after):
            self._fall(Fitness.BROKEN, now)

    def stuck(self, now: float) -> None:
        """A run didn't return."""
        self._fall(Fitness.STUCK, now)

    def shut(self) -> None:
        """Leave it alone for good."""
        self.state, self.until = Fitness.BROKEN, float("inf")

    def _fall(self, state: Fitness, now: float) -> None:
        self._falls += 1
        self.state, self.until = state, now + self._pause(self._falls)

    def _pause(self, falls: int) -> float:
        return self._pauses[min(falls, len(self._pauses)) - 1]
