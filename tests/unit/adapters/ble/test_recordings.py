"""Recordings: btsnoop as BlueZ has it, lines of hex, whatever pieces they come in."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.ble.advertisements import Heard
from holdfast.adapters.ble.btsnoop import Btsnoop
from holdfast.adapters.ble.errors import RecordInvalid
from holdfast.adapters.ble.recorded import Recording

SNOOP = bytes.fromhex(
    "6274736e6f6f700000000001000007d10000001c0000001c000000030000000000e33e8d9984d8903e1a02010001a5808fe648540e0201060a16d2fc4002c40903bf13c40000000600000006000000030000000000e33e8d99941ad00e04010520000000003b0000003b000000030000000000e33e8d99a35d103e390d011300014f884c33b8cb0100ff7fba0000000000000000001f0201061bff9904057ffffffefffe7fff7fff7fffffdefefffecbb8334c884f"
)
"""An advertising report, a command's end, an extended report. `btmon -r` (BlueZ 5.66) shows it as SHOWN."""
SHOWN = [
    Heard("54:48:E6:8F:80:A5", -60, 1_795_341_600_250_000_000, bytes.fromhex("0201060A16D2FC4002C40903BF13")),
    Heard(
        "CB:B8:33:4C:88:4F",
        -70,
        1_795_341_602_250_000_000,
        bytes.fromhex("0201061BFF9904057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F"),
    ),
]
LINES = b"""# time mac rssi advertisement
1795341600.25 54:48:E6:8F:80:A5 -60 0201060A16D2FC4002C40903BF13   # the bathroom
2026-11-22T10:00:02.250Z cbb8334c884f -70 0201061BFF9904057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F
"""


def all_of(*pieces: bytes) -> list[Heard]:
    recording = Recording()
    return [*(one for piece in pieces for one in recording.feed(piece)), *recording.end()]


def test_a_btsnoop_file_holds_what_btmon_shows_of_it() -> None:
    assert all_of(SNOOP) == SHOWN


def test_lines_of_hex_hold_the_same() -> None:
    assert all_of(LINES) == SHOWN
    assert all_of(LINES.rstrip()) == SHOWN


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 500), max_size=8))
def test_a_recording_may_come_in_any_pieces(cuts: list[int]) -> None:
    for whole in (SNOOP, LINES):
        edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
        assert all_of(*(whole[a:b] for a, b in pairwise(edges))) == SHOWN


@pytest.mark.parametrize(("datalink", "before"), [(1001, b""), (1002, b"\x04")])
def test_the_other_datalinks_hold_events_too(datalink: int, before: bytes) -> None:
    out, at = SNOOP[:12] + datalink.to_bytes(4, "big"), 16
    while at < len(SNOOP):
        size = int.from_bytes(SNOOP[at : at + 4], "big")
        head, data = SNOOP[at + 12 : at + 24], SNOOP[at + 24 : at + 24 + size]
        length = (len(before) + size).to_bytes(4, "big")
        out += length * 2 + (3).to_bytes(4, "big") + head + before + data
        at += 24 + size
    assert all_of(out) == SHOWN


def test_events_that_no_radio_received_are_none() -> None:
    command = SNOOP[:16] + SNOOP[16:24] + (2).to_bytes(4, "big") + SNOOP[28:]
    assert all_of(command) == SHOWN[1:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"btsnoop\0" + bytes(8), "no btsnoop of version 1"),
        (b"btsnoop\0\0\0\0\1\0\0\0\1", "datalink 1"),
        (SNOOP[:16] + b"\xff" * 24, "a record of 4294967295 bytes"),
        (b"once upon a time there was\n", "line 1 is no advertisement"),
        (b"# one\n5 54:48:E6:8F:80 -60 00\n", "line 2 is no advertisement"),
        (b"nan 54:48:E6:8F:80:A5 -60 00\n", "line 1 is no advertisement"),
        (b"1 54:48:E6:8F:80:A5 -600 00\n", "line 1 is no advertisement"),
        (b"x" * 5_000, "line 1 has over 4096 bytes"),
    ],
)
def test_what_is_no_recording_is_told(data: bytes, said: str) -> None:
    with pytest.raises(RecordInvalid, match=said):
        all_of(data)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(SNOOP) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(SNOOP)))
def test_a_damaged_btsnoop_is_read_or_refused(at: int, byte: int, cut: int) -> None:
    damaged = (SNOOP[:at] + bytes((byte,)) + SNOOP[at + 1 :])[:cut]
    reader = Btsnoop()
    try:
        for _, event in reader.feed(damaged):
            assert len(event) <= len(SNOOP)
    except RecordInvalid:
        return
    assert len(reader._buffer) <= len(SNOOP)
