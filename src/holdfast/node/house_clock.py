"""The clock that all parts of a node read: the machine's own, with every step noticed at the first use after it."""

import threading

from holdfast.kernel.clock import Clock
from holdfast.kernel.trust import ClockWatch, Step

_TRIES = 5
# Between two reads of the boot time; a thread that was put to sleep in between would look like a step.
_CLOSE_NS = 10_000_000


class HouseClock:
    """Implements `kernel.clock.Clock`. While the wall clock is unset its time runs on evenly. Any thread."""

    def __init__(self, clock: Clock, watch: ClockWatch) -> None:
        self._clock, self._watch = clock, watch
        self._steps: list[Step] = []
        self._looking = threading.Lock()

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        wall_ns, boot_ns = self._clock.wall_ns(), self._clock.boottime_ns()
        if not self._watch.agrees(wall_ns, boot_ns):
            wall_ns, boot_ns = self.look(None)
        return self._watch.wall_ns(wall_ns, boot_ns)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return self._clock.monotonic()

    def boottime_ns(self) -> int:
        """Nanoseconds since this boot."""
        return self._clock.boottime_ns()

    def boot_id(self) -> str:
        """Which boot this is."""
        return self._clock.boot_id()

    def look(self, synchronised: bool | None) -> tuple[int, int]:  # noqa: FBT001  # three answers of the kernel
        """Have the watch observe the clock now; returns the pair it saw."""
        with self._looking:
            pair = self._pair()
            step = self._watch.observe(*pair, synchronised)
            if step is not None:
                self._steps.append(step)
        return pair

    def take_steps(self) -> list[Step]:
        """The steps since the last call."""
        with self._looking:
            taken, self._steps = self._steps, []
        return taken

    @property
    def has_stepped(self) -> bool:
        """Are there steps to take?"""
        return bool(self._steps)

    def _pair(self) -> tuple[int, int]:
        """Wall and boot time of the same moment."""
        wall_ns = boot_ns = 0
        for _ in range(_TRIES):
            before, wall_ns, boot_ns = self._clock.boottime_ns(), self._clock.wall_ns(), self._clock.boottime_ns()
            if boot_ns - before < _CLOSE_NS:
                break
        return wall_ns, boot_ns
