"""The client against a broker that does what a test wants."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine

import pytest
from tests.waiting import until

from holdfast.adapters.broker.errors import BrokerRefused, BrokerUnreachable
from holdfast.sim.mqtt.client import MqttClient
from holdfast.sim.mqtt.session import Message, Session
from holdfast.transport.brokers import BrokerLogin
from holdfast.transport.errors import CallFailed

CONNACK = b"\x20\x02\x00\x00"


class Broker:
    """Says CONNACK, and PUBACK to each PUBLISH while `acks`; notes what came, a list a connection."""

    def __init__(self, connack: bytes = CONNACK, *, acks: bool = True, pongs: bool = True) -> None:
        self.connack, self.acks, self.pongs = connack, acks, pongs
        self.open = 0
        self.came: list[list[bytes]] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets: list[bytes] = []
        self.open += 1
        self.came.append(packets)
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(2)
                body = await reader.readexactly(head[1])
                packets.append(head + body)
                if head[0] == 0x10:
                    writer.write(self.connack)
                elif head[0] & 0xF6 == 0x32 and self.acks:
                    size = int.from_bytes(body[:2], "big")
                    writer.write(b"\x40\x02" + body[2 + size : 4 + size])
                elif head[0] == 0xC0 and self.pongs:
                    writer.write(b"\xd0\x00")
        writer.close()
        self.open -= 1

    def cut(self) -> None:
        self.writers[-1].transport.abort()


def play(
    broker: Broker,
    scene: Callable[[MqttClient], Coroutine[None, None, None]],
    *,
    keep_alive: float = 30.0,
    heard: list[Message] | None = None,
) -> None:
    async def go() -> None:
        server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        login = BrokerLogin(url=f"mqtt://127.0.0.1:{port}", keep_alive=keep_alive, timeout=0.5)
        client = MqttClient(login, Session("me"), None if heard is None else heard.append)
        try:
            await client.start()
            await scene(client)
        finally:
            await client.stop()
            await client.stop()
            await until(lambda: broker.open == 0)
            server.close()

    asyncio.run(go())


def published(packets: list[bytes]) -> list[bytes]:
    return [packet[-1:] for packet in packets if packet[0] >> 4 == 3]


def test_what_is_published_is_acknowledged() -> None:
    broker = Broker()

    async def scene(client: MqttClient) -> None:
        for n in range(50):
            client.session.publish("t", bytes((n,)))
        client.flush()
        assert await client.drained(5)

    play(broker, scene)
    assert published(broker.came[0]) == [bytes((n,)) for n in range(50)]
    assert broker.came[0][-1] == b"\xe0\x00"


def test_after_a_cut_it_comes_again_and_says_what_was_not_acknowledged() -> None:
    broker = Broker(acks=False)

    async def scene(client: MqttClient) -> None:
        client.session.publish("t", b"1")
        client.flush()
        await until(lambda: bool(published(broker.came[0])))
        broker.acks = True
        broker.cut()
        client.session.publish("t", b"2")
        assert await client.drained(5)

    play(broker, scene)
    assert published(broker.came[1]) == [b"1", b"2"]


def test_who_is_cut_stays_away_until_it_may_come_again() -> None:
    broker = Broker()

    async def scene(client: MqttClient) -> None:
        client.cut(on=True)
        client.session.publish("t", b"1")
        await asyncio.sleep(0.3)
        assert len(broker.came) == 1
        client.cut(on=False)
        assert await client.drained(5)

    play(broker, scene)
    assert published(broker.came[1]) == [b"1"]


def test_who_is_silent_says_nothing_and_keeps_its_connection() -> None:
    broker = Broker()

    async def scene(client: MqttClient) -> None:
        client.silence(on=True)
        client.session.publish("t", b"1")
        client.flush()
        await asyncio.sleep(0.4)
        assert published(broker.came[0]) == []
        assert b"\xc0\x00" not in broker.came[0]
        client.silence(on=False)
        client.flush()
        assert await client.drained(5)

    play(broker, scene, keep_alive=0.1)
    assert len(broker.came) == 1


def test_a_broker_that_answers_no_more_is_left_for_a_new_connection() -> None:
    broker = Broker(pongs=False)

    async def scene(client: MqttClient) -> None:
        await until(lambda: len(broker.came) > 1)
        del client

    play(broker, scene, keep_alive=0.1)


def test_messages_are_handed_on_in_order() -> None:
    broker, heard = Broker(), list[Message]()

    async def scene(client: MqttClient) -> None:
        broker.writers[0].write(b"\x30\x04\0\x01a1" + b"\x30\x04\0\x01b2")
        await client.when(lambda: len(heard) == 2)

    play(broker, scene, heard=heard)
    assert [(m.topic, m.payload) for m in heard] == [("a", b"1"), ("b", b"2")]


def test_a_broker_that_says_no_or_nothing_or_goes_away_is_told() -> None:
    async def nothing(client: MqttClient) -> None:
        raise AssertionError(client)

    with pytest.raises(BrokerRefused, match="user name or password is wrong"):
        play(Broker(b"\x20\x02\x00\x04"), nothing)
    with pytest.raises(BrokerUnreachable, match=r"didn't answer within 0.5 s"):
        play(Broker(b""), nothing)


def test_where_nobody_listens_it_says_so() -> None:
    login = BrokerLogin(url="mqtt://127.0.0.1:9")
    with pytest.raises(CallFailed, match="nothing listens there"):
        asyncio.run(MqttClient(login, Session("me")).start())


def test_rubbish_from_a_broker_ends_the_connection_and_begins_another() -> None:
    broker = Broker()

    async def scene(client: MqttClient) -> None:
        broker.writers[0].write(b"\x30\xff\xff\xff\xff\xff")
        await until(lambda: len(broker.came) > 1)
        client.session.publish("t", b"1")
        client.flush()
        assert await client.drained(5)

    play(broker, scene)


def test_it_stops_whatever_moment_the_connection_breaks_in() -> None:
    async def go() -> None:
        broker = Broker()
        server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
        login = BrokerLogin(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for turns in range(8):
            client = MqttClient(login, Session("me"))
            await client.start()
            raw = broker.writers[-1].transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
            broker.cut()
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                await client.stop()
        server.close()
        await until(lambda: broker.open == 0)

    asyncio.run(go())
