"""Frames from bytes: whole ones only, whatever pieces they come in, and never more memory than one frame."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.serial.framing import FixedFramer, Framer, GapFramer, MarkedFramer, framer_of
from holdfast.adapters.serial.settings import ChecksumSettings, FramingSettings, SerialSettings

STX_ETX = (b"\x03", b"\x02")


def fed(framer: Framer, *pieces: bytes) -> list[bytes]:
    return [frame for piece in pieces for frame in framer.feed(piece, 0.0)]


def test_lines_end_with_a_newline_and_lose_a_carriage_return() -> None:
    framer = MarkedFramer(b"\n")
    assert fed(framer, b"21.5\r\n22", b".0\n\n23\n2") == [b"21.5", b"22.0", b"23"]
    assert not framer.dropped


def test_an_end_of_several_bytes_may_come_in_pieces() -> None:
    assert fed(MarkedFramer(b"\r\n\r"), b"a\r", b"\n", b"\rb\r\n\r") == [b"a", b"b"]


def test_what_the_lines_end_cuts_is_dropped_and_counted() -> None:
    framer = MarkedFramer(b"\n")
    assert fed(framer, b"21.5\n22.") == [b"21.5"]
    framer.cut()
    assert framer.dropped == {"partial": 1}
    assert fed(framer, b"3.5\n") == [b"3.5"]


def test_a_frame_whose_beginning_nobody_saw_is_no_frame() -> None:
    framer = MarkedFramer(b"\n")
    framer.joined()
    assert fed(framer, b"3.5", b"\n24.5\n") == [b"24.5"]
    assert framer.dropped == {"partial": 1}


def test_a_frame_without_end_is_dropped_up_to_the_next_end() -> None:
    framer = MarkedFramer(b"\n", most=10)
    assert fed(framer, b"x" * 50, b"x" * 50, b"tail\nok\n") == [b"ok"]
    assert framer.dropped == {"too_long": 1}


def test_a_frame_that_is_too_long_and_whole_is_dropped_alone() -> None:
    framer = MarkedFramer(b"\n", most=4)
    assert fed(framer, b"1234\n12345\nab\n") == [b"1234", b"ab"]
    assert framer.dropped == {"too_long": 1}


def test_what_stands_between_start_and_end_is_a_frame_and_the_rest_is_noise() -> None:
    framer = MarkedFramer(*STX_ETX)
    assert fed(framer, b"??\x02one\x03!", b"\x02t", b"wo\x03") == [b"one", b"two"]
    assert framer.dropped == {"noise": 3}


def test_a_start_within_a_frame_begins_it_anew() -> None:
    framer = MarkedFramer(*STX_ETX)
    assert fed(framer, b"\x02cut\x02whole\x03") == [b"whole"]
    assert framer.dropped == {"partial": 1}


def test_a_start_without_end_gives_way_to_the_next_start() -> None:
    framer = MarkedFramer(*STX_ETX, most=10)
    assert fed(framer, b"\x02" + b"x" * 30, b"\x02ok\x03") == [b"ok"]
    assert framer.dropped["too_long"] == 1


def test_a_start_and_end_that_are_the_same_frame_what_is_between_them() -> None:
    assert fed(MarkedFramer(b"|", b"|"), b"|a||b|") == [b"a", b"b"]


def test_a_checksum_behind_the_end_belongs_to_the_frame() -> None:
    proof = ChecksumSettings(rule="xor", place="behind_end")
    framer = framer_of(
        SerialSettings(port="/dev/x", framing=FramingSettings(start="\\x02", end="\\x03"), checksum=proof)
    )
    assert fed(framer, b"\x02ab\x03", b"\x00\x02c\x03\x60") == [b"ab\x00", b"c\x60"]


def test_frames_of_a_fixed_length_follow_one_another() -> None:
    assert fed(FixedFramer(3), b"ab", b"cde", b"f") == [b"abc", b"def"]


def test_silence_within_a_fixed_length_drops_what_came() -> None:
    framer = FixedFramer(3, patience_s=0.5)
    assert framer.feed(b"ab", 0.0) == []
    assert framer.due == 0.5
    assert framer.quiet(0.4) == []
    assert framer.feed(b"xyz", 1.0) == [b"xyz"]
    assert framer.dropped == {"partial": 1}


def test_a_fixed_length_finds_its_start_again_after_noise() -> None:
    framer = FixedFramer(4, b"\xaa\x55")
    assert fed(framer, b"??\xaa", b"\x5512\xaa\x5534") == [b"\xaa\x5512", b"\xaa\x5534"]
    assert framer.dropped == {"noise": 2}


def test_a_fixed_length_joined_in_its_middle_waits_for_silence() -> None:
    framer = FixedFramer(3)
    framer.joined()
    assert framer.feed(b"cabcab", 0.0) == []
    assert framer.feed(b"abc", 1.0) == [b"abc"]
    assert framer.dropped == {"partial": 1}


def test_silence_ends_a_frame_where_nothing_else_does() -> None:
    framer = GapFramer(0.05)
    assert framer.feed(b"ab", 0.0) == []
    assert framer.feed(b"c", 0.04) == []
    assert framer.quiet(0.08) == []
    assert framer.quiet(0.091) == [b"abc"]
    assert framer.due is None
    assert framer.feed(b"d", 1.0) == []
    assert framer.feed(b"e", 2.0) == [b"d"]


def test_without_silence_nothing_becomes_a_frame_and_memory_stays() -> None:
    framer = GapFramer(0.05, most=10)
    for i in range(100):
        assert framer.feed(b"x" * 7, i * 0.01) == []
    assert framer.quiet(2.0) == []
    assert framer.dropped == {"too_long": 1}
    assert framer.feed(b"ok", 3.0) == []
    assert framer.quiet(4.0) == [b"ok"]


def all_framers(most: int = 40) -> list[Framer]:
    return [
        MarkedFramer(b"\n", most=most),
        MarkedFramer(b"\r\n", most=most, behind=2),
        MarkedFramer(*STX_ETX, most=most),
        MarkedFramer(b"\n\n", b"\n$", most=most),
        MarkedFramer(b"aa", b"aa", most=most, behind=1),
        FixedFramer(7),
        FixedFramer(7, b"\n\n"),
    ]


NOISY = st.text(alphabet=st.sampled_from("\n\r\x02\x03$aab01"), max_size=300).map(str.encode) | st.binary(max_size=300)


@settings(max_examples=200, deadline=None)
@given(data=NOISY, cuts=st.lists(st.integers(0, 300), max_size=12))
def test_frames_do_not_depend_on_the_pieces_they_come_in(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for whole, pieces in zip(all_framers(10_000), all_framers(10_000), strict=True):
        assert fed(whole, data) == fed(pieces, *(data[a:b] for a, b in pairwise(edges)))
        whole.cut()
        pieces.cut()
        assert whole.dropped == pieces.dropped


@settings(max_examples=200, deadline=None)
@given(frames=st.lists(st.binary(min_size=1, max_size=30), max_size=20), noise=st.binary(max_size=60))
def test_good_frames_come_through_whole_whatever_came_before(frames: list[bytes], noise: bytes) -> None:
    clean = [frame.translate(None, b"\n\r\x02\x03") or b"0" for frame in frames]
    lines = MarkedFramer(b"\n", most=40)
    got = fed(lines, noise + b"\n", *(frame + b"\n" for frame in clean))
    assert got[len(got) - len(clean) :] == clean
    marked = MarkedFramer(*STX_ETX, most=40)
    got = fed(marked, noise + b"\x03", *(b"\x02" + frame + b"\x03" for frame in clean))
    assert got[len(got) - len(clean) :] == clean


@pytest.mark.parametrize("seed", [b"x", b"\n$", b"a", b"\x02"])
def test_endless_bytes_take_no_more_than_a_frame(seed: bytes) -> None:
    for framer in [*all_framers(), GapFramer(0.05, 40)]:
        for i in range(2_000):
            framer.feed(seed * 50, i * 0.001)
        assert len(framer._buffer) <= 200  # type: ignore[attr-defined]  # what is bounded
