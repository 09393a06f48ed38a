"""Checksums: published vectors, and nothing else passes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.serial.checksums import crc16_of, strip_nmea, stripper, sum_of, xor_of
from holdfast.adapters.serial.settings import ChecksumSettings


def test_the_catalogued_check_values_come_out() -> None:
    """The "check" of 123456789: CRC-16/MODBUS in the CRC RevEng catalogue; sum and xor by hand."""
    assert crc16_of(b"123456789") == 0x4B37
    assert sum_of(b"123456789") == 0xDD
    assert xor_of(b"123456789") == 0x31


def test_modbus_own_example_is_right() -> None:
    """Modbus over Serial Line V1.02, appendix B: the CRC of 02 07 is 41 12, low byte first."""
    strip = stripper(ChecksumSettings(rule="crc16-modbus"), b"")
    assert strip(bytes.fromhex("02074112")) == b"\x02\x07"
    assert strip(bytes.fromhex("02071241")) is None


@pytest.mark.parametrize(
    "sentence",
    [
        b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47",
        b"$GPGLL,4916.45,N,12311.12,W,225444,A*31",
        b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C",
    ],
)
def test_nmea_sentences_of_the_manuals_are_right(sentence: bytes) -> None:
    assert strip_nmea(sentence) == sentence[:-3]
    assert strip_nmea(sentence[:-3] + sentence[-3:].lower()) == sentence[:-3]
    assert strip_nmea(sentence.replace(b"1", b"2", 1)) is None


@pytest.mark.parametrize(
    "sentence", [b"", b"*47", b"$A", b"$A*", b"$A*4", b"$A*4\xb2", b"$A*+1", b"GPGLL*31", b"$A 41"]
)
def test_what_is_no_sentence_is_refused(sentence: bytes) -> None:
    assert strip_nmea(sentence) is None


def test_hex_digits_stand_for_bytes_in_text() -> None:
    strip = stripper(ChecksumSettings(rule="sum8", written="hex"), b"")
    assert strip(b"12345678" + b"9" + b"DD") == b"123456789"
    assert strip(b"123456789" + b"dd") == b"123456789"
    assert strip(b"123456789" + b" d") is None
    assert stripper(ChecksumSettings(rule="crc16-modbus", written="hex"), b"")(b"1234567894B37") == b"123456789"


def test_behind_the_end_a_checksum_covers_it() -> None:
    strip = stripper(ChecksumSettings(rule="xor", place="behind_end"), b"\x03")
    assert strip(b"ab" + bytes((ord("a") ^ ord("b") ^ 3,))) == b"ab"
    assert strip(b"ab" + bytes((ord("a") ^ ord("b"),))) is None


MADE = {
    "xor": lambda body: bytes((xor_of(body),)),
    "sum8": lambda body: bytes((sum_of(body),)),
    "crc16-modbus": lambda body: crc16_of(body).to_bytes(2, "little"),
}


@pytest.mark.parametrize("rule", ["xor", "sum8", "crc16-modbus"])
@given(body=st.binary(max_size=40), bit=st.integers(0, 7), data=st.data())
def test_a_turned_bit_is_always_found(rule: Any, body: bytes, bit: int, data: st.DataObject) -> None:
    strip = stripper(ChecksumSettings(rule=rule), b"")
    frame = bytearray(body + MADE[rule](body))
    assert strip(bytes(frame)) == body
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << bit
    assert strip(bytes(frame)) is None
