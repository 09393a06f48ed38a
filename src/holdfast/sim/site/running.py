"""Plays a scenario: in virtual time for its hash, or on the wire in real time."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.port import End
from holdfast.sim.site.loading import Scenario
from holdfast.sim.site.play import Showing
from holdfast.sim.site.tally import Tally

_START_S = 60.0
STOP_S = 10.0
"""So long an end may take to close."""
_BREATH = 64
"""So many showings at most before the loop's other tasks get their turn."""


class Pace(NamedTuple):
    """How it's played. seconds: of the site's time, None = for ever; speed: of the site's seconds in a real one."""

    seconds: float | None = None
    speed: float = 1.0


class Stage:
    """A scenario, its ends and its tally; played once."""

    def __init__(self, scenario: Scenario, start_ns: int | None) -> None:
        """start_ns: the site's time at the beginning, ns UTC; None = the second in which all ends are open."""
        self.scenario, self.start_ns = scenario, start_ns
        self.ends: dict[str, End] = {plan.name: plan.end() for plan in scenario.groups}
        self.tally = Tally({p.name: (p.settings.protocol, len(p.devices)) for p in scenario.groups})
        self.late_s = 0.0
        """How far the last showing was behind its time."""
        self.left_open: tuple[str, ...] = ()
        """Groups whose end didn't close in time: what it holds ends with the process."""

    def hash(self, seconds: float, told: Callable[[float], None] | None = None) -> None:
        """Play `seconds` without a socket. told: called with the site's seconds that are done, now and then."""
        for number, showing in enumerate(self.showings(seconds)):
            self.tally.take(showing)
            if told is not None and number % 1000 == 0:
                told(showing.offset_ns / NS_PER_S)

    async def run(self, pace: Pace, clock: Clock, stopping: asyncio.Event, told: Callable[[float], None]) -> None:
        """Open the ends, play, close them. What falls behind is shown late, and none of it left out.

        told: called with the site's seconds that are done, often

        Raises:
            HoldfastError: when an end can't be opened; nothing stays open.
        """
        try:
            await self._open()
            if self.start_ns is None:
                self.start_ns = clock.wall_ns() // NS_PER_S * NS_PER_S
            began = clock.monotonic()
            last_ns = -1
            for number, showing in enumerate(self.showings(pace.seconds), 1):
                if showing.offset_ns != last_ns:  # all of one moment, or none: so that the hash can be made again
                    last_ns = showing.offset_ns
                    due = began + last_ns / NS_PER_S / pace.speed
                    if await _over(due, clock, stopping):
                        break
                    self.late_s = max(0.0, clock.monotonic() - due)
                    told(last_ns / NS_PER_S)
                end = self.ends[showing.group]
                await end.show(showing.device, showing.at_ns, showing.frames, showing.faults)
                self.tally.take(showing)
                if number % _BREATH == 0:
                    await asyncio.sleep(0)
            if pace.seconds is not None:
                await _over(began + pace.seconds / pace.speed, clock, stopping)
        finally:
            await self._close()

    def showings(self, seconds: float | None) -> Iterator[Showing]:
        """What is shown in so many of the site's seconds, None = for ever; asked for once."""
        if self.start_ns is None:
            raise ValueError("a play without a socket needs its start")
        play = self.scenario.play(self.start_ns, self.ends)
        return play.showings(None if seconds is None else round(seconds * NS_PER_S))

    async def _open(self) -> None:
        tried = await asyncio.gather(*(_started(name, end) for name, end in self.ends.items()), return_exceptions=True)
        _raise_first(tried)

    async def _close(self) -> None:
        closing = {group: asyncio.ensure_future(end.stop()) for group, end in self.ends.items()}
        closed, waiting = await asyncio.wait(closing.values(), timeout=STOP_S)
        for task in waiting:  # a library that waits for its clients must not keep the process
            task.cancel()
        self.left_open = tuple(group for group, task in closing.items() if task in waiting)
        _raise_first([task.exception() for task in closing.values() if task in closed])


async def _started(group: str, end: End) -> None:
    try:
        async with asyncio.timeout(_START_S):
            await end.start()
    except HoldfastError as error:
        raise EndFailed(group, error) from error
    except TimeoutError as error:
        raise EndFailed(group, HoldfastError(f"it wasn't ready within {_START_S:g} s")) from error


def _raise_first(outcomes: Sequence[BaseException | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


class EndFailed(HoldfastError):
    """A group's end of its protocol couldn't be opened."""

    def __init__(self, group: str, cause: HoldfastError) -> None:
        self.hint = cause.hint
        said = str(cause) if not cause.hint or cause.hint in str(cause) else f"{cause}: {cause.hint}"
        super().__init__(f"{group}: {said}")


async def _over(due: float, clock: Clock, stopping: asyncio.Event) -> bool:
    """Wait for the moment; True = it's over before."""
    left = due - clock.monotonic()
    if left <= 0:
        return stopping.is_set()
    try:
        async with asyncio.timeout(left):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
