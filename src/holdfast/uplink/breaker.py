"""A circuit breaker with decorrelated jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015). Pure.

| phase     | a call may start        | succeeded | failed          | the pause is over |
|-----------|-------------------------|-----------|-----------------|-------------------|
| closed    | yes, after a pause      | closed    | closed, open    | closed            |
| open      | no                      | closed    | open            | half-open         |
| half-open | one probe               | closed    | open            | half-open         |
"""

from enum import StrEnum
from random import Random


class Phase(StrEnum):
    """Is the parent worth calling?"""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Says when the next call may start."""

    def __init__(self, trip_after: int, pause_min_s: float, pause_max_s: float, rng: Random) -> None:
        self.phase = Phase.CLOSED
        self._trip_after = trip_after
        self._min, self._max = pause_min_s, pause_max_s
        self._rng = rng
        self._failures = 0
        self._pause = pause_min_s
        self.quiet_until = 0.0
        self._asked_until = 0.0

    def may_call(self, now: float) -> bool:
        """May a call start now? In half-open only one may be under way; the caller sees to that with `phase`."""
        if now < self.quiet_until:
            return False
        if self.phase is Phase.OPEN:
            self.phase = Phase.HALF_OPEN
        return True

    def succeeded(self) -> None:
        """The parent answered."""
        self.phase, self._failures, self._pause, self.quiet_until = Phase.CLOSED, 0, self._min, 0.0
        self._asked_until = 0.0

    def failed(self, now: float, asked_s: float = 0.0) -> None:
        """A call failed; `asked_s`: the pause that the parent asked for."""
        self._failures += 1
        if self._failures >= self._trip_after or self.phase is Phase.HALF_OPEN:
            self.phase = Phase.OPEN
        self._pause = min(self._max, self._rng.uniform(self._min, 3 * self._pause))
        # kept apart: a second lane's failure must not shorten the pause the parent asked the first one for
        self._asked_until = max(self._asked_until, now + asked_s)
        self.quiet_until = max(now + self._pause, self._asked_until)
