"""Lets the parent ask: keeps one poll open, answers what comes through it, within what the link may cost for it.

A question is about rows that haven't gone up, or, as `call`, a look at this node's own pages; each has its own bound.

Answers have bounds of their own (`parent.questions`) and count in the link's budget, but know no hours: somebody waits
for them, and they are there for what the hours hold back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Literal, Protocol

import msgspec
from msgspec.structs import replace

from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.happenings import UplinkQuestionAnswered, UplinkQuestionsFailed
from holdfast.uplink.levels import Level
from holdfast.uplink.pacing import CALL_BYTES, Pacing
from holdfast.uplink.settings import QuestionSettings
from holdfast.wire.asking import AnswerHeader, Ask, Poll, RemoteAnswer, encode_answer
from holdfast.wire.errors import LinkError, LinkRefused
from holdfast.wire.looking import CallHeader, encode_reply

IDLE_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
AT_ONCE = 3
HELD_AT_ONCE = 8
"""Looks that wait for something to change; beyond them they're answered at once."""
SMALL_BYTES = 16_000
"""What an answer may have on a trickling link."""
_MINUTE_S = 60.0


class QuestionLink(Protocol):
    """The parent, as one who asks. Raises LinkDown and LinkRefused as `ports.ParentLink` does."""

    async def questions(self, poll: Poll) -> bytes | None:
        """Wait for a question; None when none came."""
        ...

    async def answer(self, number: str, body: bytes) -> bool:
        """Send an answer; False when nobody waits for it any more."""
        ...


class Inquiries:
    """`run` is its only task's body."""

    def __init__(
        self,
        settings: QuestionSettings,
        link: QuestionLink,
        answer: Callable[[Ask], bytes],
        session: Callable[[], tuple[int, int] | None],
        pacing: Pacing,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
        *,
        look: Callable[[Ask], Awaitable[bytes]] | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """answer: blocking, any thread; session: (branch, token) of the open session, None = there is none.

        look: answers an `Ask` with a `call`; None = this node's pages are nobody's business
        wake: told of an `Ask` with `wake`
        """
        self._wake = wake
        self._look = look if settings.looks else None
        self._settings, self._link, self._answer, self._session = settings, link, answer, session
        self._pacing, self._clock, self._telemetry, self._rng = pacing, clock, telemetry, rng
        self._asks = msgspec.json.Decoder(Ask)
        self._answered: deque[float] = deque()
        self._looked: deque[float] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: set[asyncio.Task[None]] = set()
        self._trouble = ""

    async def run(self) -> None:
        """Wait for questions, for ever."""
        pause = FIRST_PAUSE_S
        try:
            while True:
                session = self._session()
                if session is None or self._is_spent():
                    await asyncio.sleep(IDLE_S)
                    continue
                busy = self._tasks - self._held
                if len(busy) >= AT_ONCE:
                    await asyncio.wait(busy, timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
                    continue
                try:
                    await self._once(Poll(*session, calls=self._look is not None))
                    pause, self._trouble = FIRST_PAUSE_S, ""
                except LinkError as error:
                    asked = error.retry_after_s if isinstance(error, LinkRefused) else 0.0
                    self._failed(error)
                    await asyncio.sleep(max(asked, pause * self._rng.uniform(0.5, 1.0)))
                    pause = min(LONGEST_PAUSE_S, 2 * pause)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _once(self, poll: Poll) -> None:
        body = await self._link.questions(poll)
        self._spend(CALL_BYTES + len(body or b""))
        if body is None:
            return
        try:
            ask = self._asks.decode(body)
        except msgspec.MsgspecError as error:
            raise LinkRefused(f"the parent asked what can't be read: {error}", LONGEST_PAUSE_S) from error
        is_held = ask.call is not None and ask.call.hold_s > 0
        if ask.call is not None and is_held and len(self._held) >= HELD_AT_ONCE:
            is_held, ask = False, replace(ask, call=replace(ask.call, hold_s=0.0))
        task = asyncio.ensure_future(self._reply(ask, poll.branch))
        for tasks in (self._tasks, self._held) if is_held else (self._tasks,):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _reply(self, ask: Ask, branch: int) -> None:
        try:
            outcome, body = await self._made(ask, branch)
            self._spend(CALL_BYTES + len(body))
            is_wanted = await self._link.answer(ask.id, body)
            self._telemetry.emit(UplinkQuestionAnswered(outcome=outcome if is_wanted else "late", bytes=len(body)))
        except HoldfastError as error:
            self._failed(error)

    async def _made(self, ask: Ask, branch: int) -> tuple[Literal["answered", "refused"], bytes]:
        if ask.branch != branch:
            return "refused", _refusal(ask, "the question is about another history than this node's")
        if ask.call is not None and self._look is None:
            return "refused", _refusal(ask, "this node's pages aren't shown to its parent")
        most, lately = (self._settings.per_minute, self._answered)
        if ask.call is not None:
            most, lately = (self._settings.looks, self._looked)
        if not self._may_answer(most, lately):
            return "refused", _refusal(ask, f"more than {most} {'looks' if ask.call else 'questions'} a minute")
        try:
            body = await self._body(ask)
        except HoldfastError as error:
            return "refused", _refusal(ask, f"the rows can't be read: {error}")
        if self._pacing.level is Level.TRICKLE and len(body) > SMALL_BYTES:
            return "refused", _refusal(ask, f"the link is too narrow now for an answer of {len(body):,} bytes")
        left = self._pacing.budget.left_for_questions(self._settings.per_day, self._wall_ns())
        if len(body) > left:
            return "refused", _refusal(ask, f"an answer of {len(body):,} bytes is over what the link may cost today")
        return "answered", body

    async def _body(self, ask: Ask) -> bytes:
        if ask.wake:
            self._wake()
            return encode_answer(RemoteAnswer(AnswerHeader(ask.id)))
        if ask.call is not None and self._look is not None:
            return await self._look(ask)
        return await asyncio.to_thread(self._answer, ask)

    def _may_answer(self, most: int, lately: deque[float]) -> bool:
        now = self._clock.monotonic()
        while lately and now - lately[0] >= _MINUTE_S:
            lately.popleft()
        if len(lately) >= most:
            return False
        lately.append(now)
        return True

    def _is_spent(self) -> bool:
        return self._pacing.budget.left_for_questions(self._settings.per_day, self._wall_ns()) <= 0

    def _spend(self, size: int) -> None:
        self._pacing.budget.answered(size, self._wall_ns())

    def _wall_ns(self) -> int:
        return self._clock.wall_ns()

    def _failed(self, error: HoldfastError) -> None:
        if str(error) != self._trouble:
            self._trouble = str(error)
            self._telemetry.emit(UplinkQuestionsFailed(detail=str(error)))


def _refusal(ask: Ask, why: str) -> bytes:
    if ask.call is not None:
        said = {"error": why[:500], "hint": "`parent.questions` in the site's node.yaml bounds what may be asked"}
        return encode_reply(CallHeader(ask.id, 503), msgspec.json.encode(said))
    return encode_answer(RemoteAnswer(AnswerHeader(ask.id, "refused", why)))
