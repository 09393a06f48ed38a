"""Pretend BACnet devices (bacpypes3's stack) in front of our own adapter, over real sockets on loopback."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.ports import free_port
from tests.waiting import until

from holdfast.adapters.bacnet.adapter import BacnetAdapter, Mapped
from holdfast.adapters.bacnet.settings import BacnetSettings
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.documents import parse
from holdfast.model.points import PointMap
from holdfast.sim.ends.bacnet import BacnetEnd, BacnetEndSettings, CantListen
from holdfast.sim.ends.port import DevicePlan, Faults, PointPlan, Scalar
from holdfast.telemetry.happenings import Telemetry

POINTS = {
    "supply": PointPlan("air.supply.temperature", "Cel"),
    "starts": PointPlan("starts", "count", "int"),
    "on": PointPlan("on", type="bool"),
    "mode": PointPlan("mode", type="text"),
}
VALUES: dict[str, Scalar] = {"supply": 21.5, "starts": 70_000, "on": True, "mode": "Heating"}


class Box:
    """An inbox that settles everything at once, as after a commit."""

    def __init__(self) -> None:
        self.arrivals = list[Arrival]()

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        arrival.receipt.settle()
        return True

    def when_drained(self, callback: Callable[[], None]) -> None:
        raise AssertionError(callback)

    def last(self, device: str, point: str) -> tuple[object, str]:
        """Value and quality of the newest."""
        found: list[tuple[int, object, str]] = [(0, None, "")]
        for arrival in self.arrivals:
            for said in map(json.loads, arrival.payloads):
                if said["device"] == device and point in said:
                    found.append((1_000 * said["ts"], said[point], "good"))
                points = said.get("points", ()) if said["device"] == device else ()
                own = (one for one in points if one["n"] == point)
                found += [(one.get("ts", arrival.received_ns), one["v"], one.get("q", "good")) for one in own]
        return max(found, key=lambda one: one[0])[1:]


def end_of(count: int) -> BacnetEnd:
    ports = free_port()
    settings = BacnetEndSettings(address=f"127.0.0.1:{ports}", listen=f"127.0.0.1:{free_port()}", every="200ms")
    return BacnetEnd("plant", settings, {f"ahu-{i}": DevicePlan(i, POINTS) for i in range(count)})


def adapter_of(end: BacnetEnd, box: Box, **more: Any) -> BacnetAdapter:
    """As `map_yaml` has it."""
    link = msgspec.yaml.decode(end.map_yaml())["bacnet"]["sim-plant"]
    link |= {"timeout": "300ms", "retry_max": "300ms", "failures": 2} | more
    settings = parse(msgspec.yaml.encode(link).decode(), BacnetSettings, Path("link.yaml")).value
    clock = SystemClock()
    maps = {key: Mapped(PointMap("bacnet", key, one.objects), one.objects) for key, one in settings.devices.items()}
    return BacnetAdapter("sim", settings, maps, box, clock, Telemetry(clock, lambda _: None), Random(1))


@asynccontextmanager
async def running(end: BacnetEnd, adapter: BacnetAdapter) -> AsyncIterator[None]:
    await end.start()
    task = asyncio.create_task(adapter.run())
    try:
        yield
    finally:
        await adapter.stop(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await end.stop()


def proof(body: Callable[[BacnetEnd, BacnetAdapter, Box], Awaitable[None]], count: int = 1, **more: Any) -> None:
    async def run() -> None:
        end, box = end_of(count), Box()
        adapter = adapter_of(end, box, **more)
        async with running(end, adapter):
            for i in range(count):
                await end.show(f"ahu-{i}", 0, end.frames(f"ahu-{i}", 0, VALUES), Faults())
            await body(end, adapter, box)

    asyncio.run(run())


def test_frames_are_the_same_each_time_and_carry_values_as_tags() -> None:
    frames = end_of(1).frames("ahu-0", 0, VALUES)
    assert frames == end_of(1).frames("ahu-0", 5, VALUES)
    assert frames[0] == bytes.fromhex("00800001 44 41ac0000")
    assert frames[1] == bytes.fromhex("0b400002 33 011170")
    assert frames[3] == bytes.fromhex("0a000004 7508 00") + b"Heating"
    assert end_of(1).frames("ahu-0", 0, {"supply": float("nan")})[0][4:] == b"\x00"


def test_values_come_by_subscription_and_faults_of_values_are_said() -> None:
    async def body(end: BacnetEnd, adapter: BacnetAdapter, box: Box) -> None:
        for point, value in VALUES.items():
            await until(lambda point=point, value=value: box.last("ahu-0", point) == (value, "good"))  # type: ignore[misc]
        await until(lambda: "4 subscriptions" in adapter.status().detail)
        await end.show("ahu-0", 0, end.frames("ahu-0", 0, VALUES | {"supply": 19.25, "on": False}), Faults())
        await until(lambda: box.last("ahu-0", "supply") == (19.25, "good"))
        await until(lambda: box.last("ahu-0", "on") == (False, "good"))
        await end.show("ahu-0", 0, end.frames("ahu-0", 0, {"supply": None}), Faults())  # type: ignore[dict-item]
        await until(lambda: box.last("ahu-0", "supply")[1] in ("uncertain", "bad"))

    proof(body)


def test_faults_on_the_wire_show_as_a_failing_device_and_only_that() -> None:
    async def body(end: BacnetEnd, adapter: BacnetAdapter, box: Box) -> None:
        def state(device: str) -> str:
            return next(one.state for one in adapter.devices() if one.device == device)

        await until(lambda: state("ahu-0") == state("ahu-1") == "working")
        for fault in (Faults(dropout=True), Faults(garbage=True), Faults(slow_s=5.0)):
            await end.show("ahu-0", 0, [], fault)
            await until(lambda: state("ahu-0") == "failing")
            await until(lambda: box.last("ahu-0", "supply") == (None, "offline"))
            assert state("ahu-1") == "working"
            await end.show("ahu-0", 0, [], Faults())
            await until(lambda: box.last("ahu-0", "supply") == (21.5, "good"))
        assert next(one.failures for one in adapter.devices() if one.device == "ahu-1") == 0

    proof(body, 2, cov=False)


def test_writes_reach_the_device_and_are_taken_back() -> None:
    async def body(end: BacnetEnd, adapter: BacnetAdapter, box: Box) -> None:
        await until(lambda: box.last("ahu-0", "supply")[0] == 21.5)
        assert await adapter.write("ahu-0", {"mode": "Off", "starts": 7}) == {"mode": "Off", "starts": 7}
        assert await adapter.write("ahu-0", {"supply": 18.5, "on": False}) == {"supply": 18.5, "on": False}
        assert await adapter.write("ahu-0", {"supply.relinquish": True}) == {"supply": 0.0}
        await until(lambda: box.last("ahu-0", "mode")[0] == "Off")

    proof(body)


def test_a_port_that_is_taken_is_said() -> None:
    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            settings = BacnetEndSettings(address=f"127.0.0.1:{port}")
            end = BacnetEnd("b", settings, {"x": DevicePlan(0, POINTS)})
            with pytest.raises(CantListen, match=str(port)):
                await end.start()

    asyncio.run(run())
