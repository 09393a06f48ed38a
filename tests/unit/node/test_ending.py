"""A node ends, whatever its adapters are about."""

import asyncio
import random

from holdfast.adapters.supervised import Supervised, Worked
from holdfast.kernel.clock import ManualClock
from holdfast.node.ending import ended
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff


async def fails() -> None:
    raise OSError(5, "Input/output error")


async def attempt(worked: Worked) -> None:
    worked()
    async with asyncio.TaskGroup() as group:
        group.create_task(fails())
        group.create_task(asyncio.sleep(1_000))


def test_adapters_end_whatever_moment_of_a_failure_they_are_cancelled_in() -> None:
    async def go() -> None:
        clock = ManualClock()
        for turns in range(8):
            backoff = Backoff(1_000.0, 1_000.0, random.Random(0))
            one = Supervised(("host", "host", "/gone"), clock, Telemetry(clock, lambda _: None), backoff)
            task = asyncio.create_task(one.run(attempt))
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                await ended([task], again_s=0.01)
            assert task.done()

    asyncio.run(go())


def test_without_tasks_there_is_nothing_to_wait_for() -> None:
    asyncio.run(ended([]))
