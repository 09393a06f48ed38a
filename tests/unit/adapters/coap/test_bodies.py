"""RFC 7959 §2.5, and the bounds that a gateway needs beside it."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.coap.bodies import Block, Bodies


def made(largest: int = 1_000, most: int = 3, of_peer: int = 2, most_bytes: int = 2_000) -> Bodies:
    return Bodies(largest, most, of_peer, most_bytes, patience_s=10.0)


def block(number: int, payload: bytes, *, more: bool = True, size: int = 16, total: int | None = None) -> Block:
    return Block(number, more, size, payload, total)


def test_blocks_in_order_are_a_body() -> None:
    bodies = made()
    assert bodies.feed("a", "k", block(0, b"x" * 16), 0.0).verdict == "more"
    assert bodies.feed("a", "k", block(1, b"y" * 16), 1.0).verdict == "more"
    assert bodies.feed("a", "k", block(2, b"z", more=False), 2.0) == ("whole", b"x" * 16 + b"y" * 16 + b"z", "")
    assert (len(bodies), bodies.bytes) == (0, 0)


def test_a_body_of_one_block_is_whole_at_once() -> None:
    assert made().feed("a", "k", block(0, b"x", more=False), 0.0).body == b"x"


def test_a_gap_ends_the_body_and_says_where_it_was() -> None:
    bodies = made()
    bodies.feed("a", "k", block(0, b"x" * 16), 0.0)
    step = bodies.feed("a", "k", block(2, b"z" * 16), 0.0)
    assert (step.verdict, len(bodies)) == ("gap", 0)
    assert "byte 16 should be next, not 32" in step.why
    assert bodies.feed("a", "k", block(1, b"y" * 16), 0.0).verdict == "gap"


def test_the_last_block_once_more_is_acknowledged_and_not_added_again() -> None:
    bodies = made()
    bodies.feed("a", "k", block(0, b"x" * 16), 0.0)
    bodies.feed("a", "k", block(1, b"y" * 16), 0.0)
    assert bodies.feed("a", "k", block(1, b"y" * 16), 0.0).verdict == "more"
    assert bodies.feed("a", "k", block(2, b"z", more=False), 0.0).body == b"x" * 16 + b"y" * 16 + b"z"


def test_block_0_starts_the_body_again() -> None:
    bodies = made()
    bodies.feed("a", "k", block(0, b"x" * 16), 0.0)
    bodies.feed("a", "k", block(0, b"y" * 16), 0.0)
    assert bodies.feed("a", "k", block(1, b"z", more=False), 0.0).body == b"y" * 16 + b"z"


def test_a_device_may_go_on_in_smaller_blocks() -> None:
    bodies = made()
    bodies.feed("a", "k", block(0, b"x" * 64, size=64), 0.0)
    assert bodies.feed("a", "k", block(4, b"y" * 16, size=16), 0.0).verdict == "more"
    assert bodies.feed("a", "k", block(5, b"z", more=False), 0.0).body == b"x" * 64 + b"y" * 16 + b"z"


def test_blocks_that_contradict_their_option_are_bad() -> None:
    for wrong in (
        block(0, b"x" * 15),
        block(0, b"x" * 17, more=False),
        block(0, b"x" * 2048, size=2048),
        block(0, b"x" * 8, size=8),
    ):
        assert made().feed("a", "k", wrong, 0.0).verdict == "bad"


def test_a_body_that_is_or_would_be_too_large_is_refused_at_once() -> None:
    bodies = made(largest=40)
    assert bodies.feed("a", "k", block(0, b"x" * 16, total=41), 0.0).verdict == "too_large"
    bodies.feed("a", "k", block(0, b"x" * 16), 0.0)
    bodies.feed("a", "k", block(1, b"x" * 16), 0.0)
    assert bodies.feed("a", "k", block(2, b"x" * 16), 0.0).verdict == "too_large"
    assert bodies.bytes == 0


def test_a_peer_has_so_many_half_sent_bodies_and_others_theirs() -> None:
    bodies = made()
    assert [bodies.feed("a", k, block(0, b"x" * 16), 0.0).verdict for k in "123"] == ["more", "more", "busy"]
    assert bodies.feed("b", "1", block(0, b"x" * 16), 0.0).verdict == "more"
    assert bodies.feed("c", "1", block(0, b"x" * 16), 0.0).verdict == "busy"
    bodies.feed("a", "1", block(1, b"x", more=False), 0.0)
    assert bodies.feed("a", "3", block(0, b"x" * 16), 0.0).verdict == "more"


def test_all_half_sent_bytes_together_are_bounded() -> None:
    bodies = made(most_bytes=40)
    assert bodies.feed("a", "k", block(0, b"x" * 16), 0.0).verdict == "more"
    assert bodies.feed("b", "k", block(0, b"x" * 16), 0.0).verdict == "more"
    assert bodies.feed("b", "k", block(1, b"x" * 16), 0.0).verdict == "busy"
    assert bodies.bytes == 16


def test_a_body_whose_next_block_does_not_come_is_forgotten() -> None:
    bodies = made()
    bodies.feed("a", "old", block(0, b"x" * 16), 0.0)
    bodies.feed("a", "new", block(0, b"x" * 16), 6.0)
    bodies.prune(11.0)
    assert (len(bodies), bodies.given_up) == (1, 1)
    assert bodies.feed("a", "new", block(1, b"z", more=False), 12.0).verdict == "whole"


Fed = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from("kl"),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from([8, 16, 32, 2048]),
    st.integers(0, 33),
    st.none() | st.integers(0, 2_000),
    st.floats(0, 20),
)


@given(st.lists(Fed, max_size=60))
def test_whatever_comes_the_bounds_hold(fed: list[tuple[str, str, int, bool, int, int, int | None, float]]) -> None:
    bodies, now = made(largest=100, most_bytes=150), 0.0
    for peer, key, number, more, size, length, total, pause in fed:
        now += pause
        step = bodies.feed(peer, key, Block(number, more, size, b"x" * length, total), now)
        assert len(step.body) <= 100
        assert bodies.bytes <= 150
        assert len(bodies) <= 3
    bodies.prune(now + 11.0)
    assert (len(bodies), bodies.bytes) == (0, 0)


@given(st.binary(min_size=1, max_size=900), st.sampled_from([16, 32, 64, 128, 1024]))
def test_what_is_cut_into_blocks_comes_out_whole(body: bytes, size: int) -> None:
    bodies = made()
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for number, piece in enumerate(pieces):
        step = bodies.feed("a", "k", Block(number, number < len(pieces) - 1, size, piece, len(body)), 0.0)
    assert step == ("whole", body, "")
