"""Bytes of Modbus: what the library everybody uses (pymodbus) says, whatever comes, in whatever pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from holdfast.adapters.modbus import frames
from holdfast.adapters.modbus.errors import Malformed, Refused, UnitSilent
from holdfast.adapters.modbus.frames import Question, RtuFrames, TcpFrames, data_of, read, rtu_frame, tcp_frame

UNITS = st.integers(0, 255)
WORDS = st.integers(0, 0xFFFF)
ASKED = read(frames.READ_HOLDING, 0, 3)
GOOD = bytes([3, 6, 1, 2, 3, 4, 5, 6])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


def both(pdu: ModbusPDU, unit: int, number: int) -> tuple[bytes, bytes]:
    """Foreign frames of a request: (TCP, RTU)."""
    pdu.dev_id, pdu.transaction_id = unit, number
    return FramerSocket(DecodePDU(True)).buildFrame(pdu), FramerRTU(DecodePDU(True)).buildFrame(pdu)


@given(UNITS, WORDS, WORDS, st.integers(1, 125), WORDS, st.booleans())
def test_questions_are_those_that_pymodbus_sends(
    unit: int,
    number: int,
    start: int,
    count: int,
    value: int,
    on: bool,  # noqa: FBT001  # drawn
) -> None:
    foreign: list[tuple[Question, ModbusPDU]] = [
        (read(frames.READ_HOLDING, start, count), ReadHoldingRegistersRequest(address=start, count=count)),
        (read(frames.READ_INPUT, start, count), ReadInputRegistersRequest(address=start, count=count)),
        (read(frames.READ_COILS, start, count), ReadCoilsRequest(address=start, count=count)),
        (frames.write_one(start, value), WriteSingleRegisterRequest(address=start, registers=[value])),
        (frames.write_coil(start, on=on), WriteSingleCoilRequest(address=start, bits=[on])),
        (
            frames.write_many(start, value.to_bytes(2, "big") * 2),
            WriteMultipleRegistersRequest(address=start, registers=[value, value]),
        ),
    ]
    for ours, theirs in foreign:
        assert (tcp_frame(number, unit, ours), rtu_frame(unit, ours.pdu)) == both(theirs, unit, number)


@given(st.lists(st.tuples(WORDS, UNITS, st.lists(WORDS, min_size=1, max_size=125)), max_size=5), st.lists(WORDS))
def test_answers_are_found_in_whatever_pieces_they_come(
    said: list[tuple[int, int, list[int]]], cuts: list[int]
) -> None:
    stream, framer = b"", FramerSocket(DecodePDU(False))
    for number, unit, registers in said:
        answer = ReadHoldingRegistersResponse(registers=registers, dev_id=unit, transaction_id=number)
        stream += framer.buildFrame(answer)
    ours = TcpFrames()
    found = [one for piece in pieces(stream, cuts) for one in ours.feed(piece)]
    assert [(number, unit) for number, unit, _ in found] == [(number, unit) for number, unit, _ in said]
    for (_, _, pdu), (_, _, registers) in zip(found, said, strict=True):
        data = data_of(read(frames.READ_HOLDING, 0, len(registers)), pdu)
        assert data == b"".join(register.to_bytes(2, "big") for register in registers)


def fed(some: list[bytes]) -> list[tuple[int, int, bytes]] | None:
    """Answers in these pieces; None = the stream is no Modbus."""
    one = TcpFrames()
    try:
        return [found for piece in some for found in one.feed(piece)]
    except Malformed:
        return None


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda b: b"\0\1\0\0\0\4" + b)), st.lists(WORDS))
def test_any_bytes_are_cut_the_same_way_in_one_piece_and_in_many(data: bytes, cuts: list[int]) -> None:
    assert fed([data]) == fed(pieces(data, cuts)) == fed([data[i : i + 1] for i in range(len(data))])


@given(st.binary(max_size=300))
def test_any_pdu_is_an_answer_or_refused(pdu: bytes) -> None:
    try:
        data = data_of(ASKED, pdu)
    except (Malformed, Refused, UnitSilent):
        return
    assert (pdu[:2], len(data)) == (b"\x03\x06", 6)


@pytest.mark.parametrize("at", range(len(GOOD)))
@pytest.mark.parametrize("change", ["cut", "doubled"])
def test_an_answer_that_s_cut_or_too_long_is_none(at: int, change: str) -> None:
    pdu = GOOD[:at] if change == "cut" else GOOD[:at] + GOOD[at : at + 1] * 2 + GOOD[at + 1 :]
    with pytest.raises(Malformed):
        data_of(ASKED, pdu)


@pytest.mark.parametrize(("code", "said"), [(1, "illegal function"), (6, "busy"), (8, "parity"), (99, "exception 99")])
def test_exceptions_are_said_in_words(code: int, said: str) -> None:
    with pytest.raises(Refused, match=said) as error:
        data_of(ASKED, bytes([0x83, code]))
    assert error.value.code == code


@pytest.mark.parametrize("code", [0x0A, 0x0B])
def test_a_gateway_s_exceptions_mean_that_the_unit_is_silent(code: int) -> None:
    with pytest.raises(UnitSilent, match="gateway"):
        data_of(ASKED, bytes([0x83, code]))


def test_an_answer_to_a_write_repeats_it() -> None:
    written = frames.write_many(7, b"\1\2\3\4")
    assert data_of(written, bytes([16, 0, 7, 0, 2])) == b""
    with pytest.raises(Malformed, match="something else"):
        data_of(written, bytes([16, 0, 8, 0, 2]))
    assert frames.write_coils(3, on=True).pdu == bytes([15, 0, 3, 0, 1, 1, 1])


@given(UNITS, st.binary(max_size=40), st.lists(WORDS), st.binary(max_size=20))
def test_a_serial_answer_is_found_behind_noise(unit: int, noise: bytes, cuts: list[int], after: bytes) -> None:
    answer = rtu_frame(unit, GOOD)
    line = RtuFrames(unit, ASKED)
    found = [pdu for piece in pieces(noise + answer + after, cuts) if (pdu := line.feed(piece)) is not None]
    assert found
    assert found[0] == GOOD


@given(UNITS, UNITS, st.binary(max_size=300))
def test_another_unit_s_answer_is_never_taken(unit: int, other: int, data: bytes) -> None:
    found = RtuFrames(unit, ASKED).feed(rtu_frame(other, GOOD))
    assert found == (GOOD if unit == other else None)
    found = RtuFrames(unit, ASKED).feed(data)
    assert found is None or rtu_frame(unit, found) in data


@given(UNITS, st.integers(1, 125))
def test_an_answer_of_another_length_is_not_taken(unit: int, count: int) -> None:
    answer = rtu_frame(unit, bytes([3, 2 * count]) + bytes(2 * count))
    found = RtuFrames(unit, ASKED).feed(answer)
    assert (found is not None) is (count == 3)


def test_a_line_that_never_stops_talking_is_given_up() -> None:
    with pytest.raises(Malformed, match="RTU"):
        RtuFrames(1, ASKED).feed(b"\xaa" * 2000)
