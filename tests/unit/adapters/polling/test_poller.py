"""The poller: real tasks, a feed and an inbox; a device that hangs or breaks hurts nobody else."""

import asyncio
import json
from collections.abc import Callable
from random import Random

from holdfast.adapters.errors import DeviceUnreachable
from holdfast.adapters.feed import Feed
from holdfast.adapters.points import Point
from holdfast.adapters.polling.planner import Poll
from holdfast.adapters.polling.poller import Polled, Poller, Reading
from holdfast.adapters.polling.settings import PollSettings
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.model.points import PointMap, PointSettings

MAP = PointMap("modbus", "meter", {"power": PointSettings(metric="power", unit="W"), "on": PointSettings(metric="on")})


class Box:
    """An inbox with room for so many messages."""

    def __init__(self, room: int) -> None:
        self.room, self.arrivals, self.waiting = room, list[Arrival](), list[Callable[[], None]]()

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        self.room -= len(arrival.payloads)
        return self.room > 0

    def when_drained(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def messages(self, topic: str) -> list[dict[str, object]]:
        return [json.loads(one) for a in self.arrivals if a.topic == topic for one in a.payloads]


def poller(box: Box, moods: dict[str, str]) -> tuple[Poller, Feed]:
    async def read(poll: Poll, timeout_s: float) -> Reading:
        match moods[poll.device]:
            case "hangs":
                async with asyncio.timeout(timeout_s):
                    await asyncio.sleep(60)
            case "gone":
                raise DeviceUnreachable("connection refused", "is it on?")
            case "breaks":
                raise ValueError("bytes it shouldn't send")
            case "half":
                return Reading({"power": float("nan")}, [Point("on", None, "bad")])
        return Reading({"power": 230.5, "on": 1.0})

    feed, settings = Feed("modbus:hall", box, SystemClock()), PollSettings(timeout=0.05, failures=2)
    devices = [Polled(name, "here", MAP, [Poll(name, name, 0.02)]) for name in moods]
    return Poller(devices, read, feed, settings, SystemClock(), Random(1)), feed


def run_for(seconds: float, one: Poller) -> None:
    async def run() -> None:
        task = asyncio.create_task(one.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_values_come_as_one_message_a_poll_and_dead_devices_are_said_to_be_offline_once() -> None:
    box, moods = Box(10_000), {"a": "well", "b": "hangs", "c": "gone", "d": "breaks", "e": "half"}
    one, _ = poller(box, moods)
    run_for(0.6, one)
    good = box.messages(MAP.topic)
    assert {m["device"] for m in good} == {"a"}
    assert len(good) >= 10
    assert good[0]["power"] == 230.5
    offline = [m for m in box.messages(f"{MAP.topic}/q") if m["device"] != "e"]
    assert sorted(str(m["device"]) for m in offline) == ["b", "c", "d"]
    assert offline[0]["points"] == [{"n": "power", "v": None, "q": "offline"}, {"n": "on", "v": None, "q": "offline"}]
    half = next(m for m in box.messages(f"{MAP.topic}/q") if m["device"] == "e")
    assert [(p["n"], p["q"]) for p in half["points"]] == [("on", "bad"), ("power", "bad")]  # type: ignore[attr-defined]
    states = {state.device: state for state in one.states()}
    assert {name: state.state for name, state in states.items()} == {
        "a": "working", "b": "failing", "c": "failing", "d": "failing", "e": "working"
    }  # fmt: skip
    assert states["b"].error.startswith("no answer within")
    assert states["c"].error == "connection refused; is it on?"
    assert "bytes it shouldn't send" in states["d"].error


def test_while_the_inbox_is_full_nothing_is_asked_and_that_is_counted() -> None:
    box = Box(3)
    one, feed = poller(box, {"a": "well"})

    async def run() -> None:
        task = asyncio.create_task(one.run())
        await asyncio.sleep(0.3)
        assert len(box.messages(MAP.topic)) == 3
        assert feed.skipped > 3
        box.room = 1_000
        box.waiting.pop()()
        await asyncio.sleep(0.3)
        assert len(box.messages(MAP.topic)) > 5
        assert feed.unsettled == feed.received
        for arrival in box.arrivals:
            arrival.receipt.settle()
        assert (feed.unsettled, feed.settled) == (0, feed.received)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
