"""Time as an argument: cores take `now`, shells hold a `Clock`."""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Where shells read the time. Wall time is data; monotonic time measures durations."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970; may jump when the clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes backwards."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told; for tests and replays."""

    def __init__(self, wall_ns: int = 1_700_000_000 * NS_PER_S, monotonic: float = 0.0) -> None:
        self._wall_ns = wall_ns
        self._monotonic = monotonic

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return self._wall_ns

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._wall_ns += round(seconds * NS_PER_S)
        self._monotonic += seconds

    def set_wall(self, wall_ns: int) -> None:
        """Step the wall clock, as an operator or NTP would."""
        self._wall_ns = wall_ns
