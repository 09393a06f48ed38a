"""Makes the polls that the planner plans: one task for each poll that a bus carries at once. Loop thread only.

What the adapter reads goes to its feed; a device that is found dead gets one `offline` reading for each of its points.
A question that hangs is given up after its time, so that the task goes on to the next device.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil, isfinite
from random import Random
from typing import Literal

from holdfast.adapters.feed import Feed
from holdfast.adapters.points import Point, offline, points_payload, values_payload
from holdfast.adapters.polling.planner import Planner, Poll, Turn
from holdfast.adapters.polling.settings import PollSettings
from holdfast.adapters.port import DeviceState
from holdfast.adapters.supervised import in_words
from holdfast.kernel.clock import Clock
from holdfast.model.points import PointMap, Scalar


@dataclass(slots=True)
class Reading:
    """What a poll read. values: good ones; others: with a quality or a time of their own; slowest_s: one question.

    ts_ns: of `values`, ns UTC; 0 = when the poll's answer came
    trouble: what is wrong although it answers, in words
    """

    values: Mapping[str, Scalar] = field(default_factory=dict)
    others: Sequence[Point] = ()
    slowest_s: float = 0.0
    ts_ns: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """A device that is polled. where: its address, in words; carries: polls that its bus takes at once."""

    name: str
    where: str
    map: PointMap
    polls: Sequence[Poll]


State = Literal["waiting", "working", "failing"]
Read = Callable[[Poll, float], Awaitable[Reading]]
"""Makes one poll: (what, how long to wait for each answer in seconds). Raises what it likes when it fails."""


class Poller:
    """Polls the devices of one adapter. `run` is its only task's body."""

    def __init__(
        self,
        devices: Sequence[Polled],
        read: Read,
        feed: Feed,
        settings: PollSettings,
        clock: Clock,
        rng: Random,
        carries: Mapping[str, int] | None = None,
    ) -> None:
        """carries: polls that a bus takes at once, 1 unless it says otherwise."""
        self._devices = {one.name: one for one in devices}
        self._read, self._feed, self._clock = read, feed, clock
        polls = [poll for one in devices for poll in one.polls]
        self.planner = Planner(polls, settings, clock.monotonic(), rng)
        self._every = {poll.bus: 1 for poll in polls} | dict(carries or {})
        self._turns = {bus: asyncio.Semaphore(count) for bus, count in self._every.items()}
        self._errors: dict[str, str] = {}
        self._last_ns: dict[str, int] = {}
        self._silent: set[str] = set()
        """Devices whose points were said to be offline."""
        self._is_stopping = False
        self.on_answer: Callable[[], None] = lambda: None
        """Called after each poll that was answered. Cheap."""

    async def run(self) -> None:
        """Poll until cancelled, or until `stop`."""
        async with asyncio.TaskGroup() as group:
            for bus, count in self._every.items():
                for _ in range(count):
                    group.create_task(self._serve(bus))

    def stop(self) -> None:
        """Begin no more polls."""
        self._is_stopping = True

    @asynccontextmanager
    async def turn(self, bus: str) -> AsyncIterator[None]:
        """A bus for something else, as a write: between polls, which wait meanwhile."""
        async with self._turns.get(bus) or asyncio.Semaphore():
            yield

    async def _serve(self, bus: str) -> None:
        while not self._is_stopping:
            turn = self.planner.next(bus, self._clock.monotonic())
            if turn is None:
                await asyncio.sleep(self.planner.wait_s(bus, self._clock.monotonic()))
            elif self._feed.is_full:
                self._feed.skipped += 1
                self.planner.skip(turn, self._clock.monotonic())
            else:
                async with self._turns[bus]:
                    await self._make(turn)

    async def _make(self, turn: Turn) -> None:
        began, device = self._clock.monotonic(), self._devices[turn.poll.device]
        try:
            reading = await self._read(turn.poll, turn.timeout_s)
        except Exception as error:  # noqa: BLE001  # whatever a device and its library do, the others are polled on
            self._failed(turn, device, error, began)
            return
        now = self._clock.monotonic()
        self.planner.answered(turn, now, reading.slowest_s or now - began)
        self._errors[device.name] = reading.trouble
        self._silent.discard(device.name)
        self._last_ns[device.name] = self._clock.wall_ns()
        self._hand_on(device, reading)
        self.on_answer()

    def _hand_on(self, device: Polled, reading: Reading) -> None:
        topic, at_ns = device.map.topic, reading.ts_ns or self._clock.wall_ns()
        others = list(reading.others)
        values = reading.values
        wrong = [name for name, value in values.items() if isinstance(value, float) and not isfinite(value)]
        if wrong:
            others += [Point(name, None, "bad", at_ns) for name in wrong]
            values = {name: value for name, value in values.items() if name not in wrong}
        if values:
            self._feed.put(topic, values_payload(device.name, at_ns, values))
        if others:
            self._feed.put(f"{topic}/q", points_payload(device.name, others))

    def _failed(self, turn: Turn, device: Polled, error: Exception, began: float) -> None:
        now = self._clock.monotonic()
        timed_out = isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError)
        said, hint = in_words(error)
        self._errors[device.name] = (
            f"no answer within {turn.timeout_s:.2g} s" if timed_out else "; ".join(filter(None, (said, hint)))
        )
        self.planner.failed(turn, now, now - began, timed_out=timed_out)
        if self._is_stopping:
            return  # its link was closed under it, which says nothing about the device
        if self.planner.health[device.name].is_dead and device.name not in self._silent:
            points = points_payload(device.name, offline(device.map.points))
            if self._feed.put(f"{device.map.topic}/q", points):  # a full inbox: at the next try
                self._silent.add(device.name)

    def late_s(self) -> float:
        """How late polls of living devices begin: 99 of 100 of the latest 1,024."""
        late = sorted(self.planner.late)
        return late[ceil(0.99 * len(late)) - 1] if late else 0.0

    def states(self) -> list[DeviceState]:
        """How each device is."""
        late = round(self.late_s(), 4)
        found = []
        for one in self._devices.values():
            health = self.planner.health[one.name]
            last = self._last_ns.get(one.name, 0)
            state: State = "failing" if health.in_a_row else "working" if last else "waiting"
            every = min(poll.every_s for poll in one.polls)
            numbers = health.made, health.failures, health.skipped, late
            found.append(DeviceState(one.name, one.where, state, every, last, *numbers, self._errors.get(one.name, "")))
        return found
