"""An adapter that fails is tried again, with growing waits, and speaks on change only."""

import asyncio
import random

from holdfast.adapters.supervised import Supervised, Worked, in_words
from holdfast.kernel.clock import ManualClock
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff


def test_failures_are_said_once_and_so_is_the_recovery() -> None:
    log: list[str] = []
    clock = ManualClock()
    backoff = Backoff(0.0, 0.0, random.Random(0))
    one = Supervised(("host", "host", "/gone"), clock, Telemetry(clock, log.append), backoff)
    turns = 0

    async def attempt(worked: Worked) -> None:
        nonlocal turns
        turns += 1
        if turns in (2, 3, 4):
            raise FileNotFoundError(2, "No such file or directory", "/gone")
        worked()
        if turns in (1, 5):
            raise OSError(5, "Input/output error")
        assert one.status().state == "working"

    asyncio.run(one.run(attempt))
    said = [(line.split()[2], line.split("detail=")[-1].split(" hint")[0]) for line in log]
    assert [kind for kind, _ in said] == [
        "AdapterFailed",
        "AdapterFailed",
        "AdapterRecovered",
        "AdapterFailed",
        "AdapterRecovered",
    ]
    assert "No such file or directory (/gone)" in said[1][1]
    status = one.status()
    assert (status.state, status.failures, status.error, status.retry_in_s) == (
        "stopped",
        5,
        "Input/output error",
        None,
    )


def test_an_unforeseen_error_is_named_and_bounded() -> None:
    said, hint = in_words(ValueError("x" * 1000))
    assert said.startswith("ValueError: xxx")
    assert len(said) == 300
    assert "report" in hint


def test_it_ends_when_it_is_cancelled_in_the_very_moment_of_a_failure() -> None:
    async def fails() -> None:
        raise OSError(5, "Input/output error")

    async def attempt(worked: Worked) -> None:
        worked()
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            group.create_task(asyncio.sleep(1_000))

    async def go() -> None:
        for turns in range(8):
            clock = ManualClock()
            backoff = Backoff(1_000.0, 1_000.0, random.Random(0))
            one = Supervised(("host", "host", "/gone"), clock, Telemetry(clock, lambda _: None), backoff)
            task = asyncio.create_task(one.run(attempt))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            for _ in range(20):
                await asyncio.sleep(0)
            assert task.cancelled(), turns

    asyncio.run(go())
