"""The adapter against the simulator's end, in one process on real sockets: what is shown is told, whatever is wrong."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.ports import free_port

from holdfast.adapters.errors import DeviceUnreachable, WriteRefused
from holdfast.adapters.opcua.adapter import OpcuaAdapter, Parts
from holdfast.adapters.opcua.items import Device, Item, items_of
from holdfast.adapters.opcua.link import Link
from holdfast.adapters.opcua.settings import OpcuaSettings, points_of
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.model.points import PointMap
from holdfast.sim.ends.opcua import OpcuaEnd, OpcuaEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan, Scalar
from holdfast.telemetry.happenings import Telemetry

pytestmark = pytest.mark.system
POINTS = {"force": PointPlan("press.force", "N"), "strokes": PointPlan("press.strokes", "", "int"),
          "on": PointPlan("press.on", "", "bool"), "mode": PointPlan("press.mode", "", "text")}  # fmt: skip
VALUES: dict[str, Scalar] = {"force": 1.5, "strokes": 2**62 + 1, "on": True, "mode": "grün"}
QUICK = {
    "publish_every": 0.05,
    "sampling": 0.02,
    "keep_alive": 0.2,
    "timeout": 1.0,
    "backoff_min": 0.05,
    "backoff_max": 0.1,
}
AT = 1_767_323_045_678_000_000


class Box:
    """An inbox that is full when it's told to be."""

    def __init__(self) -> None:
        self.arrivals = list[Arrival]()
        self.is_full = False
        self.waiting = list[Callable[[], None]]()

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        arrival.receipt.settle()
        return not self.is_full

    def when_drained(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def drain(self) -> None:
        self.is_full = False
        for callback in self.waiting:
            callback()

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(one) for arrival in self.arrivals for one in arrival.payloads]

    def has(self, **wanted: Any) -> bool:
        return any(wanted.items() <= one.items() for one in self.said())

    def marks(self) -> int:
        return sum(any(point.get("q") == "offline" for point in one.get("points", ())) for one in self.said())


class Plant:
    """An end with devices, and an adapter that reads them."""

    def __init__(self, *devices: str, **more: Any) -> None:
        plans = {name: DevicePlan(i, POINTS) for i, name in enumerate(devices)}
        self.end = OpcuaEnd("hall", OpcuaEndSettings(address=f"127.0.0.1:{free_port()}"), plans)
        written = msgspec.yaml.decode(self.end.map_yaml())["opcua"]["sim-hall"] | QUICK | more
        self.settings = self._settings(written)
        self.box = Box()
        items, found = list[Item](), dict[str, Device]()
        for name, one in self.settings.devices.items():
            own = items_of(name, one, one.nodes)
            points = PointMap("opcua", f"sim-hall.{name}", points_of(one.nodes))
            found[name] = Device(name, points, list(range(len(items), len(items) + len(own))))
            items += own
        clock = SystemClock()
        self.lines = list[str]()
        telemetry = Telemetry(clock, self.lines.append)
        link = Link(self.settings, Path, "gw:hall")
        parts = Parts(self.settings, items, found)
        self.adapter = OpcuaAdapter("hall", parts, link, self.box, clock, telemetry, Random(1))

    @staticmethod
    def _settings(written: dict[str, Any]) -> OpcuaSettings:
        written["publish_every"] = QUICK["publish_every"]
        return msgspec.convert(written, OpcuaSettings)

    async def within(self, reached: Callable[[], bool], seconds: float = 8.0) -> None:
        async with asyncio.timeout(seconds):
            while not reached():  # noqa: ASYNC110  # nobody tells when a reading has come
                await asyncio.sleep(0.02)

    async def show(self, device: str = "press-1", at: int = AT, faults: Faults = SOUND, **values: Any) -> None:
        frames = self.end.frames(device, at, VALUES | values)
        await self.end.show(device, at, frames, faults)


def during(plant: Plant, body: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await plant.end.start()
        task = asyncio.create_task(plant.adapter.run())
        try:
            await body()
        finally:
            await plant.adapter.stop(1.0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await plant.end.stop()

    asyncio.run(run())


def test_what_the_end_shows_is_told_with_its_time_and_what_is_wrong_is_lived_through() -> None:
    plant = Plant("press-1", "press-2")

    async def body() -> None:
        await plant.show()
        await plant.show("press-2", force=2.5)
        await plant.within(lambda: plant.box.has(force=1.5, strokes=2**62 + 1, on=True, mode="grün", ts=AT // 1_000))
        await plant.within(lambda: plant.box.has(device="press-2", force=2.5))
        assert {one.state for one in plant.adapter.devices()} == {"working"}
        await plant.show(faults=Faults(dropout=True), at=AT + 10**9)
        bad = {"n": "force", "v": None, "q": "bad", "ts": AT + 10**9}
        await plant.within(lambda: any(bad in one.get("points", ()) for one in plant.box.said()))
        assert plant.box.marks() == 0
        for i, fault in enumerate((Faults(half_open=True), Faults(garbage=True), Faults(slow_s=3.0)), 1):
            await plant.show(faults=fault)
            await plant.within(lambda i=i: plant.box.marks() == 2 * i)  # type: ignore[misc]  # each device, once
            assert plant.adapter.devices()[0].state == "failing"
            assert plant.adapter.status().error
            await plant.show(at=AT + (i + 1) * 10**9, force=10.0 + i)
            back = 10.0 + i
            await plant.within(lambda back=back: f'"v":{back}' in str_of(plant) or plant.box.has(force=back))  # type: ignore[misc]
            await plant.within(lambda: plant.adapter.status().state == "working")

    during(plant, body)


def str_of(plant: Plant) -> str:
    return "".join(one.decode() for arrival in plant.box.arrivals for one in arrival.payloads)


def test_a_try_reads_every_node_and_leaves_nothing_behind_and_an_unknown_port_is_said() -> None:
    plant = Plant("press-1")

    async def body() -> None:
        await plant.end.start()
        await plant.show()
        assert "4 nodes read" in await plant.adapter.try_once()
        await plant.end.stop()
        with pytest.raises(DeviceUnreachable, match="nothing listens there"):
            await plant.adapter.try_once()
        with pytest.raises(WriteRefused, match="may not be written"):
            await plant.adapter.write("press-1", {"force": 1.0})

    asyncio.run(body())
    assert not plant.box.arrivals


def test_while_the_inbox_is_full_nothing_more_is_asked_for_and_the_servers_queue_keeps_it() -> None:
    plant = Plant("press-1")

    async def body() -> None:
        await plant.show()
        await plant.within(lambda: plant.box.has(force=1.5))
        plant.box.is_full = True
        await plant.show(force=2.0, at=AT + 1_000_000)
        await plant.within(lambda: plant.adapter.feed.is_full)
        for i in range(3, 8):
            await plant.show(force=float(i), at=AT + i * 1_000_000)
            await asyncio.sleep(0.05)
        assert "held back" in plant.adapter.status().detail
        assert "7.0" not in str_of(plant)
        plant.box.drain()
        await plant.within(lambda: "7.0" in str_of(plant))
        await plant.within(lambda: all(f"{float(i)}" in str_of(plant) for i in range(2, 8)))
        assert plant.adapter.feed.skipped == 0
        assert plant.box.marks() == 0

    during(plant, body)
