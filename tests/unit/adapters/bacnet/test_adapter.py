"""The adapter in front of a device that is a bare socket: what is acknowledged when, and any bytes at its port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ports import free_port

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.adapter import BacnetAdapter, Mapped
from holdfast.adapters.bacnet.frames import Station, confirmed, simple_ack, unconfirmed, unicast
from holdfast.adapters.bacnet.settings import BacnetSettings
from holdfast.adapters.errors import DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.documents import parse
from holdfast.model.points import PointMap
from holdfast.telemetry.happenings import Telemetry

NOTICE = bytes.fromhex("0901 1c02000007 2c00000001 390a 4e 0955 2e 4440600000 2f 096f 2e 820400 2f 4f")
"""Device 7: analog-input,1 is 3.5, process 1."""
HERE = Station("127.0.0.1")


class Held:
    """An inbox whose commits end when the test says so."""

    def __init__(self) -> None:
        self.arrivals = list[Arrival]()
        self.is_full = False

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        return not self.is_full

    def when_drained(self, callback: Callable[[], None]) -> None:
        self.drained = callback


def adapter(inbox: Held, device: int) -> BacnetAdapter:
    text = (
        f"address: 127.0.0.1:{free_port()}\nevery: 100s\ntimeout: 300ms\ninstance: 5\n"
        "devices:\n  ahu: {device: 7, address: "
        f"'127.0.0.1:{device}', objects: {{t: {{object: 'analog-input,1', metric: t, unit: Cel, writable: true}}}}}}\n"
    )
    one, clock = parse(text, BacnetSettings, Path("b.yaml")).value, SystemClock()
    maps = {key: Mapped(PointMap("bacnet", key, d.objects), d.objects) for key, d in one.devices.items()}
    return BacnetAdapter("b", one, maps, inbox, clock, Telemetry(clock, lambda _: None), Random(1))


@asynccontextmanager
async def meeting(inbox: Held) -> AsyncIterator[tuple[BacnetAdapter, socket.socket]]:
    """An adapter that runs, and a device's socket; the adapter's first poll is far away."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        one = adapter(inbox, sock.getsockname()[1])
        await one.link.open()
        sock.connect((one.link.place.host, one.link.place.port))
        try:
            yield one, sock
        finally:
            one.link.close()


async def hear(sock: socket.socket, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recv(sock, 2_000)
    except TimeoutError:
        return b""


def test_a_confirmed_notification_is_acknowledged_when_it_is_on_disk_and_only_then() -> None:
    async def run() -> None:
        inbox = Held()
        async with meeting(inbox) as (one, sock):
            told = unicast(HERE, confirmed(9, services.CONFIRMED_COV, NOTICE), expects=True)
            sock.send(told)
            assert await hear(sock, 0.1) == b""
            sock.send(told)  # said again while the commit goes on
            assert await hear(sock, 0.1) == b""
            assert [a.payloads for a in inbox.arrivals] == [inbox.arrivals[0].payloads]
            assert b'"t":3.5' in inbox.arrivals[0].payloads[0]
            assert one.status().unsettled == 1
            inbox.arrivals[0].receipt.settle()
            assert await hear(sock, 1) == unicast(HERE, simple_ack(9, services.CONFIRMED_COV))
            sock.send(told)
            await asyncio.sleep(0.05)
            inbox.arrivals[1].receipt.refuse()
            assert await hear(sock, 0.1) == b""
            assert one.status().unsettled == 0

    asyncio.run(run())


def test_while_the_inbox_is_full_notifications_are_left_to_be_said_again() -> None:
    async def run() -> None:
        inbox = Held()
        inbox.is_full = True
        async with meeting(inbox) as (_, sock):
            for invoke in range(5):
                sock.send(unicast(HERE, confirmed(invoke, services.CONFIRMED_COV, NOTICE)))
            await asyncio.sleep(0.05)
            assert len(inbox.arrivals) == 1
            inbox.drained()
            sock.send(unicast(HERE, confirmed(7, services.CONFIRMED_COV, NOTICE)))
            await asyncio.sleep(0.05)
            assert len(inbox.arrivals) == 2

    asyncio.run(run())


def test_strangers_notifications_are_not_taken_and_who_is_is_answered_for_our_number() -> None:
    async def run() -> None:
        inbox = Held()
        async with meeting(inbox) as (one, sock):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.1", 0))
                stranger.sendto(unicast(HERE, unconfirmed(services.UNCONFIRMED_COV, NOTICE)), sock.getpeername())
            await asyncio.sleep(0.05)
            assert not inbox.arrivals
            assert one.link.counts.unwanted == 1
            sock.send(unicast(HERE, unconfirmed(services.WHO_IS, services.who_is(6, 9))))
            sock.send(unicast(HERE, unconfirmed(services.WHO_IS, services.who_is(1, 5))))
            answer = await hear(sock, 1)
            assert services.introduction(answer[-len(services.i_am(5)) :]).instance == 5
            assert await hear(sock, 0.05) == b""

    asyncio.run(run())


def test_a_write_that_is_not_answered_is_in_doubt_and_one_that_was_not_sent_is_not() -> None:
    async def run() -> None:
        async with meeting(Held()) as (one, sock):
            with pytest.raises(WriteRefused, match="no point"):
                await one.write("ahu", {"u": 1.0})
            task = asyncio.create_task(one.write("ahu", {"t": 4.5}))
            asked = await hear(sock, 1)
            answer = bytes((0x30, asked[8], 12)) + asked[10:] + bytes.fromhex("3e 4440600000 3f")
            sock.send(unicast(HERE, answer))
            written = await hear(sock, 1)
            assert written[9] == services.WRITE_PROPERTY
            assert bytes.fromhex("3e 4440900000 3f") in written  # 4.5; an input has no priorities
            error = bytes((0x50, written[8], 15)) + bytes.fromhex("9102 9128")
            sock.send(unicast(HERE, error))
            with pytest.raises(WriteRefused, match="write-access-denied"):
                await task
            with pytest.raises(DeviceUnreachable, match="no answer"):
                await one.write("ahu", {"t": 4.5})
            while await hear(sock, 0.05):
                pass
            task = asyncio.create_task(one.write("ahu", {"t": 4.5}))
            asked = await hear(sock, 1)
            sock.send(unicast(HERE, bytes((0x30, asked[8], 12)) + answer[3:]))
            with pytest.raises(WriteFailed, match="may have done it"):
                await task

    asyncio.run(run())


MESSAGES = [
    unicast(HERE, confirmed(9, services.CONFIRMED_COV, NOTICE)),
    unicast(HERE, unconfirmed(services.UNCONFIRMED_COV, NOTICE)),
    unicast(HERE, unconfirmed(services.I_AM, services.i_am(7))),
    unicast(HERE, unconfirmed(services.WHO_IS, services.who_is(1, 9))),
    unicast(HERE, bytes.fromhex("38 00 00 04 0e") + NOTICE),
    unicast(HERE, bytes.fromhex("50 00 0e 9102 9128")),
    unicast(Station("127.0.0.1", 1, 5, b"\x07"), confirmed(1, 12, b"")),
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(MESSAGES), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4)),
        min_size=1,
        max_size=12,
    )
)
def test_any_bytes_at_the_port_leave_the_adapter_as_it_was(said: list[tuple[bytes, list[tuple[int, int]]]]) -> None:
    async def run() -> None:
        inbox = Held()
        async with meeting(inbox) as (one, sock):
            for message, changes in said:
                data = bytearray(message)
                for at, byte in changes:
                    data[at % len(data)] = byte
                one.link._received(bytes(data), sock.getsockname())
            assert len(one.link.exchanges) == 0
            before = len(inbox.arrivals)
            one.link._received(unicast(HERE, confirmed(200, services.CONFIRMED_COV, NOTICE)), sock.getsockname())
            assert len(inbox.arrivals) == before + 1
            assert one.devices()[0].device == "ahu"

    asyncio.run(run())
