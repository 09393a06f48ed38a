"""Time as an argument: cores take `now`, shells hold a `Clock`."""

import time
from pathlib import Path
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Where shells read the time. Wall time is data; monotonic time measures durations."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970; may jump when the clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes backwards."""
        ...

    def boottime_ns(self) -> int:
        """Nanoseconds since this boot, suspended time included (CLOCK_BOOTTIME); the same for all processes."""
        ...

    def boot_id(self) -> str:
        """Which boot `boottime_ns` counts from; empty where the system doesn't tell."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def boottime_ns(self) -> int:
        """Nanoseconds since this boot."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        """The kernel's random id of this boot (random(4))."""
        return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""


class ManualClock:
    """A clock that moves only when told; for tests and replays."""

    def __init__(
        self, wall_ns: int = 1_700_000_000 * NS_PER_S, monotonic: float = 0.0, boot_id: str = "manual"
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._boot_id = boot_id

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return self._wall_ns

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return self._monotonic

    def boottime_ns(self) -> int:
        """Nanoseconds since an arbitrary start."""
        return round(self._monotonic * NS_PER_S)

    def boot_id(self) -> str:
        """The boot's id, as given."""
        return self._boot_id

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._wall_ns += round(seconds * NS_PER_S)
        self._monotonic += seconds

    def set_wall(self, wall_ns: int) -> None:
        """Step the wall clock, as an operator or NTP would."""
        self._wall_ns = wall_ns
