"""Virtual time: an event loop whose clock jumps to the next timer, so that days pass in seconds and every run is alike.

Worker threads become plain calls, and nothing waits for a socket: the order of events is the code's and the seed's.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from holdfast.kernel.clock import NS_PER_S

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Never waits: tells the loop how long it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.pass_time: Callable[[float], None] = lambda _: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """No event ever comes from outside."""
        if timeout is None:
            raise RuntimeError("nothing is left to happen: the simulation is stuck")
        self.pass_time(max(0.0, timeout))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that takes its time from the timers."""

    def __init__(self) -> None:
        jump = _Jump()
        super().__init__(jump)
        self._now = 0.0
        jump.pass_time = self._pass
        self.set_default_executor(_Inline())

    def time(self) -> float:
        """Virtual seconds since the loop began."""
        return self._now

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    def _write_to_self(self) -> None:  # the loop's own wake-up pipe: nobody sleeps here
        return


class _Inline(ThreadPoolExecutor):
    """Runs what it's given at once; the base class is what asyncio demands."""

    def __init__(self) -> None:
        super().__init__(1)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call now."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever asked
            future.set_exception(error)
        return future


class VirtualClock:
    """A node's clock on virtual time; its wall clock can be set, as an operator or NTP would."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch_ns: int) -> None:
        self._loop = loop
        self.offset_ns = epoch_ns

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return self.offset_ns + round(self._loop.time() * NS_PER_S)

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def boottime_ns(self) -> int:
        """Nanoseconds since the loop began."""
        return round(self._loop.time() * NS_PER_S)

    def boot_id(self) -> str:
        """One boot for ever: a restart is the process's, and what a reboot does to the clock is the timekeeper's."""
        return "virtual"
