"""What a node's value is as a reading, and how good."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.opcua import binary
from holdfast.adapters.opcua.binary import DataValue
from holdfast.adapters.opcua.values import overflowed, points, quality_of, scalar
from holdfast.adapters.points import Point, points_payload
from holdfast.codecs.sink import MAX_TEXT
from holdfast.model.points import ValueType

GOOD_NO_DATA, OVERFLOW = 0x00A50000, 0x00000480


@pytest.mark.parametrize(
    ("type_", "raw", "kind", "wanted"),
    [
        (binary.DOUBLE, 2.5, "float", 2.5),
        (binary.DOUBLE, float("nan"), "float", None),
        (binary.DOUBLE, float("inf"), "text", None),
        (binary.DOUBLE, 2.5, "int", None),
        (binary.DOUBLE, 2.0, "int", 2),
        (binary.INT64, 2**62 + 1, "int", 2**62 + 1),
        (binary.UINT64, 2**64 - 1, "int", None),
        (binary.UINT64, 2**64 - 1, "float", 1.8446744073709552e19),
        (binary.BOOL, True, "bool", True),
        (binary.BOOL, True, "float", 1),
        (binary.BOOL, True, "text", "true"),
        (binary.BYTE, 2, "bool", True),
        (binary.INT32, 2, "text", "Auto"),
        (binary.INT32, 7, "text", "7"),
        (binary.STRING, "x" * 9_999, "text", "x" * MAX_TEXT),
        (binary.STRING, "12.5", "float", 12.5),
        (binary.STRING, "much", "float", None),
        (binary.STRING, "9" * 400, "float", None),
        (binary.STRING, "True", "bool", True),
        (binary.BYTES, b"\x01\xff", "text", "01ff"),
        (binary.DATETIME, binary.TICKS_1970 + 15_000_000, "text", "1970-01-01T00:00:01.500000Z"),
        (binary.DATETIME, binary.TICKS_1970 + 15_000_000, "float", 1.5),
        (binary.DATETIME, 0, "text", None),
        (binary.OBJECT, b"", "float", None),
        (binary.DIAGNOSTIC, None, "float", None),
    ],
)
def test_a_value_is_what_its_map_says_or_none(type_: int, raw: Any, kind: ValueType, wanted: Any) -> None:
    assert scalar(type_, raw, kind, {2: "Auto"}) == wanted


def test_quality_is_the_status_codes_severity_and_good_without_a_value_is_uncertain() -> None:
    assert [quality_of(code) for code in (0, 0x00A50000, 0x40920000, 0x80000000, 0xC0000000)] == [
        "good", "good", "uncertain", "bad", "bad",
    ]  # fmt: skip
    assert points(["a"], "float", DataValue(0, None, GOOD_NO_DATA), 5) == [Point("a", None, "uncertain", 5)]
    assert points(["a"], "float", DataValue(11, 2.5, 0x80000000), 5) == [Point("a", 2.5, "bad", 5)]
    assert points(["a"], "float", DataValue(12, "much"), 5) == [Point("a", None, "bad", 5)]


def test_elements_that_an_array_lacks_have_no_value() -> None:
    found = points(["a_0", "a_1"], "float", DataValue(11, [1.5]), 5)
    assert found == [Point("a_0", 1.5, "good", 5), Point("a_1", None, "uncertain", 5)]


def test_the_overflow_bit_counts_only_beside_its_info_type() -> None:
    assert overflowed(OVERFLOW)
    assert overflowed(0x40920000 | OVERFLOW)
    assert not overflowed(0x00000080)
    assert not overflowed(0x00000400)


RAW = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(), st.text(), st.binary(), st.lists(st.floats())
)


@given(st.integers(0, 40), RAW, st.sampled_from(["float", "int", "bool", "text"]), st.integers(0, 2**32 - 1))
def test_whatever_comes_is_a_message_that_can_be_written(type_: int, raw: Any, kind: ValueType, code: int) -> None:
    found = points(["a", "b"], kind, DataValue(type_, raw, code), 5)
    assert points_payload("press", found)
    assert all(one.value is not None or one.quality != "good" for one in found)
