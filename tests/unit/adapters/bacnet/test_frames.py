"""BVLL, network layer and PDU headers: what is written is read, and any bytes are read or refused, nothing else."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.bacnet.errors import FrameInvalid
from holdfast.adapters.bacnet.frames import (
    Function,
    Heard,
    Kind,
    Result,
    Station,
    abort,
    confirmed,
    everywhere,
    read,
    register,
    reject,
    segment_ack,
    simple_ack,
    unconfirmed,
    unicast,
)

HERE = Station("10.0.0.9")
PDUS = [
    confirmed(7, 12, b"abc"),
    unconfirmed(8, b"x"),
    simple_ack(3, 15),
    segment_ack(3, 4, 5),
    reject(9, 1),
    abort(9, 4),
]


def heard(datagram: bytes) -> Heard:
    found = read(datagram, *HERE[:2])
    assert isinstance(found, Heard)
    return found


def test_a_request_is_read_as_it_was_written() -> None:
    found = heard(unicast(HERE, confirmed(7, 12, b"abc"), expects=True))
    assert (found.source, found.kind, found.choice, found.invoke, found.payload) == (
        HERE,
        Kind.CONFIRMED,
        12,
        7,
        b"abc",
    )
    assert unicast(HERE, b"\x10\x08") == bytes.fromhex("810a0008 0100 1008")  # Who-Is, as in annex J


def test_a_device_behind_a_router_is_known_by_its_network_and_address() -> None:
    far = Station("10.0.0.1", 47808, 5, b"\x0c")
    routed = unicast(far, unconfirmed(8, b""))
    assert routed == bytes.fromhex("810a000d 0120 0005 01 0c ff 1008")
    from_there = bytes.fromhex("810a000d 0108 0005 01 0c 2003 0f")
    assert heard(from_there).source == Station("10.0.0.9", 47808, 5, b"\x0c")


def test_a_forwarded_broadcast_comes_from_whoever_sent_it_first() -> None:
    inner = bytes.fromhex("0120ffff00ff1000")
    found = heard(
        bytes.fromhex("8104") + (10 + len(inner)).to_bytes(2, "big") + bytes((192, 168, 1, 7, 0xBA, 0xC1)) + inner
    )
    assert found.source == Station("192.168.1.7", 47809)


def test_a_bbmd_s_answer_and_messages_of_no_concern_are_told_apart() -> None:
    assert read(bytes.fromhex("810000060030"), "b", 1) == Result(0x30)
    assert read(bytes.fromhex("810a0007018000"), "b", 1) is None  # a network layer message: who is router?
    assert read(register(60), "b", 1) is None
    assert isinstance(read(everywhere(unconfirmed(8, b""), Function.BROADCAST), "b", 1), Heard)


@pytest.mark.parametrize("pdu", PDUS)
def test_what_is_cut_off_is_refused_or_shorter_but_never_breaks(pdu: bytes) -> None:
    whole = unicast(HERE, pdu)
    for end in range(len(whole)):
        cut = whole[:2] + end.to_bytes(2, "big") + whole[4:end] if end >= 4 else whole[:end]
        try:
            found = read(cut, *HERE[:2])
        except FrameInvalid:
            continue
        assert found is None or isinstance(found, Heard)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for datagram in (data, b"\x81\x0a" + (len(data) + 4).to_bytes(2, "big") + data):
        with suppress(FrameInvalid):
            read(datagram, "10.0.0.1", 1)


@given(st.sampled_from(PDUS), st.integers(0, 200), st.integers(0, 255))
def test_a_flipped_byte_is_read_or_refused(pdu: bytes, at: int, byte: int) -> None:
    whole = bytearray(unicast(Station("10.0.0.1", 1, 5, b"\x01\x02"), pdu))
    whole[at % len(whole)] = byte
    with suppress(FrameInvalid):
        read(bytes(whole), "10.0.0.1", 1)
