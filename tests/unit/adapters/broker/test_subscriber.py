"""Our subscriber against a broker that the test plays on a socket, packet by packet."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from tests.unit.adapters.broker.test_client_reader import message
from tests.unit.adapters.mqtt.doubles import HoldingInbox, RefusingInbox, SettlingInbox

from holdfast.adapters.broker.link import Door
from holdfast.adapters.broker.settings import BrokerSettings
from holdfast.adapters.broker.subscriber import BrokerSubscriber
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry

FRESH, RESUMED = b"\x20\x03\0\0\0", b"\x20\x03\x01\0\0"
GRANTED = b"\x90\x04\0\x01\0\x02"


class WatchedInbox(HoldingInbox):
    """Lets a test wait for arrivals."""

    def __init__(self, room: int = 1_000_000) -> None:
        super().__init__(room)
        self._came = asyncio.Event()

    def offer(self, arrival: Arrival) -> bool:
        room = super().offer(arrival)
        self._came.set()
        return room

    async def holds(self, n: int) -> None:
        async with asyncio.timeout(10):
            while len(self.arrivals) < n:
                self._came.clear()
                await self._came.wait()


class Peer:
    """The broker's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def packet(self) -> bytes:
        """The next packet of the client other than pings."""
        async with asyncio.timeout(10):
            while True:
                head = await self._reader.readexactly(2)
                body = await self._reader.readexactly(head[1])
                if head[0] != 0xC0:
                    return head + body

    async def greet(self, *, resumed: bool = False, then: bytes = b"") -> bytes:
        """Take the client in, and say something more in the same breath; its CONNECT."""
        hello = await self.packet()
        self.writer.write((RESUMED if resumed else FRESH) + then)
        return hello

    async def grant(self) -> bytes:
        asked = await self.packet()
        self.writer.write(GRANTED)
        return asked

    async def is_silent(self) -> bool:
        """Says nothing for a tenth of a second, long on loopback."""
        try:
            await asyncio.wait_for(self._reader.readexactly(1), 0.1)
        except TimeoutError:
            return True
        return False


class Played:
    """A subscriber at work, and the broker it speaks to."""

    def __init__(self, inbox: HoldingInbox, **settings: Any) -> None:
        self.inbox, self._settings = inbox, settings
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self.log: list[str] = []
        self._all: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        made = BrokerSettings(
            url=f"mqtt://127.0.0.1:{port}", subscribe={"a/#": 2}, backoff_min=0.001, backoff_max=0.002, **self._settings
        )
        clock = SystemClock()
        door = Door(made, "me", Path, made.max_packet)
        self.subscriber = BrokerSubscriber("plant", made, door, self.inbox, clock, Telemetry(clock, self.log.append))
        self._task = asyncio.create_task(self.subscriber.run())
        return self

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(writer)
        self._peers.put_nowait(Peer(reader, writer))

    async def peer(self) -> Peer:
        return await asyncio.wait_for(self._peers.get(), 10)

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for writer in self._all:
            writer.close()
        for writer in self._all:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._server.close()


def play(inbox: HoldingInbox, body: Callable[[Played], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Played(inbox) as played:
            await body(played)

    asyncio.run(run())


def test_a_chunk_is_acknowledged_in_order_when_its_last_topic_is_stored() -> None:
    inbox = WatchedInbox()

    async def body(played: Played) -> None:
        peer = await played.peer()
        hello = await peer.greet()
        assert b"\x11\0\x09\x3a\x80" in hello  # session expiry: seven days
        assert (await peer.grant()).endswith(b"a/#\x12")
        peer.writer.write(message("a/1", b"x", pid=1) + message("a/2", b"y", pid=2) + message("a/1", b"z", pid=3))
        await inbox.holds(2)
        inbox.arrivals[1].receipt.settle()
        assert await peer.is_silent()
        inbox.arrivals[0].receipt.settle()
        assert [await peer.packet() for _ in range(3)] == [b"\x40\x02\0\x01", b"\x40\x02\0\x02", b"\x40\x02\0\x03"]
        assert [(a.source, a.topic, list(a.payloads)) for a in inbox.arrivals] == [
            ("broker:plant", "a/1", [b"x", b"z"]),
            ("broker:plant", "a/2", [b"y"]),
        ]

    play(inbox, body)


def test_what_a_resumed_session_is_owed_may_follow_the_welcome_at_once() -> None:
    inbox = SettlingInbox()

    async def body(played: Played) -> None:
        peer = await played.peer()
        await peer.greet(resumed=True, then=message("a/1", b"owed", pid=7))
        said = [await peer.packet(), await peer.packet()]
        assert b"\x40\x02\0\x07" in said
        assert inbox.payloads == [b"owed"]

    play(inbox, body)


def test_a_repeat_at_qos_2_is_received_once_until_it_is_released() -> None:
    inbox = SettlingInbox()

    async def body(played: Played) -> None:
        first = await played.peer()
        await first.greet()
        await first.grant()
        first.writer.write(message("a/1", b"once", qos=2, pid=5))
        assert await first.packet() == b"\x50\x02\0\x05"
        first.writer.close()  # before PUBREC was heard, perhaps
        second = await played.peer()
        await second.greet(resumed=True, then=message("a/1", b"once", qos=2, pid=5, dup=True))
        assert await second.packet() == b"\x50\x02\0\x05"
        second.writer.write(b"\x62\x02\0\x05" + message("a/1", b"another", qos=2, pid=5))
        assert await second.packet() == b"\x70\x02\0\x05"
        assert await second.packet() == b"\x50\x02\0\x05"
        assert inbox.payloads == [b"once", b"another"]

    play(inbox, body)


def test_what_a_broken_disk_refuses_is_never_acknowledged() -> None:
    async def body(played: Played) -> None:
        peer = await played.peer()
        await peer.greet()
        await peer.grant()
        peer.writer.write(message("a/1", b"x", pid=1))
        again = await played.peer()  # the connection was cut
        await again.greet(resumed=True)
        assert any("the journal takes nothing" in line for line in played.log)

    play(RefusingInbox(), body)


def test_a_filter_that_is_refused_is_named_in_the_status() -> None:
    async def body(played: Played) -> None:
        peer = await played.peer()
        await peer.greet()
        await peer.packet()
        peer.writer.write(b"\x90\x04\0\x01\0\x87")
        await played.peer()
        assert "filter a/#" in played.subscriber.status().error
        assert played.subscriber.status().state == "failing"

    play(SettlingInbox(), body)


def test_a_full_inbox_stops_the_reading_until_it_drains() -> None:
    inbox = WatchedInbox(room=1)

    async def body(played: Played) -> None:
        peer = await played.peer()
        await peer.greet()
        await peer.grant()
        peer.writer.write(message("a/1", b"first", pid=1))
        await inbox.holds(1)
        peer.writer.write(message("a/1", b"second", pid=2))
        await peer.writer.drain()
        assert await peer.is_silent()
        assert inbox.payloads == [b"first"]
        inbox.drain()
        await inbox.holds(2)

    play(inbox, body)


def test_a_peer_that_speaks_no_mqtt_is_named() -> None:
    async def body(played: Played) -> None:
        peer = await played.peer()
        peer.writer.write(b"\xd0\0")
        await played.peer()
        assert "doesn't speak MQTT" in played.subscriber.status().error

    play(SettlingInbox(), body)
