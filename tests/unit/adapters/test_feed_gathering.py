"""The feed: what comes close together goes in together, and no later than it may."""

import asyncio
from collections.abc import Callable

from holdfast.adapters.feed import Feed
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock


class Box:
    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        return True

    def when_drained(self, callback: Callable[[], None]) -> None:
        raise AssertionError(callback)

    def sizes(self) -> list[int]:
        return [len(one.payloads) for one in self.arrivals]


def test_messages_of_several_turns_of_the_loop_are_one_arrival_within_the_time_they_may_wait() -> None:
    async def run() -> None:
        box = Box()
        feed = Feed("modbus:hall", box, SystemClock(), gather_s=0.03)
        for number in range(3):
            assert feed.put("t", b"%d" % number)
            await asyncio.sleep(0.002)
        assert box.arrivals == []
        await asyncio.sleep(0.06)
        assert box.sizes() == [3]
        assert box.arrivals[0].payloads == [b"0", b"1", b"2"]
        feed.put("t", b"3")
        feed.flush()
        assert box.sizes() == [3, 1]
        await asyncio.sleep(0.06)
        assert box.sizes() == [3, 1]

    asyncio.run(run())


def test_without_a_time_to_wait_it_is_one_turn_of_the_loop_and_a_thousand_never_wait() -> None:
    async def run() -> None:
        box = Box()
        feed = Feed("modbus:hall", box, SystemClock())
        feed.put("t", b"")
        feed.put("t", b"")
        await asyncio.sleep(0)
        assert box.sizes() == [2]
        gathering = Feed("modbus:hall", box, SystemClock(), gather_s=60.0)
        for _ in range(1_001):
            gathering.put("t", b"")
        assert box.sizes() == [2, 1_000]

    asyncio.run(run())
