import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from holdfast.adapters.host.adapter import HostAdapter
from holdfast.adapters.host.sample import Sample, payload, pick_temperature
from holdfast.adapters.host.settings import HostSettings
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock


class Reading(NamedTuple):
    current: float


class CountingInbox:
    """Takes arrivals; full after the first when told so."""

    def __init__(self, *, small: bool) -> None:
        self.small = small
        self.arrivals: list[Arrival] = []
        self.came = asyncio.Event()
        self.callbacks: list[Callable[[], None]] = []

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        self.came.set()
        return not self.small

    def when_drained(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)


async def first_arrival(inbox: CountingInbox) -> HostAdapter:
    adapter = HostAdapter(HostSettings(every=0.1, device="box"), inbox, SystemClock())
    task = asyncio.create_task(adapter.run(lambda: None))
    await inbox.came.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return adapter


def test_the_machine_is_a_device_like_any_other() -> None:
    async def scene() -> None:
        inbox = CountingInbox(small=False)
        adapter = await first_arrival(inbox)
        arrival = inbox.arrivals[0]
        sample = msgspec.json.decode(arrival.payloads[0], type=Sample)
        assert (arrival.source, arrival.topic) == ("box", "host/box")
        assert 0 <= sample.memory <= 100
        assert abs(sample.ts - arrival.received_ns / 1e9) < 10
        arrival.receipt.settle()
        arrival.receipt.refuse()
        assert (adapter.settled, adapter.refused) == (1, 1)

    asyncio.run(scene())


def test_a_full_inbox_is_asked_to_call_back() -> None:
    async def scene() -> None:
        inbox = CountingInbox(small=True)
        adapter = await first_arrival(inbox)
        assert adapter._full
        inbox.callbacks[0]()
        assert not adapter._full

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("sensors", "expected"),
    [
        ({}, None),
        ({"nvme": [Reading(30.0)], "coretemp": [Reading(51.234)]}, 51.23),
        ({"b": [Reading(0.0), Reading(999.0)], "c": [Reading(40)]}, 40.0),
    ],
)
def test_the_processors_temperature_goes_first(sensors: dict[str, list[Reading]], expected: float | None) -> None:
    assert pick_temperature(sensors) == expected


def test_what_the_machine_cannot_tell_is_left_out() -> None:
    assert payload(Sample(1.5, 2.0, 3.0, 4.0)) == b'{"ts":1.5,"cpu":2.0,"memory":3.0,"disk":4.0}'
