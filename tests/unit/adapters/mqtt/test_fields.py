import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.mqtt import fields
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import Cursor
from holdfast.adapters.mqtt.reasons import Reason

LONGEST = 268_435_455  # MQTT 5 §1.5.5: four bytes of seven bits


@given(st.integers(0, LONGEST))
def test_a_variable_byte_integer_survives_and_is_shortest(number: int) -> None:
    raw = fields.varint(number)
    assert Cursor(raw).varint() == number
    assert len(raw) == 1 + sum(number >= limit for limit in (128, 16_384, 2_097_152))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50), st.binary(max_size=50))
def test_text_and_binary_survive(value: str, data: bytes) -> None:
    cursor = Cursor(fields.text(value) + fields.binary(data) + b"rest")
    assert (cursor.text(), cursor.binary(), cursor.rest(), cursor.done) == (value, data, b"rest", True)


def test_integers_are_big_endian() -> None:
    cursor = Cursor(b"\1\0\2\0\0\1\0")
    assert (cursor.u8(), cursor.u16(), cursor.u32()) == (1, 2, 256)


@pytest.mark.parametrize("raw", [b"\x80\x00", b"\x80\x80\x80\x80\x01", b"\x80", b""])
def test_a_bad_variable_byte_integer_is_malformed(raw: bytes) -> None:
    with pytest.raises(ProtocolFault) as caught:
        Cursor(raw).varint()
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("raw", [b"\0\1\xff", b"\0\1\0", b"\0\5abc", b"\0\3\xed\xa0\x80"])
def test_bad_text_is_malformed(raw: bytes) -> None:
    with pytest.raises(ProtocolFault):
        Cursor(raw).text()


def test_a_packet_identifier_is_never_zero() -> None:
    assert Cursor(b"\0\1").packet_id() == b"\0\1"
    with pytest.raises(ProtocolFault):
        Cursor(b"\0\0").packet_id()
