"""Questions and answers: found by station and number, segments put together, nothing else taken."""

import asyncio
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.bacnet.errors import Refused
from holdfast.adapters.bacnet.exchanges import AllBusy, Exchanges
from holdfast.adapters.bacnet.frames import Heard, Kind, Station, segment_ack

HERE, THERE = Station("10.0.0.9"), Station("10.0.0.10")


def part(sequence: int, payload: bytes, *, more: bool, invoke: int = 0, window: int = 2) -> Heard:
    return Heard(HERE, Kind.COMPLEX_ACK, 14, invoke, payload, True, more, sequence, window)


class Asked:
    """One question under way; no loop runs, so nothing is waited for."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.all = Exchanges(lambda pdu: f"code {pdu.choice}")
        self.answer: asyncio.Future[bytes] = self.loop.create_future()
        self.invoke, _ = self.all.begin(HERE, 14, self.answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.cancel()
        self.loop.close()


def test_an_answer_is_taken_from_whom_it_was_asked_and_only_to_what_was_asked() -> None:
    with Asked() as asked:
        asked.all.heard(Heard(THERE, Kind.COMPLEX_ACK, 14, asked.invoke, b"no"))
        asked.all.heard(Heard(HERE, Kind.COMPLEX_ACK, 14, asked.invoke + 1, b"no"))
        asked.all.heard(Heard(HERE, Kind.COMPLEX_ACK, 12, asked.invoke, b"no"))
        assert not asked.answer.done()
        asked.all.heard(Heard(HERE, Kind.COMPLEX_ACK, 14, asked.invoke, b"yes"))
        assert asked.answer.result() == b"yes"
        assert asked.all.heard(Heard(HERE, Kind.COMPLEX_ACK, 14, asked.invoke, b"again")) is None


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.REJECT, Kind.ABORT])
def test_a_refusal_says_so(kind: Kind) -> None:
    with Asked() as asked:
        asked.all.heard(Heard(HERE, kind, 4, asked.invoke))
        with pytest.raises(Refused, match="code 4"):
            asked.answer.result()


def test_segments_are_put_together_and_each_window_is_acknowledged() -> None:
    with Asked() as asked:
        assert asked.all.heard(part(0, b"a", more=True)) == segment_ack(0, 0, 2)
        assert asked.all.heard(part(1, b"b", more=True)) is None
        assert asked.all.heard(part(3, b"d", more=True)) == segment_ack(0, 1, 2, negative=True)
        assert asked.all.heard(part(2, b"c", more=True)) is None
        assert asked.all.heard(part(3, b"d", more=True)) == segment_ack(0, 3, 2)
        assert asked.all.heard(part(4, b"e", more=False)) == segment_ack(0, 4, 2)
        assert asked.answer.result() == b"abcde"


def test_an_answer_without_end_is_given_up() -> None:
    with Asked() as asked:
        owed = [asked.all.heard(part(i, b"x" * 1000, more=True)) for i in range(65)]
        assert owed[-1] is not None
        assert owed[-1][0] >> 4 == Kind.ABORT
        with pytest.raises(Refused, match="buffer-overflow"):
            asked.answer.result()


def test_256_questions_to_one_station_are_all_there_can_be_and_ended_ones_make_room() -> None:
    with Asked() as asked:
        for _ in range(255):
            asked.all.begin(HERE, 12, asked.answer)
        with pytest.raises(AllBusy):
            asked.all.begin(HERE, 12, asked.answer)
        asked.all.begin(THERE, 12, asked.answer)
        asked.all.end(HERE, 17)
        assert asked.all.begin(HERE, 12, asked.answer)[0] == 17
        assert len(asked.all) == 257


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Kind)), st.booleans(), st.booleans(), st.integers(0, 3), st.integers(0, 255))
    )
)
def test_whatever_order_pdus_come_in_nothing_breaks(said: list[tuple[Kind, bool, bool, int, int]]) -> None:
    with Asked() as asked:
        for kind, is_segment, more, sequence, window in said:
            asked.all.heard(Heard(HERE, kind, 14, asked.invoke, b"?", is_segment, more, sequence, window))
        if asked.answer.done():
            asked.answer.exception()
