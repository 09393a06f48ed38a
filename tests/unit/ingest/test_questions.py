"""A child's poll and the questions that go through it, on a manual clock."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from holdfast.ingest.questions import GRACE_S, MOST_WAITING, Questions, Unanswered
from holdfast.kernel.clock import ManualClock
from holdfast.wire.asking import Ask, Poll

POLL = Poll(0, 1)


def ask(number: str = "1") -> Ask:
    return Ask(number, ("*",), 0, 1)


def with_questions(body: Callable[[Questions, ManualClock], Awaitable[None]], most_polls: int = 8) -> None:
    async def run() -> None:
        clock = ManualClock()
        await body(Questions(clock, most_polls), clock)

    asyncio.run(run())


def test_a_question_goes_through_the_open_poll_and_its_answer_comes_back() -> None:
    async def body(questions: Questions, _: ManualClock) -> None:
        poll = asyncio.create_task(questions.poll("gw", POLL))
        await asyncio.sleep(0)
        asked = asyncio.create_task(questions.ask("gw", ask(), 5))
        assert await poll == ask()
        assert not questions.answered("gw", "other", b"")
        assert not questions.answered("gw-2", "1", b"")
        assert questions.answered("gw", "1", b"body")
        assert await asked == b"body"
        assert not questions.answered("gw", "1", b"again")

    with_questions(body)


def test_a_poll_without_a_question_ends_in_its_time() -> None:
    async def body(questions: Questions, _: ManualClock) -> None:
        assert await questions.poll("gw", Poll(0, 1, 0.01)) is None

    with_questions(body)


def test_a_question_between_two_polls_waits_and_one_after_the_grace_does_not() -> None:
    async def body(questions: Questions, clock: ManualClock) -> None:
        await questions.poll("gw", Poll(0, 1, 0.01))
        asked = asyncio.create_task(questions.ask("gw", ask(), 5))
        await asyncio.sleep(0)
        assert await questions.poll("gw", POLL) == ask()
        questions.answered("gw", "1", b"body")
        assert await asked == b"body"
        clock.advance(GRACE_S + 1)
        with pytest.raises(Unanswered, match="not reached"):
            await questions.ask("gw", ask(), 5)

    with_questions(body)


def test_a_child_whose_connection_ended_is_not_waited_for() -> None:
    async def body(questions: Questions, _: ManualClock) -> None:
        poll = asyncio.create_task(questions.poll("gw", POLL))
        await asyncio.sleep(0)
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
        with pytest.raises(Unanswered, match="not reached"):
            await questions.ask("gw", ask(), 5)

    with_questions(body)


def test_a_later_poll_ends_an_earlier_one_and_takes_the_questions() -> None:
    async def body(questions: Questions, _: ManualClock) -> None:
        first = asyncio.create_task(questions.poll("gw", POLL))
        await asyncio.sleep(0)
        second = asyncio.create_task(questions.poll("gw", Poll(1, 2)))
        assert await first is None
        asked = asyncio.create_task(questions.ask("gw", ask(), 5))
        assert await second == ask()
        standing = questions.standing("gw")
        assert standing is not None
        assert (standing.branch, standing.session) == (1, 2)
        asked.cancel()

    with_questions(body)


def test_what_nobody_waits_for_any_more_is_not_asked() -> None:
    async def body(questions: Questions, _: ManualClock) -> None:
        await questions.poll("gw", Poll(0, 1, 0.01))
        with pytest.raises(Unanswered, match="no answer within"):
            await questions.ask("gw", ask(), 0.01)
        assert await questions.poll("gw", Poll(0, 1, 0.01)) is None

    with_questions(body)


def test_questions_and_polls_are_bounded() -> None:
    async def body(questions: Questions, _: ManualClock) -> None:
        await questions.poll("gw", Poll(0, 1, 0.01))
        asked = [asyncio.create_task(questions.ask("gw", ask(str(n)), 5)) for n in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Unanswered, match="questions wait"):
            await questions.ask("gw", ask("more"), 5)
        poll = asyncio.create_task(questions.poll("gw-2", POLL))
        await asyncio.sleep(0)
        assert (questions.polls, questions.has_room("gw-2"), questions.has_room("gw")) == (1, True, False)
        questions.close()
        assert await poll is None
        for one in asked:
            one.cancel()

    with_questions(body, most_polls=1)
