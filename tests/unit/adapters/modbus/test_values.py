"""Registers as values: pymodbus converts the same way; orders of bytes as datasheets name them."""

import math
import struct
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from holdfast.adapters.errors import WriteRefused
from holdfast.adapters.modbus.values import Order, form_of

TYPE = ModbusClientMixin.DATATYPE
FOREIGN = {
    "u16": TYPE.UINT16, "i16": TYPE.INT16, "u32": TYPE.UINT32, "i32": TYPE.INT32, "u64": TYPE.UINT64,
    "i64": TYPE.INT64, "f32": TYPE.FLOAT32, "f64": TYPE.FLOAT64,
}  # fmt: skip
ORDERS: list[Order] = ["ABCD", "CDAB", "BADC", "DCBA"]


@given(st.sampled_from(sorted(FOREIGN)), st.booleans(), st.binary(min_size=8, max_size=8))
def test_numbers_are_those_that_pymodbus_reads(encoding: str, little: bool, data: bytes) -> None:  # noqa: FBT001  # drawn
    form = form_of(encoding, "CDAB" if little else "ABCD", 0, None)
    registers = list(struct.unpack(f">{form.registers}H", data[: 2 * form.registers]))
    order: Literal["little", "big"] = "little" if little else "big"
    theirs = ModbusClientMixin.convert_from_registers(registers, FOREIGN[encoding], word_order=order)
    ours = form.decode(data[: 2 * form.registers])
    assert ours == theirs or (math.isnan(float(ours)) and math.isnan(float(str(theirs))))


@given(st.sampled_from(sorted(FOREIGN)), st.sampled_from(ORDERS), st.data())
def test_what_is_written_is_read_again(encoding: str, order: Order, data: st.DataObject) -> None:
    form = form_of(encoding, order, 0, None)
    size = 8 * 2 * form.registers
    if encoding[0] == "f":
        value: float = data.draw(st.floats(width=32 if size == 32 else 64, allow_nan=False))
    elif encoding[0] == "u":
        value = data.draw(st.integers(0, 2**size - 1))
    else:
        value = data.draw(st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1))
    assert form.decode(form.encode(value)) == value


@pytest.mark.parametrize(
    ("order", "sent"), [("ABCD", "43668000"), ("CDAB", "80004366"), ("BADC", "66430080"), ("DCBA", "00806643")]
)
def test_the_four_orders_of_230_5(order: Order, sent: str) -> None:
    form = form_of("f32", order, 0, None)
    assert form.decode(bytes.fromhex(sent)) == 230.5
    assert form.encode(230.5) == bytes.fromhex(sent)


def test_a_text_ends_at_the_first_nul_without_blanks_around_it() -> None:
    form = form_of("text", "ABCD", 7, None)
    assert form.registers == 4
    assert form.decode(b" SDM\0xxx") == "SDM"
    assert form.decode(b"\xe9t\xe9\0\0\0\0\0") == "été"
    assert form.encode("Öl") == "Öl".encode() + bytes(5)
    assert form_of("text", "BADC", 4, None).decode(b"DS3M") == "SDM3"
    with pytest.raises(WriteRefused, match="room for 8"):
        form.encode("nine chars")


@given(st.integers(0, 0xFFFF), st.integers(0, 15), st.integers(0, 15))
def test_bits_of_a_register_are_read_and_written_without_touching_the_others(now: int, one: int, other: int) -> None:
    first, last = min(one, other), max(one, other)
    form = form_of("u16", "ABCD", 0, (first, last))
    before = now.to_bytes(2, "big")
    mask = (2 ** (last - first + 1) - 1) << first
    assert int(form.decode(before)) == (now & mask) >> first
    after = int.from_bytes(form.encode(2 ** (last - first + 1) - 1, before), "big")
    assert (after & mask, after & ~mask) == (mask, now & ~mask)
    assert isinstance(form.decode(before), bool) is (first == last)


@pytest.mark.parametrize(
    ("encoding", "value", "said"),
    [
        ("u16", -1, "0 to 65535"), ("i16", 40_000, "-32768 to 32767"), ("u16", float("nan"), "doesn't fit"),
        ("f32", 1e300, "doesn't fit into f32"), ("u32", "12", "is a text"), ("bool", 2, "neither true nor false"),
        ("u64", 2.0**64, "doesn't fit"), ("text", 5, "is no text"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_not_written(encoding: str, value: float | str, said: str) -> None:
    with pytest.raises(WriteRefused, match=said):
        form_of(encoding, "ABCD", 4 if encoding == "text" else 0, None).encode(value)


def test_a_value_finer_than_the_register_is_rounded() -> None:
    assert form_of("u16", "ABCD", 0, None).encode(215.7) == (216).to_bytes(2, "big")
