"""Pretend CoAP devices, asked by the adapter that reads them back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import yaml
from tests.ports import free_port
from tests.unit.adapters.coap.doubles import Box, peer, request
from tests.unit.adapters.coap.test_adapter import told
from tests.waiting import until

from holdfast.adapters.coap.adapter import CoapAdapter
from holdfast.adapters.coap.errors import CoapUnreachable
from holdfast.adapters.coap.settings import CoapLink
from holdfast.kernel.clock import SystemClock
from holdfast.sim.ends.coap import CoapEnd, CoapEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan
from holdfast.telemetry.happenings import Telemetry

AT = 1_700_000_000_123_456_789
POINTS = {"temp": PointPlan("room.temperature", "Cel"), "open": PointPlan("room.open", type="bool")}


def made(port: int = 5683) -> CoapEnd:
    plans = {"room-1": DevicePlan(0, POINTS), "room-2": DevicePlan(1, POINTS)}
    return CoapEnd("rooms", CoapEndSettings(f"127.0.0.1:{port}"), plans)


def test_the_same_values_are_the_same_bytes() -> None:
    frames = [made().frames("room-1", AT, {"temp": 21.5, "open": True}) for _ in range(2)]
    assert frames[0] == frames[1]
    assert json.loads(frames[0][0]) == [
        {"bn": "room-1:", "bt": 1_700_000_000.123},
        {"n": "temp", "u": "Cel", "v": 21.5},
        {"n": "open", "vb": True},
    ]


def test_devices_of_the_same_points_have_one_map_and_ports_that_count_on() -> None:
    said = yaml.safe_load(made().map_yaml())["coap"]["rooms"]
    assert list(said["maps"]) == ["rooms"]
    assert [one["url"] for one in said["devices"].values()] == ["coap://127.0.0.1:5683", "coap://127.0.0.1:5684"]


@asynccontextmanager
async def read_back(timeout_s: float = 0.4) -> AsyncIterator[tuple[CoapEnd, CoapAdapter, Box]]:
    """The end's first device, at work, and a link that observes it."""
    import msgspec

    end = CoapEnd("rooms", CoapEndSettings(f"127.0.0.1:{free_port()}", 0), {"room-1": DevicePlan(0, POINTS)})
    said = yaml.safe_load(end.map_yaml())["coap"]["rooms"]
    said["devices"]["room-1"] |= {"timeout": timeout_s, "observe": False, "every": 0.1}
    await end.start()
    await end.show("room-1", AT, end.frames("room-1", AT, {"temp": 21.5, "open": True}), SOUND)
    clock, box = SystemClock(), Box()
    link = msgspec.convert(said, CoapLink)
    adapter = CoapAdapter("rooms", link, box, clock, Telemetry(clock, lambda _: None), Random(1))
    for each in adapter._devices["room-1"].resources:
        each._backoff._min = each._backoff._max = each._backoff._pause = 0.1
    task = asyncio.ensure_future(adapter.run())
    try:
        yield end, adapter, box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await end.stop()


@pytest.mark.parametrize(
    "fault", [Faults(dropout=True), Faults(half_open=True), Faults(garbage=True), Faults(slow_s=2)]
)
def test_each_fault_is_one_on_the_wire_and_ends_by_itself(fault: Faults) -> None:
    async def scene() -> None:
        async with read_back() as (end, _, box):
            await until(lambda: told(box, "temp")[-1:] == [21.5])
            await end.show("room-1", AT, (), fault)
            await until(lambda: told(box, "temp")[-1] == "offline")
            await end.show("room-1", AT, end.frames("room-1", AT, {"temp": 22.5, "open": False}), SOUND)
            await until(lambda: told(box, "temp")[-1] == 22.5)
            assert told(box, "open")[-1] is False

    asyncio.run(scene())


def test_observers_are_told_of_what_is_shown() -> None:
    async def scene() -> None:
        port = free_port()
        end = made(port)
        await end.start()
        try:
            async with peer(port) as observer:
                first = await observer.ask(request(1, "senml", b"", code=1).replace(b"\xb5senml", b"\x60\x55senml"))
                assert (first.opt.observe, first.payload) == (0, b"[]")
                for number in (1, 2):
                    await end.show("room-1", AT, end.frames("room-1", AT, {"temp": number}), SOUND)
                    heard = await observer.next()
                    assert (heard.opt.observe, json.loads(heard.payload)[1]["v"]) == (number, number)
                    observer.send(b"\x60\x00" + heard.mid.to_bytes(2, "big"))
        finally:
            await end.stop()

    asyncio.run(scene())


def test_a_value_is_written_and_read_one_by_one() -> None:
    async def scene() -> None:
        port = free_port()
        end = made(port)
        await end.start()
        try:
            await end.show("room-1", AT, end.frames("room-1", AT, {"temp": 21.5, "open": True}), SOUND)
            async with peer(port) as asker:
                assert (await asker.ask(request(1, "temp", b"", code=1))).payload == b"21.5"
                assert (await asker.ask(request(2, "temp", b"19", code=3))).code.dotted == "2.04"
                assert (await asker.ask(request(3, "temp", b"", code=1))).payload == b"19.0"
                assert (await asker.ask(request(4, "temp", b"x", code=3))).code.dotted == "4.00"
                assert (await asker.ask(request(5, "none", b"", code=1))).code.dotted == "4.04"
        finally:
            await end.stop()

    asyncio.run(scene())


def test_a_port_that_is_taken_is_said_and_the_others_are_given_back() -> None:
    async def scene() -> None:
        port = free_port()
        end, other = made(port), made(port)
        await end.start()
        try:
            with pytest.raises(CoapUnreachable, match="can't be listened on"):
                await other.start()
        finally:
            await end.stop()
        await other.start()
        await other.stop()
        await other.stop()

    asyncio.run(scene())
