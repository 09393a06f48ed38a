"""The nodes around this one, as history asks them and as they ask it: composes uplink, ingest and history."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from holdfast.history.answering import Answering
from holdfast.history.elsewhere import Reply, Span, Wanted
from holdfast.ingest.happenings import IngestChildAnswered, IngestChildAsked
from holdfast.ingest.questions import Questions, Unanswered
from holdfast.ingest.receive import held_elsewhere
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.journal import Journal
from holdfast.journal.records import Branch
from holdfast.journal.snapshot import Snapshot, snapshot
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.node.happenings import ParentAsked
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.budget import Budget
from holdfast.uplink.settings import QuestionSettings
from holdfast.web.errors import Refused
from holdfast.wire.asking import LANES, Ask, Poll, decode_answer
from holdfast.wire.errors import LinkError, WireError

MOST_SITES = 64
"""Children asked for one question."""
PASSED_ON = 0.8
"""The share of its time that a node gives those it passes a question on to."""
COME_AGAIN_S = 30.0
LEAST_S = 0.2


@dataclass(frozen=True, slots=True)
class Upward:
    """The way to the parent. branch: what it calls this node's history, None = no session, then `trouble` says why."""

    ask: Callable[[Ask], Awaitable[bytes]]
    branch: Callable[[], int | None]
    trouble: Callable[[], str]
    budget: Budget
    settings: QuestionSettings


class Around:
    """Implements `history.elsewhere.Elsewhere`. Made on the loop; its methods are called from worker threads."""

    def __init__(self, journal: Journal, clock: Clock, telemetry: Telemetry) -> None:
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self._loop = asyncio.get_running_loop()
        self._children: tuple[Questions, float] | None = None
        self._up: Upward | None = None

    def with_children(self, questions: Questions, within_s: float) -> None:
        """Children may be asked."""
        self._children = questions, within_s

    def with_parent(self, up: Upward) -> None:
        """The parent may be asked."""
        self._up = up

    def sites(self, moment: Snapshot, wanted: Wanted) -> list[Reply]:
        """See `Elsewhere`."""
        if self._children is None:
            return []
        questions, usual_s = self._children
        within_s = usual_s if wanted.within_s is None else min(usual_s, wanted.within_s)
        if within_s <= 0:
            return []
        replies: list[Reply] = []
        asks: list[tuple[str, Ask]] = []
        for child in moment.peers():
            if not self._matters(moment, child, wanted):
                continue
            found = self._question(moment, questions, child, wanted, within_s)
            if len(asks) >= MOST_SITES:
                replies.append(Reply(child, note=f"not asked: more than {MOST_SITES} sites match, narrow the pattern"))
            elif isinstance(found, Ask):
                asks.append((child, found))
            else:
                replies.append(found)
        if asks:
            call = self._ask_all(questions, asks, within_s)
            said = asyncio.run_coroutine_threadsafe(call, self._loop).result()
            replies += [self._reply(child, *one) for (child, _), one in zip(asks, said, strict=True)]
        return replies

    @property
    def has_parent(self) -> bool:
        """See `Elsewhere`."""
        return self._up is not None

    def parent(self, wanted: Wanted, span: Span) -> Reply:
        """See `Elsewhere`."""
        if self._up is None:
            return Reply("parent", note="there is none")
        settings, budget, now_ns = self._up.settings, self._up.budget, self._clock.wall_ns()
        branch = self._up.branch()
        if branch is None:
            return self._told(Reply("parent", note=f"not reached: {self._up.trouble() or 'no session'}"))
        if budget.left_for_questions(settings.per_day, now_ns) <= 0:
            return self._told(Reply("parent", note="not asked: what the link may cost today is spent"))
        within_s = settings.within if wanted.within_s is None else min(settings.within, wanted.within_s)
        ask = _ask(wanted, within_s, span=span, branch=branch)
        try:
            body = asyncio.run_coroutine_threadsafe(_within(self._up, ask, within_s), self._loop).result()
            answer = decode_answer(body)
        except (LinkError, WireError, TimeoutError) as error:
            note = f"no answer within {within_s:g} s" if isinstance(error, TimeoutError) else f"not reached: {error}"
            return self._told(Reply("parent", note=note))
        self._loop.call_soon_threadsafe(budget.answered, len(body), now_ns)
        return self._told(Reply("parent", answer))

    def _told(self, reply: Reply) -> Reply:
        outcome = "unanswered" if reply.answer is None else reply.answer.header.status
        event = ParentAsked(outcome="answered" if outcome == "ok" else "unanswered", note=reply.note)
        self._loop.call_soon_threadsafe(self._telemetry.emit, event)
        return reply

    def _matters(self, moment: Snapshot, child: str, wanted: Wanted) -> bool:
        """May the child have rows of what's asked for? A pattern may mean series that aren't known here yet."""
        known = [pattern for pattern in wanted.patterns if "*" not in pattern and pattern.count("/") > 1]
        if len(known) < len(wanted.patterns) or len(wanted.question.ids) < len(known):
            return True
        return not moment.series_of(child).isdisjoint(wanted.question.ids.tolist())

    def _question(
        self, moment: Snapshot, questions: Questions, child: str, wanted: Wanted, within_s: float
    ) -> Ask | Reply:
        standing = questions.standing(child)
        if standing is None:
            return Reply(child, note="not reached: it hasn't asked for questions since this node started")
        if not standing.is_reachable:
            return Reply(child, note=f"not reached: last heard {standing.silent_s:.0f} s ago")
        branches = moment.branches(child)
        branch = next((one for one in branches if one.number == standing.branch), None)
        if branch is None:
            return Reply(child, note="not asked: it has another history now")
        after = tuple(_held(moment, branches, branch, lane) for lane in LANES)
        return _ask(wanted, within_s, after=after, branch=branch.number)

    async def _ask_all(
        self, questions: Questions, asks: Sequence[tuple[str, Ask]], within_s: float
    ) -> list[tuple[bytes | str, float]]:
        return list(await asyncio.gather(*(self._ask_one(questions, child, ask, within_s) for child, ask in asks)))

    async def _ask_one(self, questions: Questions, child: str, ask: Ask, within_s: float) -> tuple[bytes | str, float]:
        """The answer, or why there is none, and the seconds it took."""
        began = self._clock.monotonic()
        try:
            found: bytes | str = await questions.ask(child, ask, within_s)
        except Unanswered as error:
            found = str(error)
        return found, self._clock.monotonic() - began

    def _reply(self, child: str, found: bytes | str, seconds: float) -> Reply:
        """Opened on the asking thread: one that the loop would have to find might wait for this one."""
        outcome: Literal["answered", "stale", "refused", "malformed", "unanswered"] = "unanswered"
        reply = Reply(child, note=found) if isinstance(found, str) else self._opened(child, found)
        if reply.answer is not None:
            status = reply.answer.header.status
            outcome = "answered" if status == "ok" else status
        elif not isinstance(found, str):
            outcome = "malformed"
        event = IngestChildAsked(child=child, outcome=outcome, seconds=round(seconds, 3))
        self._loop.call_soon_threadsafe(self._telemetry.emit, event)
        return reply

    def _opened(self, child: str, body: bytes) -> Reply:
        try:
            answer = decode_answer(body)
        except WireError as error:
            return Reply(child, note=f"answered what can't be read: {error}")
        if any(one.node == self._journal.node for one in answer.series):
            return Reply(child, note=f"answered about series of {self._journal.node}, which asked")
        return Reply(child, answer)


class AskingDoor:
    """Implements `web.deps.Asking`."""

    def __init__(self, journal: Journal, questions: Questions, answering: Answering, telemetry: Telemetry) -> None:
        self._journal, self._questions, self._answering = journal, questions, answering
        self._telemetry = telemetry

    async def poll(self, child: str, poll: Poll) -> Ask | None:
        """See `Asking`."""
        if not self._questions.has_room(child):
            raise Refused(503, "no more children can be asked", "come again later", retry_after_s=COME_AGAIN_S)
        branches = await asyncio.to_thread(self._journal.branches, child)
        if not any(one.number == poll.branch and one.session == poll.session for one in branches):
            raise Refused(409, "this session isn't open here", "say hello first", retry_after_s=1.0)
        return await self._questions.poll(child, poll)

    def answered(self, child: str, number: str, body: bytes) -> bool:
        """See `Asking`."""
        return self._questions.answered(child, number, body)

    async def ask(self, child: str, ask: Ask) -> bytes:
        """See `Asking`."""
        body = await asyncio.to_thread(self._answer, child, ask)
        self._telemetry.emit(IngestChildAnswered(child=child, bytes=len(body)))
        return body

    def _answer(self, child: str, ask: Ask) -> bytes:
        with snapshot(self._journal) as moment:
            subtree = moment.series_of(child)
        return self._answering.above(ask, child, subtree)


def questions_of(settings: ChildrenSettings, clock: Clock, connections: int, telemetry: Telemetry) -> Questions | None:
    """Where children are asked; None when they never are. connections: that the API takes."""
    if settings.ask_within <= 0:
        return None
    questions = Questions(clock, connections // 2)  # the other half is for their batches, and for people
    telemetry.gauge("ingest_children_reachable", "Children that can be asked now.", lambda: questions.polls)
    return questions


async def _within(up: Upward, ask: Ask, within_s: float) -> bytes:
    async with asyncio.timeout(within_s):
        return await up.ask(ask)


def _ask(
    wanted: Wanted,
    within_s: float,
    *,
    branch: int,
    span: Span | None = None,
    after: tuple[int, ...] | None = None,
) -> Ask:
    question = wanted.question
    low, high = (question.from_ns, question.to_ns) if span is None else span
    return Ask(
        uuid.uuid4().hex,
        wanted.patterns,
        low,
        high,
        question.step_ns,
        question.wants_rows,
        wanted.limit if question.step_ns is None else 1_000_000,
        after,
        branch,
        max(0, wanted.depth),
        max(LEAST_S, PASSED_ON * within_s),
    )


def _held(moment: Snapshot, branches: Sequence[Branch], branch: Branch, lane: Lane) -> int:
    """Up to which seq a child's history is in this journal, or known to be in that of this node's own parent."""
    held = [one.seq for one in held_elsewhere(branches, branch, lane)]
    return max(branch.marks[lane].wm, moment.held_elsewhere(branch.peer, branch.number, lane), *held)
