"""A link against a device made with aiocoap's own server, on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import aiocoap
import aiocoap.resource
import cbor2
import msgspec
import pytest
from tests.ports import free_port
from tests.unit.adapters.coap.doubles import Box, peer, request
from tests.waiting import until

from holdfast.adapters.coap.adapter import CoapAdapter
from holdfast.adapters.coap.settings import CoapLink
from holdfast.adapters.errors import AdapterError, DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry


class Held(aiocoap.resource.ObservableResource):  # type: ignore[misc]  # aiocoap has no types
    """A resource that is one payload."""

    def __init__(self, payload: bytes, kind: int = 0) -> None:
        super().__init__()
        self.payload, self.kind, self.takes = payload, kind, True
        self.refusal: Any = None

    def set(self, payload: bytes) -> None:
        self.payload = payload
        self.updated_state()

    async def render_get(self, request: Any) -> Any:  # noqa: ARG002  # aiocoap's
        return aiocoap.Message(payload=self.payload, content_format=self.kind)

    async def render_put(self, request: Any) -> Any:
        if self.refusal is not None:
            return aiocoap.Message(code=self.refusal, payload=b"not today")
        if self.takes:
            self.set(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED)


class Device:
    def __init__(self) -> None:
        self.port = free_port()
        self.temp = Held(b"21.5")
        self.set = Held(b"18")
        self.pack = Held(b'[{"bn":"tank:","n":"level","u":"m","v":1.25,"t":1700000000}]', 110)
        self.large = Held(json.dumps([{"n": f"n{i}", "v": i} for i in range(400)]).encode(), 110)
        self._context: Any = None

    async def start(self) -> None:
        site = aiocoap.resource.Site()
        for name in ("temp", "set", "pack", "large"):
            site.add_resource([name], getattr(self, name))
        self._context = await aiocoap.Context.create_server_context(
            site, bind=("127.0.0.1", self.port), transports=["udp6"]
        )

    async def stop(self) -> None:
        await self._context.shutdown()


POINTS: dict[str, Any] = {
    "temp": {"path": "temp", "metric": "air.temperature", "unit": "Cel"},
    "goal": {"path": "set", "metric": "air.goal", "unit": "Cel", "writable": True},
}


@asynccontextmanager
async def linked(device: Device, points: Any = None, **settings: Any) -> AsyncIterator[tuple[CoapAdapter, Box]]:
    one = {"url": f"coap://127.0.0.1:{device.port}", "every": 0.1, "timeout": 2.0, **settings}
    said: dict[str, Any] = {"devices": {"d": one}}
    if "topic" not in one:
        one["map"] = "m"
        said["maps"] = {"m": {"points": POINTS if points is None else points}}
    link, clock = msgspec.convert(said, CoapLink), SystemClock()
    assert list(link.findings()) == []
    box = Box()
    adapter = CoapAdapter("north", link, box, clock, Telemetry(clock, lambda _: None), Random(1))
    for each in adapter._devices["d"].resources:
        each._backoff._min = each._backoff._max = each._backoff._pause = 0.1
    task = asyncio.ensure_future(adapter.run())
    try:
        yield adapter, box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def alive() -> AsyncIterator[Device]:
    device = Device()
    await device.start()
    try:
        yield device
    finally:
        await device.stop()


def told(box: Box, point: str) -> list[Any]:
    """The values of a point on their way to the profile, marks as their quality."""
    found = []
    for _, payload in box.messages:
        tree = json.loads(payload)
        found += [one.get("q", one["v"]) for one in tree.get("points", ()) if one["n"] == point]
        found += [tree[point]] if point in tree else []
    return found


def test_observed_values_arrive_when_they_change_and_not_by_polls() -> None:
    async def scene() -> None:
        async with alive() as device, linked(device) as (adapter, box):
            await until(lambda: (told(box, "temp"), told(box, "goal")) == ([21.5], [18]))
            device.temp.set(b"22.5")
            await until(lambda: told(box, "temp") == [21.5, 22.5])
            assert told(box, "goal") == [18]
            state = adapter.devices()[0]
            assert (state.state, state.every_s, state.error) == ("working", 0.0, "")

    asyncio.run(scene())


def test_a_device_that_goes_is_offline_and_comes_back_without_anybody_doing_anything() -> None:
    async def scene() -> None:
        async with alive() as device, linked(device, observe=False) as (adapter, box):
            await until(lambda: told(box, "temp"))
            await device.stop()
            await until(lambda: told(box, "temp")[-1] == "offline")
            assert adapter.devices()[0].state == "failing"
            assert "Is it on" in adapter.devices()[0].error
            device.temp.payload = b"30"
            await device.start()
            await until(lambda: told(box, "temp")[-1] == 30)
            assert told(box, "temp").count("offline") == 1
            await until(lambda: adapter.devices()[0].state == "working")

    asyncio.run(scene())


def test_a_record_of_a_pack_is_a_point_with_the_device_s_time() -> None:
    async def scene() -> None:
        points = {"level": {"path": "pack", "record": "level", "metric": "tank.level", "unit": "m"}}
        async with alive() as device, linked(device, points) as (_, box):
            await until(lambda: told(box, "level") == [1.25])
            topic, payload = box.messages[0]
            assert topic == "points/coap/m/q"
            assert json.loads(payload)["points"][0]["ts"] == 1_700_000_000 * 10**9

    asyncio.run(scene())


def test_payloads_of_a_topic_go_on_as_they_are_also_larger_than_a_frame() -> None:
    async def scene() -> None:
        async with alive() as device:
            url = f"coap://127.0.0.1:{device.port}/large"
            async with linked(device, url=url, topic="senml/tank-1") as (_, box):
                whole = device.large.payload
                assert len(whole) > 4_000
                await until(lambda: ("senml/tank-1", whole) in box.messages)

    asyncio.run(scene())


def test_a_large_payload_is_polled_block_by_block() -> None:
    async def scene() -> None:
        async with alive() as device:
            url = f"coap://127.0.0.1:{device.port}/large"
            async with linked(device, url=url, topic="senml/tank-1", observe=False) as (_, box):
                await until(lambda: ("senml/tank-1", device.large.payload) in box.messages)

    asyncio.run(scene())


def test_a_point_is_written_and_read_back() -> None:
    async def scene() -> None:
        async with alive() as device, linked(device) as (adapter, _):
            await until(lambda: adapter.devices()[0].state == "working")
            assert (adapter.writes("d"), adapter.writes("x")) == (True, False)
            assert await adapter.write("d", {"goal": 20.5}) == {"goal": 20.5}
            assert device.set.payload == b"20.5"

    asyncio.run(scene())


@pytest.mark.parametrize(("form", "kind"), [("json", 50), ("cbor", 60), ("senml-json", 110), ("senml-cbor", 112)])
def test_a_point_is_written_in_the_format_that_its_map_says(form: str, kind: int) -> None:
    async def scene() -> None:
        async with alive() as device:
            device.set.kind = kind
            record = "goal" if "senml" in form else ""
            device.set.payload = cbor2.dumps([]) if kind == 112 else cbor2.dumps(1) if kind == 60 else b"[]"
            points = {"goal": {**POINTS["goal"], "format": form, "record": record}}
            async with linked(device, points) as (adapter, _):
                await until(lambda: adapter._endpoint is not None)
                assert await adapter.write("d", {"goal": 19}) == {"goal": 19}

    asyncio.run(scene())


def test_what_the_device_says_no_to_is_refused_with_its_words() -> None:
    async def scene() -> None:
        async with alive() as device, linked(device) as (adapter, _):
            await until(lambda: adapter.devices()[0].state == "working")
            device.set.refusal = aiocoap.FORBIDDEN
            with pytest.raises(WriteRefused, match=r"4\.03.*not today"):
                await adapter.write("d", {"goal": 20})
            device.set.refusal = aiocoap.SERVICE_UNAVAILABLE
            with pytest.raises(DeviceUnreachable, match=r"5\.03"):
                await adapter.write("d", {"goal": 20})
            with pytest.raises(WriteRefused, match="`temp` can't be written"):
                await adapter.write("d", {"temp": 20})

    asyncio.run(scene())


def test_what_is_read_back_differently_has_failed() -> None:
    async def scene() -> None:
        async with alive() as device, linked(device) as (adapter, _):
            await until(lambda: adapter.devices()[0].state == "working")
            device.set.takes = False
            with pytest.raises(WriteFailed, match="is read back as 18"):
                await adapter.write("d", {"goal": 25})

    asyncio.run(scene())


def test_a_device_that_does_not_answer_a_write_leaves_doubt() -> None:
    async def scene() -> None:
        async with alive() as device, linked(device) as (adapter, _):
            await until(lambda: adapter.devices()[0].state == "working")
            await device.stop()
            with pytest.raises((WriteFailed, DeviceUnreachable)):
                await adapter.write("d", {"goal": 25})
            await device.start()

    asyncio.run(scene())


def test_trying_a_link_reads_each_device_or_says_which_does_not_answer() -> None:
    async def scene() -> None:
        async with alive() as device:
            async with linked(device) as (adapter, _):
                assert await adapter.try_once() == "1 of 1 devices answer"
            device.port, port = free_port(), device.port
            async with linked(device) as (adapter, _):
                with pytest.raises(AdapterError, match="Is it on"):
                    await adapter.try_once()
            device.port = port

    asyncio.run(scene())


class Liar(asyncio.DatagramProtocol):
    """A device that answers each request with a spoilt answer, and soundly once it's told to."""

    def __init__(self) -> None:
        self.rng, self.is_sound, self.asked = Random(5), False, 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        size = data[0] & 15
        answer = bytearray(b"%c\x45" % (0x60 | size) + data[2 : 4 + size] + b"\xc0\x21\x05\xff21.5")
        for _ in range(0 if self.is_sound else self.rng.randrange(1, 6)):
            answer[self.rng.randrange(len(answer))] = self.rng.randrange(256)
        cut = len(answer) if self.is_sound else self.rng.randrange(len(answer) + 1)
        self.transport.sendto(bytes(answer[:cut]), addr)
        if not self.is_sound:
            self.transport.sendto(self.rng.randbytes(self.rng.randrange(40)), addr)


@pytest.mark.parametrize("observe", [False, True])
def test_a_device_that_answers_nonsense_stalls_nobody_and_is_heard_when_it_speaks_sense(*, observe: bool) -> None:
    async def scene() -> None:
        liar, device = Liar(), Device()
        device.port = free_port()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: liar, local_addr=("127.0.0.1", device.port)
        )
        settings: dict[str, Any] = {"observe": observe, "timeout": 0.1, "every": 0.05}
        try:
            async with linked(device, {"temp": POINTS["temp"]}, **settings) as (adapter, box):
                for each in adapter._devices["d"].resources:
                    each._backoff._min = each._backoff._max = each._backoff._pause = 0.005
                await until(lambda: liar.asked > 40)
                liar.is_sound = True
                seen = len(told(box, "temp"))
                await until(lambda: told(box, "temp")[seen:][-1:] == [21.5])
                assert adapter.status().state == "working"
        finally:
            transport.close()

    asyncio.run(scene())


def test_a_listener_is_told_free_before_and_listening_while_it_runs_and_counts_what_came() -> None:
    async def scene() -> None:
        clock, box = SystemClock(), Box()
        telemetry = Telemetry(clock, lambda _: None)
        port = free_port()
        adapter = CoapAdapter("f", CoapLink(listen=f"127.0.0.1:{port}"), box, clock, telemetry, Random(1))
        assert await adapter.try_once() == f"127.0.0.1:{port} is free"
        task = asyncio.ensure_future(adapter.run())
        await until(lambda: adapter.status().state == "working")
        async with peer(port) as device:
            assert (await device.ask(request(1))).code.dotted == "2.04"
        assert await adapter.try_once() == f"a server listens on 127.0.0.1:{port}"
        assert adapter.status().received == 1
        assert "1 messages" in adapter.status().detail
        await adapter.stop(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())


def test_a_port_that_is_taken_is_tried_again_until_it_is_free() -> None:
    async def scene() -> None:
        clock, port = SystemClock(), free_port()
        made = [
            CoapAdapter(
                "f", CoapLink(listen=f"127.0.0.1:{port}"), Box(), clock, Telemetry(clock, lambda _: None), Random(1)
            )
            for _ in range(2)
        ]
        made[1]._health._backoff._min = made[1]._health._backoff._pause = 0.05
        first = asyncio.ensure_future(made[0].run())
        await until(lambda: made[0].status().state == "working")
        second = asyncio.ensure_future(made[1].run())
        await until(lambda: made[1].status().state == "failing")
        assert "can't be listened on" in made[1].status().error
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await until(lambda: made[1].status().state == "working")
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

    asyncio.run(scene())
