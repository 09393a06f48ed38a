"""Services: what bacpypes3 writes it reads, and whatever comes is read or `DeviceFaulted`."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.errors import FrameInvalid
from holdfast.adapters.bacnet.frames import Heard, Kind, Station
from holdfast.adapters.bacnet.objects import PRESENT_VALUE, STATUS_FLAGS, Ref, ref, written
from holdfast.adapters.bacnet.places import address, place
from holdfast.adapters.bacnet.services import Introduction, Notice, Read
from holdfast.adapters.bacnet.values import BITS, ENUMERATED, NULL, REAL, TEXT, UNSIGNED, Value, primitive, quality, raw
from holdfast.adapters.errors import DeviceFaulted, WriteRefused

AI1 = Ref(0, 1)
ANSWER = bytes.fromhex("0c00000001 1e 2955 4e 44 3fc00000 4f 296f 4e 8204 40 4f 2967 5e 9102 9120 5f 1f")
NOTICE = bytes.fromhex("0903 1c02000009 2c00000001 390a 4e 0955 2e 4440600000 2f 096f 2e 820410 2f 4f")
READERS = (
    lambda data: services.property_read(data, AI1),
    services.multiple_read,
    services.introduction,
    services.asked_who,
    lambda data: services.notice(data, confirmed=True),
    lambda data: services.notice(data, confirmed=False),
    lambda data: services.name_of(Heard(Station("a"), Kind.ERROR, 12, payload=data)),
)


def test_requests_are_as_the_standard_has_them() -> None:
    assert services.read_property(AI1) == bytes.fromhex("0c 00000001 1955")
    many = services.read_multiple([AI1, AI1.of(STATUS_FLAGS), Ref(3, 4)])
    assert many == bytes.fromhex("0c00000001 1e 0955 096f 1f 0c00c00004 1e 0955 1f")
    assert services.who_is(5, 9) == bytes.fromhex("0905 1909")
    assert services.subscribe(1, AI1, confirmed=True, lifetime_s=60) == bytes.fromhex("0901 1c00000001 2901 393c")
    assert services.unsubscribe(1, AI1) == bytes.fromhex("0901 1c00000001")
    real = services.write_property(AI1, Value(REAL, 21.5), 16)
    assert real == bytes.fromhex("0c00000001 1955 3e 4441ac0000 3f 4910")
    assert services.write_property(AI1, Value(NULL, None), 8) == bytes.fromhex("0c00000001 1955 3e 00 3f 4908")


def test_answers_and_notifications_are_read() -> None:
    assert services.multiple_read(ANSWER) == [
        Read(AI1, (Value(REAL, 1.5),)),
        Read(AI1.of(STATUS_FLAGS), (Value(BITS, 4),)),
        Read(AI1.of(103), (), "unknown-property"),
    ]
    reads = (Read(AI1, (Value(REAL, 3.5),)), Read(AI1.of(STATUS_FLAGS), (Value(BITS, 1),)))
    assert services.notice(NOTICE, confirmed=False) == Notice(3, 9, reads)
    assert services.introduction(services.i_am(7)) == Introduction(7, 1476, 999)
    assert services.asked_who(services.who_is(5, 9)) == (5, 9)
    assert services.asked_who(b"")[0] == 0
    assert (
        services.name_of(Heard(Station("a"), Kind.ERROR, 15, payload=bytes.fromhex("9102 9128")))
        == "write-access-denied"
    )
    assert services.name_of(Heard(Station("a"), Kind.ABORT, 4)) == "segmentation-not-supported"


def test_the_answer_to_another_question_is_no_answer() -> None:
    with pytest.raises(DeviceFaulted, match="told of"):
        services.property_read(bytes.fromhex("0c 00000002 1955 3e 4441ac0000 3f"), AI1)


def test_values_that_an_object_cannot_hold_are_refused_before_they_are_sent() -> None:
    for value, said in (
        (Value(UNSIGNED, 1.5), "whole numbers"),
        (Value(UNSIGNED, -1), "written"),
        (Value(REAL, "warm"), "no number"),
        (Value(BITS, 1), "this type"),
    ):
        with pytest.raises(WriteRefused, match=said):
            services.write_property(AI1, value, 16)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_faulted(data: bytes) -> None:
    for reads in READERS:
        with contextlib.suppress(DeviceFaulted):
            reads(data)


@given(
    st.sampled_from([ANSWER, NOTICE]),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_mutated_answers_are_read_or_faulted(data: bytes, changes: list[tuple[int, int]]) -> None:
    mutated = bytearray(data)
    for at, byte in changes:
        mutated[at % len(mutated)] = byte
    for reads in READERS:
        with contextlib.suppress(DeviceFaulted):
            reads(bytes(mutated))


@given(st.integers(0, 15), st.binary(max_size=12), st.integers(0, 7))
def test_a_tag_is_a_value_or_refused(tag: int, data: bytes, length: int) -> None:
    with contextlib.suppress(ValueError):
        assert primitive(tag, data, length).tag == tag


def test_primitives_are_read_by_their_tag() -> None:
    assert primitive(2, b"\x01\x00", 2).value == 256
    assert primitive(3, b"\xff", 1).value == -1
    assert primitive(5, bytes.fromhex("3ff8000000000000"), 8).value == 1.5
    assert primitive(7, b"\x00caf\xc3\xa9", 6).value == "café"
    assert primitive(7, b"\x04\x00A\x00B", 5).value == "AB"
    assert primitive(1, b"", 1).value is True
    nan = primitive(4, bytes.fromhex("7fc00000"), 4).value
    assert isinstance(nan, float)
    assert math.isnan(nan)


def test_flags_and_reliability_make_the_quality() -> None:
    in_alarm, fault, overridden, out_of_service = 8, 4, 2, 1
    assert [quality(flags, 0) for flags in (0, in_alarm, fault, overridden, out_of_service)] == [
        "good", "good", "uncertain", "uncertain", "bad"
    ]  # fmt: skip
    assert [quality(fault, one) for one in (1, 2, 4, 12, 7)] == ["bad", "uncertain", "bad", "bad", "uncertain"]


def test_raw_values_are_of_the_point_s_type() -> None:
    states = {1: "Off", 2: "Heating"}
    assert raw(Value(UNSIGNED, 2), "text", states) == "Heating"
    assert raw(Value(UNSIGNED, 9), "text", states) == "9"
    assert raw(Value(ENUMERATED, 1), "bool", {}) is True
    assert raw(Value(ENUMERATED, 1), "float", {}) == 1
    assert raw(Value(TEXT, "21.5"), "float", {}) == 21.5
    assert raw(Value(TEXT, "warm"), "float", {}) is None
    assert raw(Value(NULL, None), "float", {}) is None


def test_objects_and_addresses_are_read_as_people_write_them() -> None:
    assert ref("analog-input,1") == Ref(0, 1, PRESENT_VALUE)
    assert ref("130, 7") == Ref(130, 7)
    assert written(13, 2) == "multi-state-input,2"
    for wrong in ("analog-input", "analog-input,x", "analogue,1", "0,4194303", "1024,1", ",1"):
        with pytest.raises(ValueError, match="expected an object"):
            ref(wrong)
    assert place("10.0.0.5/24:47809") == ("10.0.0.5", 47809, "10.0.0.255")
    assert place("127.0.0.1") == ("127.0.0.1", 47808, "")
    assert address("10.0.0.9") == ("10.0.0.9", 47808)
    for wrong in ("10.0.0", "10.0.0.5/33", "host", "10.0.0.5:99999", "10.0.0.256"):
        with pytest.raises(ValueError, match="expected"):
            place(wrong)
    with pytest.raises(ValueError, match="expected an address"):
        address("10.0.0.5/24")
    assert issubclass(FrameInvalid, ValueError)
