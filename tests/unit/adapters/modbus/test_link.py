"""A connection on loopback: whatever a device says, an answer is its own question's, or none."""

import asyncio
import struct
from random import Random

import pytest
from tests.unit.adapters.modbus.devices import Device, Talker, device

from holdfast.adapters.errors import DeviceUnreachable
from holdfast.adapters.modbus.errors import Malformed, Refused, UnitSilent
from holdfast.adapters.modbus.frames import READ_HOLDING, read, rtu_frame, tcp_frame
from holdfast.adapters.modbus.link import Link
from holdfast.adapters.modbus.settings import Transport

ASKED = read(READ_HOLDING, 0, 2)


def answer(frame: bytes, value: bytes, *, unit: int | None = None, number: int | None = None) -> bytes:
    own, _, _, asked = struct.unpack(">HHHB", frame[:7])
    pdu = bytes([3, len(value)]) + value
    head = struct.pack(">HHHB", own if number is None else number, 0, len(pdu) + 1, asked if unit is None else unit)
    return head + pdu


def echo(talker: Talker, frame: bytes) -> None:
    talker.say(answer(frame, frame[8:12]))


def mute(talker: Talker, frame: bytes) -> None:
    del talker, frame


def closing(talker: Talker, frame: bytes) -> None:
    del frame
    talker.transport.abort()


def test_questions_at_once_get_their_own_answers_in_whatever_order_these_come() -> None:
    held: list[tuple[Talker, bytes]] = []

    def backwards(talker: Talker, data: bytes) -> None:
        held.extend((talker, data[i : i + 12]) for i in range(0, len(data), 12))
        if len(held) == 5:
            for who, frame in reversed(held):
                echo(who, frame)

    async def run() -> None:
        async with device(backwards) as one:
            link = Link(one.address, "tcp")
            found = await asyncio.gather(*(link.ask(1, read(READ_HOLDING, at, 2), 2.0) for at in range(5)))
            assert found == [struct.pack(">HH", at, 2) for at in range(5)]
            assert len(one.talkers) == 1
            link.close()

    asyncio.run(run())


def test_a_late_answer_is_dropped_and_counted() -> None:
    def slow_at_first(talker: Talker, frame: bytes) -> None:
        talker.say(answer(frame, frame[8:12]), 0.1 if len(talker.device.asked) == 1 else 0.15)

    async def run() -> None:
        async with device(slow_at_first) as one:
            link = Link(one.address, "tcp")
            with pytest.raises(TimeoutError):
                await link.ask(1, read(READ_HOLDING, 7, 2), 0.05)
            assert await link.ask(1, read(READ_HOLDING, 9, 2), 2.0) == struct.pack(">HH", 9, 2)
            assert (link.late, link.opened) == (1, 1)
            link.close()

    asyncio.run(run())


def test_another_unit_s_answer_to_the_same_question_is_refused() -> None:
    async def run() -> None:
        async with device(lambda t, frame: t.say(answer(frame, b"\0\0\0\0", unit=8))) as one:
            link = Link(one.address, "tcp")
            with pytest.raises(Malformed, match="unit 7 was asked, and unit 8 answered"):
                await link.ask(7, ASKED, 1.0)
            link.close()

    asyncio.run(run())


def late_unit_7(one: Device) -> None:
    """A transparent serial server: what the line says late goes to whoever is connected then."""

    def behave(talker: Talker, frame: bytes) -> None:
        unit, value = frame[0], bytes([frame[0]] * 4)
        said = rtu_frame(unit, bytes([3, 4]) + value)
        if unit == 7:
            asyncio.get_running_loop().call_later(0.15, lambda: one.talkers[-1].say(said))
        else:
            talker.say(said, 0.1)

    one.behave = behave


def test_on_a_serial_line_a_late_answer_of_unit_7_is_not_taken_for_unit_8() -> None:
    async def run() -> None:
        async with device(mute) as one:
            late_unit_7(one)
            link = Link(one.address, "rtu-over-tcp")
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await link.ask(7, ASKED, 0.05)
                assert await link.ask(8, ASKED, 1.0) == b"\x08" * 4
            assert link.opened == 4  # each silence closes the connection
            link.close()

    asyncio.run(run())


def test_on_a_serial_line_a_late_answer_is_not_taken_for_the_unit_s_next() -> None:
    values = iter(range(1, 100))

    def late_at_first(talker: Talker, frame: bytes) -> None:
        talker.say(rtu_frame(frame[0], bytes([3, 4]) + bytes([next(values)] * 4)), 0.12 if frame[3] == 0 else 0.01)

    async def run() -> None:
        async with device(late_at_first) as one:
            link = Link(one.address, "rtu-over-tcp")
            with pytest.raises(TimeoutError):
                await link.ask(7, read(READ_HOLDING, 0, 2), 0.05)
            assert await link.ask(7, read(READ_HOLDING, 50, 2), 1.0) == b"\x02" * 4
            link.close()

    asyncio.run(run())


def test_a_line_that_babbles_is_listened_to_no_longer_than_the_timeout() -> None:
    def babble(talker: Talker, frame: bytes) -> None:
        for i in range(60):
            talker.say(b"\x55\xaa", 0.01 * i + 0.001)

    async def run() -> None:
        async with device(babble) as one:
            link = Link(one.address, "rtu-over-tcp")
            began = asyncio.get_running_loop().time()
            with pytest.raises(TimeoutError):
                await link.ask(7, ASKED, 0.1)
            assert asyncio.get_running_loop().time() - began < 0.4
            link.close()

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["tcp", "rtu-over-tcp"])
def test_a_peer_that_goes_on_talking_unasked_is_cut_off(transport: Transport) -> None:
    async def flood(talker: Talker, frame: bytes) -> None:
        while not talker.transport.is_closing():
            talker.say(frame)
            await asyncio.sleep(0)

    async def run() -> None:
        async with device(mute) as one, asyncio.TaskGroup() as group:
            sound = tcp_frame(1, 1, ASKED) if transport == "tcp" else rtu_frame(1, b"\3\4\1\2\3\4")

            def begin(talker: Talker, frame: bytes) -> None:
                talker.say(answer(frame, b"\1\2\3\4") if transport == "tcp" else sound)
                group.create_task(flood(talker, sound * 5))

            one.behave = begin
            link = Link(one.address, transport)
            assert await link.ask(1, ASKED, 1.0) == b"\1\2\3\4"
            async with asyncio.timeout(3):
                while not one.talkers[0].transport.is_closing():  # noqa: ASYNC110  # the peer's, no event of ours
                    await asyncio.sleep(0.01)
            link.close()

    asyncio.run(run())


def test_a_connection_that_rested_and_was_closed_is_opened_again_without_losing_the_question() -> None:
    async def run() -> None:
        async with device(echo) as one:
            link = Link(one.address, "tcp")
            await link.ask(1, ASKED, 1.0)
            one.behave = lambda t, frame: t.transport.abort() if len(one.asked) == 2 else echo(t, frame)
            assert await link.ask(1, ASKED, 1.0) == b"\0\0\0\2"
            one.talkers[-1].transport.abort()
            await asyncio.sleep(0.02)
            assert await link.ask(1, ASKED, 1.0) == b"\0\0\0\2"
            link.close()

    asyncio.run(run())


def test_a_device_that_closes_every_connection_is_unreachable_and_asked_only_once() -> None:
    async def run() -> None:
        async with device(closing) as one:
            link = Link(one.address, "tcp")
            with pytest.raises(DeviceUnreachable):
                await link.ask(1, ASKED, 1.0)
            assert len(one.asked) == 1

    asyncio.run(run())


def test_nobody_there_is_said_in_words_and_a_return_is_noticed() -> None:
    async def run() -> None:
        async with device(echo) as one:
            link = Link(one.address, "tcp")
            await link.ask(1, ASKED, 1.0)
            one.close()
            await asyncio.sleep(0.02)
            with pytest.raises(DeviceUnreachable, match="is it on"):
                await link.ask(1, ASKED, 1.0)
            await one.listen()
            assert await link.ask(1, ASKED, 1.0) == b"\0\0\0\2"
            link.close()

    asyncio.run(run())


def test_a_connection_without_answers_is_given_up_after_two_and_kept_by_those_that_answer() -> None:
    async def run() -> None:
        async with device(mute) as one:
            link = Link(one.address, "tcp")
            for _ in range(4):
                with pytest.raises(TimeoutError):
                    await link.ask(1, ASKED, 0.02)
            assert link.opened == 2
            one.behave = lambda t, frame: None if frame[6] == 9 else echo(t, frame)
            for _ in range(4):
                with pytest.raises(TimeoutError):
                    await link.ask(9, ASKED, 0.02)
                await link.ask(1, ASKED, 1.0)
            assert link.opened == 3
            link.close()

    asyncio.run(run())


@pytest.mark.parametrize(("code", "error"), [(2, Refused), (4, Refused), (0x0B, UnitSilent)])
def test_an_exception_leaves_the_connection_open(code: int, error: type[Exception]) -> None:
    def refuse(talker: Talker, frame: bytes) -> None:
        talker.say(frame[:4] + b"\0\3" + frame[6:7] + bytes([0x83, code]))

    async def run() -> None:
        async with device(refuse) as one:
            link = Link(one.address, "tcp")
            for _ in range(3):
                with pytest.raises(error):
                    await link.ask(1, ASKED, 1.0)
            assert link.opened == 1
            link.close()

    asyncio.run(run())


def test_a_value_dribbled_byte_by_byte_arrives() -> None:
    def dribble(talker: Talker, frame: bytes) -> None:
        said = answer(frame, b"\1\2\3\4") if len(frame) == 12 else rtu_frame(frame[0], b"\3\4\1\2\3\4")
        for i, byte in enumerate(said):
            talker.say(bytes([byte]), 0.001 * (i + 1))

    async def run() -> None:
        async with device(dribble) as one:
            transports: tuple[Transport, ...] = ("tcp", "rtu-over-tcp")
            for transport in transports:
                link = Link(one.address, transport)
                assert await link.ask(1, ASKED, 2.0) == b"\1\2\3\4"
                link.close()

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["tcp", "rtu-over-tcp"])
def test_rubbish_never_becomes_a_value_and_the_next_sound_answer_is_taken(transport: Transport) -> None:
    rng = Random(7)
    good = b"\x11\x22\x33\x44"

    def sound(frame: bytes) -> bytes:
        return answer(frame, good) if transport == "tcp" else rtu_frame(frame[0], b"\3\4" + good)

    def spoilt(talker: Talker, frame: bytes) -> None:
        right = sound(frame)
        at = rng.randrange(len(right))
        changed = bytearray(right)
        changed[at] ^= rng.randrange(1, 256)
        other = answer(frame, good, number=rng.randrange(65536)) if transport == "tcp" else rtu_frame(2, b"\3\4" + good)
        ways = [bytes(changed), right[:at], rng.randbytes(40), other, b"", rng.randbytes(at) + right[: at + 1]]
        talker.say(ways[rng.randrange(6)])

    async def run() -> None:
        async with device(spoilt) as one:
            link = Link(one.address, transport)
            taken = 0
            for round_ in range(90 if transport == "tcp" else 45):
                one.behave = spoilt if round_ % 3 else (lambda t, frame: t.say(sound(frame)))
                try:
                    found = await link.ask(1, ASKED, 0.02 if round_ % 3 else 2.0)
                except (DeviceUnreachable, Refused, Malformed, TimeoutError):
                    if round_ % 3:
                        continue
                    # on a busy machine rubbish comes after its question's time, and is the next one's: asked again
                    found = await link.ask(1, ASKED, 2.0)
                # over TCP nothing protects the data bytes themselves; a frame that's whole is what the device said
                assert len(found) == 4
                taken += found == good
            assert taken >= 15
            link.close()

    asyncio.run(run())
