"""Is there anybody above who answers? A circuit breaker over questions, not over connections. Pure.

| phase     | may be asked      | answered | expired, or refused | the pause is over |
|-----------|-------------------|----------|---------------------|-------------------|
| closed    | any               | closed   | closed, open        |                   |
| open      | none              | closed   | open                | half-open         |
| half-open | one probe         | closed   | open                | half-open         |

Pauses grow with decorrelated jitter. An answer that comes late closes it, too: somebody is there.
"""

from enum import StrEnum
from random import Random

from holdfast.transport.backoff import Backoff

PAUSES_S = (15.0, 900.0)


class Phase(StrEnum):
    """Is it worth asking?"""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Trust:
    """Of one deployment. Times: CLOCK_MONOTONIC, s."""

    def __init__(self, trip_after: int, rng: Random, pauses_s: tuple[float, float] = PAUSES_S) -> None:
        self.phase = Phase.CLOSED
        self._trip_after, self._backoff = trip_after, Backoff(*pauses_s, rng)
        self._failures, self._quiet_until, self._is_probing = 0, 0.0, False

    def may_ask(self, now: float) -> bool:
        """May a question begin now?"""
        if self.phase is Phase.OPEN and now >= self._quiet_until:
            self.phase = Phase.HALF_OPEN
        return self.phase is Phase.CLOSED or (self.phase is Phase.HALF_OPEN and not self._is_probing)

    def asked(self) -> None:
        """One began."""
        self._is_probing = self.phase is Phase.HALF_OPEN

    def unasked(self) -> None:
        """One that began didn't leave."""
        self._is_probing = False

    def answered(self) -> None:
        """Somebody is there."""
        self.phase, self._failures, self._is_probing = Phase.CLOSED, 0, False
        self._backoff.succeeded()

    def failed(self, now: float) -> None:
        """A question expired, or was refused."""
        self._failures += 1
        if self.phase is Phase.OPEN:
            return  # it was asked before
        if self.phase is Phase.HALF_OPEN or self._failures >= self._trip_after:
            self.phase, self._is_probing = Phase.OPEN, False
            self._quiet_until = now + self._backoff.failed()
