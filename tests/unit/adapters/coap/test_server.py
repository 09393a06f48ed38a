"""The listener on a real socket: what a device is answered, and when."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from tests.unit.adapters.coap.doubles import FORMAT, Box, block1, peer, request
from tests.waiting import until

from holdfast.adapters.coap.errors import CoapUnreachable
from holdfast.adapters.coap.server import CoapServer
from holdfast.adapters.coap.settings import CoapLink
from holdfast.kernel.clock import SystemClock


@asynccontextmanager
async def serving(box: Box, **settings: Any) -> AsyncIterator[CoapServer]:
    server = CoapServer(CoapLink(**{"listen": "127.0.0.1:0", **settings}), box, SystemClock())
    await server.open()
    try:
        yield server
    finally:
        await server.close()


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("content", FORMAT)
def test_each_format_is_taken_as_it_came_and_answered_2_04(content: int, kind: int) -> None:
    async def scene() -> None:
        box = Box()
        async with serving(box) as server, peer(server.port) as device:
            answer = await device.ask(request(7, "senml/press-1", b"\x80\x01", kind, extra=FORMAT[content]))
            assert (answer.code.dotted, answer.token) == ("2.04", b"t\0\x07")
            assert box.messages == [("senml/press-1", b"\x80\x01")]
            assert box.arrivals[0].source == "coap:127.0.0.1"

    asyncio.run(scene())


def test_2_04_comes_only_after_the_receipt_is_settled() -> None:
    async def scene() -> None:
        box = Box(settles=False)
        async with serving(box) as server, peer(server.port) as device:
            device.send(request(1))
            await until(lambda: box.arrivals)
            assert (device.came.empty(), server.unsettled) == (True, 1)
            box.arrivals[0].receipt.settle()
            assert (await device.next()).code.dotted == "2.04"
            assert (server.unsettled, server.served.settled) == (0, 1)

    asyncio.run(scene())


def test_when_the_commit_is_slow_the_message_is_acknowledged_first_and_a_retransmission_is_not_stored_again() -> None:
    async def scene() -> None:
        box = Box(settles=False)
        async with serving(box) as server, peer(server.port) as device:
            empty = await device.ask(request(1))
            assert (int(empty.mtype), int(empty.code), empty.mid) == (2, 0, 1)  # ACK 0.00: RFC 7252 §5.2.2
            again = await device.ask(request(1))  # the device didn't hear it
            assert (int(again.mtype), int(again.code), again.mid) == (2, 0, 1)
            assert len(box.arrivals) == 1
            box.arrivals[0].receipt.settle()
            answer = await device.next()
            assert (answer.code.dotted, int(answer.mtype), answer.token) == ("2.04", 0, b"t\0\x01")
            device.send(b"\x60\x00" + answer.mid.to_bytes(2, "big"))  # its acknowledgement
            assert (server.repeats, len(box.arrivals)) == (1, 1)

    asyncio.run(scene())


@pytest.mark.parametrize("kind", [0, 1])
def test_a_message_that_comes_twice_is_stored_once_and_a_confirmable_one_answered_twice(kind: int) -> None:
    async def scene() -> None:
        box = Box()
        async with serving(box) as server, peer(server.port) as device:
            first = await device.ask(request(9, kind=kind))
            assert first.code.dotted == "2.04"
            device.send(request(9, kind=kind))
            if kind == 0:
                again = await device.next()
                assert (again.code.dotted, again.mid) == ("2.04", 9)
            await until(lambda: server.repeats == 1)
            assert len(box.arrivals) == 1

    asyncio.run(scene())


def test_a_full_inbox_and_a_journal_that_refuses_are_5_03_with_when_to_come_back() -> None:
    async def scene() -> None:
        box = Box(settles=False, room=1)
        async with serving(box) as server, peer(server.port) as device:
            device.send(request(1))
            await until(lambda: box.arrivals)
            answer = await device.ask(request(2))
            assert (answer.code.dotted, answer.opt.max_age, b"try again" in answer.payload) == ("5.03", 5, True)
            box.arrivals[0].receipt.refuse()
            answer = await device.next()
            assert (answer.code.dotted, answer.opt.max_age, answer.token) == ("5.03", 5, b"t\0\x01")
            box.drain()
            device.send(request(3))
            await until(lambda: len(box.arrivals) == 2)
            assert server.served.refused == 2

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        (request(1, "other/x"), "4.04", "other/x is no topic"),
        (request(1, "senml/$x", extra=FORMAT[110]), "4.00", "begins with $"),
        (request(1, ""), "4.00", "name a topic"),
        (request(1, payload=b""), "4.00", "no payload"),
        (request(1, extra=b"\x11\x29"), "4.15", "Content-Format 41; known are 0 text"),
        (request(1, extra=b"\x12\xff\xff"), "4.15", "65535"),
        (request(1, code=1, payload=b""), "4.05", "PUT or POST"),
        (request(1, code=4, payload=b""), "4.05", "PUT or POST"),
        (request(1, "points/modbus/meter"), "4.04", "no topic"),
        (request(1, extra=b"\xd1\x19\x01"), "4.02", "critical option 49"),
        (request(1, payload=b"x" * 16, extra=block1(1, more=True, szx=0)), "4.08", "start again at block 0"),
        (request(1, payload=b"x" * 15, extra=block1(0, more=True, szx=0)), "4.00", "15 bytes"),
        (request(1, payload=b"x" * 16, extra=block1(0, more=True, szx=7)), "4.00", "16 to 1024"),
    ],
)
def test_what_is_wrong_is_said(sent: bytes, code: str, said: str) -> None:
    async def scene() -> None:
        box = Box()
        async with serving(box, topics=("senml/#",)) as server, peer(server.port) as device:
            answer = await device.ask(sent)
            assert answer.code.dotted == code
            assert said in answer.payload.decode()
            assert box.arrivals == []

    asyncio.run(scene())


def test_an_upload_in_blocks_arrives_whole_and_its_last_block_is_answered_after_the_commit() -> None:
    async def scene() -> None:
        box, body = Box(), bytes(random.Random(1).randbytes(5_000))
        async with serving(box) as server, peer(server.port) as device:
            for number in range(5):
                piece = body[number * 1024 : (number + 1) * 1024]
                answer = await device.ask(request(number, payload=piece, extra=block1(number, more=number < 4, szx=6)))
                assert answer.code.dotted == ("2.31" if number < 4 else "2.04")
                assert answer.opt.block1.block_number == number
            assert box.messages == [("senml", body)]
            assert server.bodies.bytes == 0

    asyncio.run(scene())


def test_a_body_that_is_too_large_is_4_13_with_what_would_fit() -> None:
    async def scene() -> None:
        async with serving(Box(), max_body=20) as server, peer(server.port) as device:
            await device.ask(request(1, payload=b"x" * 16, extra=block1(0, more=True, szx=0)))
            answer = await device.ask(request(2, payload=b"x" * 16, extra=block1(1, more=True, szx=0)))
            assert (answer.code.dotted, answer.opt.size1) == ("4.13", 20)

    asyncio.run(scene())


def test_a_datagram_as_large_as_udp_carries_is_taken_whole() -> None:
    async def scene() -> None:
        box, payload = Box(), random.Random(2).randbytes(60_000)
        async with serving(box) as server, peer(server.port) as device:
            assert (await device.ask(request(1, payload=payload))).code.dotted == "2.04"
            assert box.messages == [("senml", payload)]
        async with serving(box, max_body=50_000) as server, peer(server.port) as device:
            assert (await device.ask(request(1, payload=payload))).code.dotted == "4.13"

    asyncio.run(scene())


def test_the_resources_are_told() -> None:
    async def scene() -> None:
        async with serving(Box(), topics=("senml/#",)) as server, peer(server.port) as device:
            answer = await device.ask(request(1, ".well-known/core", b"", code=1))
            assert (answer.code.dotted, int(answer.opt.content_format)) == ("2.05", 40)
            assert answer.payload.startswith(b"</senml>;")

    asyncio.run(scene())


def test_one_peer_has_so_many_messages_under_way_and_the_next_is_asked_to_wait() -> None:
    async def scene() -> None:
        box = Box(settles=False)
        async with serving(box, under_way_per_peer=2) as server, peer(server.port) as device:
            for mid in (1, 2, 3):
                device.send(request(mid))
            answer = await device.next()
            assert (answer.code.dotted, answer.token) == ("5.03", b"t\0\x03")
            assert len(box.arrivals) == 2

    asyncio.run(scene())


def test_a_flood_from_one_peer_is_turned_away_and_another_is_answered() -> None:
    async def scene() -> None:
        box = Box()
        async with serving(box, rate=50.0, listen="0.0.0.0:0") as server, peer(server.port) as flooder:
            for mid in range(1_000):
                flooder.send(request(mid))
            async with peer(server.port, local="127.0.0.2") as device:
                assert (await device.ask(request(1, payload=b"[other]"))).code.dotted == "2.04"
            assert box.arrivals[-1].source == "coap:127.0.0.2"
            await until(lambda: server.gate.turned.too_fast >= 800)
            assert 40 <= len(box.arrivals) <= 120

    asyncio.run(scene())


def test_strangers_are_not_answered() -> None:
    async def scene() -> None:
        async with serving(Box(), peers=("10.0.0.0/8",)) as server, peer(server.port) as device:
            device.send(request(1))
            await until(lambda: server.gate.turned.strangers == 1)
            assert device.came.empty()

    asyncio.run(scene())


def test_stopping_answers_what_is_under_way_and_takes_no_more() -> None:
    async def scene() -> None:
        box = Box(settles=False)
        async with serving(box) as server, peer(server.port) as device:
            device.send(request(1))
            await until(lambda: box.arrivals)
            stopping = asyncio.ensure_future(server.stop(2.0))
            await asyncio.sleep(0)
            assert (await device.ask(request(2))).code.dotted == "5.03"
            box.arrivals[0].receipt.settle()
            await stopping
            assert (await device.next()).code.dotted == "2.04"

    asyncio.run(scene())


def test_a_port_that_somebody_has_is_told_although_sockets_could_share_it() -> None:
    async def scene() -> None:
        async with serving(Box()) as server:
            other = CoapServer(CoapLink(listen=f"127.0.0.1:{server.port}"), Box(), SystemClock())
            with pytest.raises(CoapUnreachable, match="can't be listened on"):
                await other.open()

    asyncio.run(scene())


@pytest.mark.parametrize("runs", [asyncio.run, uvloop.run])
def test_a_peer_that_closes_its_port_before_the_answer_deafens_nobody(runs: Any) -> None:
    async def scene() -> None:
        box = Box(settles=False)
        async with serving(box) as server:
            async with peer(server.port) as gone:
                gone.send(request(1))
                await until(lambda: box.arrivals)
            box.arrivals[0].receipt.settle()
            await asyncio.sleep(0.05)  # the system's "port unreachable" comes back meanwhile
            async with peer(server.port) as other:
                other.send(request(2))
                await until(lambda: len(box.arrivals) == 2)

    runs(scene())


def test_garbage_neither_stops_the_listener_nor_is_remembered() -> None:
    async def scene() -> None:
        rng, box = random.Random(7), Box()
        sound = [request(1, extra=FORMAT[110]), request(1, extra=block1(0, more=True, szx=0)), request(1, code=1)]
        async with serving(box, rate=0) as server, peer(server.port) as device:
            for turn in range(3_000):
                data = bytearray(rng.choice(sound)) if turn % 3 else bytearray(rng.randbytes(rng.randrange(60)))
                for _ in range(rng.randrange(4)):
                    if data:
                        data[rng.randrange(len(data))] = rng.randrange(256)
                device.send(bytes(data))
                if turn % 50 == 49:
                    await asyncio.sleep(0)
            await until(lambda: server.gate.turned.malformed > 300)
            async with peer(server.port) as sane:
                assert (await sane.ask(request(40_000, payload=b"[sane]"))).code.dotted == "2.04"
            assert ("senml", b"[sane]") in box.messages
            assert len(server.bodies) <= 4

    asyncio.run(scene())


def test_option_numbers_that_nobody_knows_do_not_pile_up_in_the_library() -> None:
    async def scene() -> None:
        from aiocoap.numbers.optionnumbers import OptionNumber

        before = len(OptionNumber._value2member_map_)
        async with serving(Box(), rate=0) as server, peer(server.port) as device:
            for number in range(300):
                delta = 2 * number + 600 - 11 - 269 + 1  # elective: even
                device.send(request(number, extra=b"\xe0" + delta.to_bytes(2, "big")))
                await device.next()
        # one that the library or this peer uses for the first time in this process may be among them
        assert len(OptionNumber._value2member_map_) - before < 5

    asyncio.run(scene())
