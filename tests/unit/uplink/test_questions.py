"""What a child does about being asked: bounded a minute, a day, and by the link."""

import asyncio
from random import Random
from typing import Any

import msgspec
import pytest

from holdfast.kernel.clock import ManualClock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Level as Loudness
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.budget import Budget
from holdfast.uplink.levels import Level
from holdfast.uplink.pacing import Pacing
from holdfast.uplink.questions import SMALL_BYTES, Inquiries
from holdfast.uplink.settings import BudgetSettings, ParentSettings, QuestionSettings
from holdfast.wire.asking import AnswerHeader, Ask, Poll, RemoteAnswer, decode_answer, encode_answer
from holdfast.wire.errors import LinkDown

NOW = 1_700_000_000 * 10**9


class Asker:
    """A parent with a list of questions; keeps the answers, and is done after the last."""

    def __init__(self, asks: list[Any]) -> None:
        self.asks, self.done = asks, asyncio.Event()
        self.answers: list[tuple[str, bytes]] = []
        self.polls: list[Poll] = []
        self._expected = sum(isinstance(one, Ask) for one in asks)

    async def questions(self, poll: Poll) -> bytes | None:
        self.polls.append(poll)
        if not self.asks:
            if not self._expected:
                self.done.set()
            await asyncio.Event().wait()
        one = self.asks.pop(0)
        if isinstance(one, Exception):
            raise one
        return msgspec.json.encode(one) if isinstance(one, Ask) else one

    async def answer(self, number: str, body: bytes) -> bool:
        self.answers.append((number, body))
        if len(self.answers) == self._expected:
            self.done.set()
        return True


def ask(number: int, branch: int = 2) -> Ask:
    return Ask(str(number), ("*",), 0, 1, after=(0, 0, 0), branch=branch)


def ok(one: Ask) -> bytes:
    return encode_answer(RemoteAnswer(AnswerHeader(one.id)))


def run(
    asks: list[Any],
    answer: Any = ok,
    settings: QuestionSettings | None = None,
    level: Level = Level.WIDE,
    **budget: Any,
) -> tuple[Asker, Pacing, list[str]]:
    log: list[str] = []

    async def body() -> tuple[Asker, Pacing]:
        clock, parent = ManualClock(NOW), Asker(asks)
        pacing = Pacing(ParentSettings("https://h", "c", "t", budget=BudgetSettings(**budget)))
        pacing.level = level
        inquiries = Inquiries(
            settings or QuestionSettings(),
            parent,
            answer,
            lambda: (2, 7),
            pacing,
            clock,
            Telemetry(clock, log.append, Loudness.DEBUG),
            Random(1),
        )
        task = asyncio.create_task(inquiries.run())
        async with asyncio.timeout(5):
            await parent.done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return parent, pacing

    return *asyncio.run(body()), log


def verdicts(parent: Asker) -> list[tuple[str, str]]:
    return [(h.status, h.detail) for h in (decode_answer(body).header for _, body in parent.answers)]


def test_a_question_is_answered_under_its_id_and_the_session_is_named() -> None:
    parent, pacing, log = run([ask(1), None, ask(2)])
    assert sorted(number for number, _ in parent.answers) == ["1", "2"]
    assert parent.polls[0] == Poll(2, 7)
    assert pacing.budget.report(NOW).day_bytes > 0
    assert sum("UplinkQuestionAnswered" in line for line in log) == 2


def test_more_than_so_many_a_minute_are_refused() -> None:
    parent, _, _ = run([ask(1), ask(2), ask(3)], settings=QuestionSettings(per_minute=2))
    assert sorted(verdicts(parent)) == [("ok", ""), ("ok", ""), ("refused", "more than 2 questions a minute")]


def test_a_question_about_another_history_is_refused() -> None:
    parent, _, _ = run([ask(1, branch=1)])
    assert verdicts(parent)[0][0] == "refused"


def large(one: Ask) -> bytes:
    return encode_answer(RemoteAnswer(AnswerHeader(one.id, detail=Random(1).randbytes(SMALL_BYTES).hex()[:60_000])))


def test_a_trickling_link_answers_small_questions_only() -> None:
    assert verdicts(run([ask(1)], large, level=Level.TRICKLE)[0])[0][1].startswith("the link is too narrow now")
    assert verdicts(run([ask(1)], ok, level=Level.TRICKLE)[0]) == [("ok", "")]


def test_an_answer_over_what_the_day_may_cost_is_refused_whatever_of_both_is_spent() -> None:
    tight = QuestionSettings(per_day=8_000)
    assert "over what the link may cost" in verdicts(run([ask(1)], large, tight)[0])[0][1]
    assert "over what the link may cost" in verdicts(run([ask(1)], large, per_day=8_000)[0])[0][1]


def test_hours_that_hold_bulk_back_hold_no_answer_back() -> None:
    closed = Budget(BudgetSettings(hours=(0, 1)))
    assert not closed.may_send(Lane.BULK, NOW)
    assert closed.left_for_questions(1_000, NOW) == 1_000
    closed.answered(400, NOW)
    assert closed.left_for_questions(1_000, NOW) == 600
    again = Budget(BudgetSettings())
    again.restore(closed.snapshot())
    assert again.left_for_questions(1_000, NOW) == 600
    assert closed.left_for_questions(1_000, NOW + 86_400 * 10**9) == 1_000


def test_rows_that_cant_be_read_are_an_answer_too() -> None:
    def broken(_: Ask) -> bytes:
        raise HoldfastError("disk I/O error")

    assert verdicts(run([ask(1)], broken)[0]) == [("refused", "the rows can't be read: disk I/O error")]


@pytest.mark.parametrize("bad", [LinkDown("cut"), b'{"id": 7}'])
def test_a_link_that_fails_is_told_once_and_tried_again(bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.uplink.questions.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("holdfast.uplink.questions.LONGEST_PAUSE_S", 0.002)
    parent, _, log = run([bad, bad, ask(1)])
    assert verdicts(parent) == [("ok", "")]
    assert sum("UplinkQuestionsFailed" in line for line in log) == 1
