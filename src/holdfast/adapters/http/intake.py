"""Posts on their way to the journal: offered whole, answered after the commit.

    body ──messages──▶ arrivals (one a topic) ──offer──▶ inbox ──commit──▶ receipts ──▶ 200

Nothing is offered before the whole body is here and every message of it can be taken, so a body that breaks off stores
nothing. What isn't on disk is never answered with success (G1); a post that was answered with anything else, or not at
all, is to be sent again: profiles' message ids recognise what is here already.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from holdfast.adapters.http.envelope import Message
from holdfast.adapters.http.errors import (
    BodyInvalid,
    BodyTooLarge,
    HttpIntakeError,
    IntakeBusy,
    Reason,
    TopicUnusable,
)
from holdfast.adapters.http.happenings import HttpPostRefused
from holdfast.adapters.port import Arrival, Inbox, Unwanted
from holdfast.adapters.supervised import AdapterStatus, State
from holdfast.kernel.clock import Clock
from holdfast.telemetry.happenings import Telemetry

NAME = "http"
SETTLE_S = 30.0
"""How long a post waits for its commit."""
MOST_TOLD = 20
"""Refused messages that an answer tells of one by one."""
_UNWANTED: Mapping[str, type[HttpIntakeError]] = {
    "too_large": BodyTooLarge,
    "busy": IntakeBusy,
    "name": TopicUnusable,
}
_AGAIN = "send it again in a moment; what has a message id isn't stored twice"


class Quarantined(Struct, frozen=True):
    """A message that its profile refuses. message: its place in the post, from 0."""

    message: int
    reason: str
    detail: str


class Taken(Struct, frozen=True):
    """What became of a post; all of it is on disk.

    taken:       messages, all together
    repeated:    of them those that were here before, by their ids, and aren't stored again
    quarantined: of them those that their profile refuses: they're in the quarantine
    refusals:    the first of these, with why
    """

    taken: int
    repeated: int = 0
    quarantined: int = 0
    refusals: list[Quarantined] = []


class _Post:
    """One post under way."""

    def __init__(self, parts: int) -> None:
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.repeated = self.quarantined = 0
        self.refusals: list[Quarantined] = []
        self.unwanted: Unwanted | None = None
        """Why the first of those that weren't taken wasn't."""
        self._left, self._is_good = parts, True

    def over(self, *, good: bool) -> None:
        """One of its arrivals is settled or refused."""
        self._left -= 1
        self._is_good = self._is_good and good
        if not self._left and not self.done.done():
            self.done.set_result(self._is_good)


class _Part:
    """One arrival of a post: its receipt, and where what is said of its messages goes."""

    __slots__ = ("_owner", "_places", "_post")

    def __init__(self, owner: "HttpIntake", post: _Post, places: Sequence[int]) -> None:
        self._owner, self._post, self._places = owner, post, places

    def settle(self) -> None:
        """On disk."""
        self._owner.settled += len(self._places)
        self._post.over(good=True)

    def refuse(self) -> None:
        """It won't be."""
        self._owner.refused += len(self._places)
        self._post.over(good=False)

    def turn_away(self, unwanted: Mapping[int, Unwanted]) -> None:
        """These aren't taken, the others are."""
        self._owner.refused += len(unwanted)
        self._owner.settled += len(self._places) - len(unwanted)
        self._post.unwanted = self._post.unwanted or unwanted[min(unwanted)]
        self._post.over(good=True)

    def refused(self, place: int, reason: str, detail: str) -> None:
        """One goes to quarantine."""
        self._post.quarantined += 1
        if len(self._post.refusals) < MOST_TOLD:
            self._post.refusals.append(Quarantined(self._places[place], str(reason), detail))

    def repeated(self, count: int) -> None:
        """So many were here before."""
        self._post.repeated += count


class HttpIntake:
    """Takes posts' messages. Loop thread only."""

    def __init__(
        self,
        inbox: Inbox,
        claims: Callable[[str], bool],
        why_not: Callable[[], str],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Take the parts.

        claims:  does any profile take a topic?
        why_not: what stands against storing anything now; empty = nothing
        """
        self.received = self.settled = self.refused = self.posts = 0
        self._inbox, self._claims, self._why_not = inbox, claims, why_not
        self._clock, self._telemetry = clock, telemetry
        self._is_full = False
        self._changed_ns = clock.wall_ns()
        telemetry.counter("http_posts", "Posts whose messages were offered to the intake.", lambda: self.posts)
        telemetry.gauge(
            "http_unsettled_messages", "Posted messages that wait for their commit.", lambda: self.unsettled
        )

    @property
    def unsettled(self) -> int:
        """Messages that wait for their commit."""
        return self.received - self.settled - self.refused

    async def take(self, source: str, messages: Sequence[Message]) -> Taken:
        """Store the messages of one post; returns when all are on disk.

        source: who sent them, as `http:APP`

        Raises:
            TopicUnusable: a topic that no profile takes; nothing was offered.
            IntakeBusy: nothing was offered, or not all of it is on disk.
            BodyTooLarge, BodyInvalid: of one that isn't a reading, such as a picture.
        """
        self._may_take()
        by_topic: dict[str, tuple[list[bytes], list[int]]] = {}
        for place, (topic, payload) in enumerate(messages):
            run = by_topic.get(topic)
            if run is None:
                if not self._claims(topic):
                    hint = "name a profile for it under `profiles` in node.yaml; `holdfast profile test` tries one"
                    raise TopicUnusable(f"no profile of this node takes the topic {topic[:100]!r}", hint)
                run = by_topic[topic] = ([], [])
            run[0].append(payload)
            run[1].append(place)
        post, now_ns = _Post(len(by_topic)), self._clock.wall_ns()
        self.posts += 1
        self.received += len(messages)
        for topic, (payloads, places) in by_topic.items():
            part = _Part(self, post, places)
            room = self._inbox.offer(Arrival(source, topic, payloads, now_ns, part, verdicts=part))
            if not room and not self._is_full:
                self._is_full, self._changed_ns = True, now_ns
                self._inbox.when_drained(self._drained)
        await self._stored(post)
        return Taken(len(messages), post.repeated, post.quarantined, post.refusals)

    def turned_away(self, reason: Reason) -> None:
        """Count a post that came to nothing."""
        self._telemetry.emit(HttpPostRefused(reason=reason))

    def status(self) -> AdapterStatus:
        """How it is, for operators."""
        why = self._why_not() or ("the inbox is full: posts are answered 503" if self._is_full else "")
        detail = f"{self.posts} posts, {self.received} messages" + (f"; {why}" if why else "")
        state: State = "paused" if why else "working"
        where = "/api/v1/intake"
        return AdapterStatus(NAME, NAME, where, state, self._changed_ns, detail, self.received, self.unsettled)

    def _may_take(self) -> None:
        if why := self._why_not():
            raise IntakeBusy(why, _AGAIN)
        if self._is_full:
            raise IntakeBusy("more is waiting for the disk than may", _AGAIN)

    async def _stored(self, post: _Post) -> None:
        try:
            async with asyncio.timeout(SETTLE_S):
                is_good = await asyncio.shield(post.done)
        except TimeoutError as error:
            said = f"not on disk within {SETTLE_S:g} s; it may be stored yet"
            raise IntakeBusy(said, _AGAIN) from error
        if not is_good:
            raise IntakeBusy("the journal takes nothing", _AGAIN)
        if post.unwanted is not None:
            one = post.unwanted
            raise _UNWANTED.get(one.reason, BodyInvalid)(one.sentence, one.hint)

    def _drained(self) -> None:
        self._is_full, self._changed_ns = False, self._clock.wall_ns()
