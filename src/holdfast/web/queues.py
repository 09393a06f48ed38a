"""Routes for applications: put, lease, ack, nack; and for people: what waits and what is dead.

An application shows its bearer token and may touch the queues named for it in node.yaml, no others. Nothing of a body
is read before that. Dead letters are for operators.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.journal.queued import Queued, StreamMark
from holdfast.journal.queues import Failure
from holdfast.kernel.clock import Clock
from holdfast.model.message import Message
from holdfast.queues.errors import LeaseOver, PutForked, QueueBusy, QueueCrowded
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.bodies import read_body
from holdfast.web.deps import Applications
from holdfast.web.door import OPERATOR, needs, needs_token
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.happenings import WebAppRefused
from holdfast.web.messages import (
    MOST_MESSAGES,
    AckReply,
    AckRequest,
    DeadReply,
    DeadRequest,
    LeaseReply,
    LeaseRequest,
    NackReply,
    NackRequest,
    PutReply,
    PutRequest,
    QueueRow,
    handed,
    letter,
    messages_of,
)
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer

T = TypeVar("T")
# A body in base64, and what JSON adds.
MAX_PUT = 4 << 20
MAX_SMALL = 256 << 10
STALL_S = 30.0
# Bodies in memory at once (G10); a long poll holds none.
PER_APP, TOGETHER = 8, 32
WAITERS = 64
MOST_LISTED = 200
RETRY_S = 1.0
Reason = Literal["token", "queue", "too_large", "busy", "malformed"]
_put = msgspec.json.Decoder(PutRequest)
_lease = msgspec.json.Decoder(LeaseRequest)
_ack = msgspec.json.Decoder(AckRequest)
_nack = msgspec.json.Decoder(NackRequest)
_dead = msgspec.json.Decoder(DeadRequest)


class Queues:
    """The queues' routes of one node."""

    def __init__(self, apps: Applications, clock: Clock, telemetry: Telemetry) -> None:
        self._apps, self._clock, self._telemetry = apps, clock, telemetry
        self._inside: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._gate = Gate(running=2, waiting=8)

    def routes(self) -> list[Route]:
        """The paths."""
        base = "/api/v1/queues"
        return [
            Route(base, self.depths),
            Route(f"{base}/{{queue}}/put", self.put, methods=["POST"]),
            Route(f"{base}/{{queue}}/lease", self.lease, methods=["POST"]),
            Route(f"{base}/{{queue}}/ack", self.ack, methods=["POST"]),
            Route(f"{base}/{{queue}}/nack", self.nack, methods=["POST"]),
            Route(f"{base}/{{queue}}/dead", self.dead),
            Route(f"{base}/{{queue}}/dead", self.bury, methods=["POST"]),
        ]

    async def depths(self, request: Request) -> Response:
        """What waits, what is dead, by queue."""
        only(request.query_params)
        async with self._gate.enter():
            found = await asyncio.to_thread(self._apps.queues.depths)
        return answer([QueueRow.of(one) for one in found])

    @needs_token
    async def put(self, request: Request) -> Response:
        """JSON `PutRequest` in, `PutReply` out, once the messages are on disk."""
        app, queue = self._allowed(request, self._apps.puts)
        with self._slot(app):
            wanted = self._decoded(_put, await read_body(request, MAX_PUT, STALL_S))
            messages = self._checked(queue, app, wanted)
            after = None if wanted.after is None else StreamMark(wanted.after.n, wanted.after.id)
            try:
                taken = await self._apps.queues.put(messages, after)
            except PutForked as fork:
                return answer(PutReply.forked(fork.mark, str(fork), fork.hint), 409)
            except (QueueCrowded, QueueBusy) as error:
                raise self._refusal("busy", 503, str(error), error.hint, RETRY_S) from error
        return answer(PutReply.taken(taken))

    @needs_token
    async def lease(self, request: Request) -> Response:
        """JSON `LeaseRequest` in, `LeaseReply` out: messages in hand, for the queue's `lease` from now."""
        app, queue = self._allowed(request, self._apps.consumes)
        wanted = self._decoded(_lease, await read_body(request, MAX_SMALL, STALL_S))
        if self._waiting[app] >= WAITERS:
            raise self._refusal("busy", 429, f"{WAITERS} leases of this application wait already", "use fewer", RETRY_S)
        self._waiting[app] += 1
        try:
            found = await self._apps.queues.lease(app, queue, wanted.most, wanted.wait_s)
        finally:
            self._waiting[app] -= 1
        return answer(LeaseReply(found.lease, [handed(one) for one in found.messages], found.lease_s))

    @needs_token
    async def ack(self, request: Request) -> Response:
        """JSON `AckRequest` in, `AckReply` out, once it's on disk."""
        app, queue = self._allowed(request, self._apps.consumes)
        wanted = self._decoded(_ack, await read_body(request, MAX_SMALL, STALL_S))
        try:
            return answer(AckReply(await self._apps.queues.ack(app, queue, wanted.lease, wanted.places)))
        except LeaseOver as error:
            raise Refused(409, str(error), error.hint) from error

    @needs_token
    async def nack(self, request: Request) -> Response:
        """JSON `NackRequest` in, `NackReply` out."""
        app, queue = self._allowed(request, self._apps.consumes)
        wanted = self._decoded(_nack, await read_body(request, MAX_SMALL, STALL_S))
        failure = Failure(wanted.place, wanted.reason, wanted.dead)
        try:
            dead = await self._apps.queues.nack(app, queue, wanted.lease, failure, counts=wanted.counts)
        except LeaseOver as error:
            raise Refused(409, str(error), error.hint) from error
        return answer(NackReply(dead))

    @needs(OPERATOR)
    async def dead(self, request: Request) -> Response:
        """`?after=PLACE&limit=50`: dead letters with their bodies, oldest first."""
        only(request.query_params, "after", "limit")
        after = whole(request.query_params, "after", 0, 10**11)
        limit = whole(request.query_params, "limit", 50, MOST_LISTED, 1)
        async with self._gate.enter():
            found = await asyncio.to_thread(self._apps.queues.dead_letters, self._named(request), after, limit)
        return answer([letter(one) for one in _bounded(found)])

    @needs(OPERATOR)
    async def bury(self, request: Request) -> Response:
        """JSON `DeadRequest` in, `DeadReply` out: replay or drop dead letters."""
        only(request.query_params)
        queue = self._named(request)
        wanted = self._decoded(_dead, await read_body(request, MAX_SMALL, STALL_S))
        act = self._apps.queues.revive if wanted.do == "replay" else self._apps.queues.drop
        async with self._gate.enter():
            return answer(DeadReply(await act(queue, wanted.places)))

    def _named(self, request: Request) -> str:
        queue = str(request.path_params["queue"])
        if queue not in self._apps.names:
            known = ", ".join(sorted(self._apps.names)) or "none"
            raise Refused(404, f"there is no queue {queue[:60]!r} here", f"queues in node.yaml: {known}")
        return queue

    def _allowed(self, request: Request, allowed: dict[str, frozenset[str]]) -> tuple[str, str]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        app = self._apps.who(token.strip()) if scheme.lower() == "bearer" else None
        if app is None:
            hint = "send `Authorization: Bearer <token>` with the token of an application in `apps`"
            raise self._refusal("token", 401, "the token is missing, unknown or over", hint)
        queue = str(request.path_params["queue"])
        if queue not in allowed.get(app, ()):
            hint = f"name it under `apps.{app}` in node.yaml"
            raise self._refusal("queue", 403, f"{app} may not do this with queue {queue[:60]!r}", hint)
        return app, queue

    @contextmanager
    def _slot(self, app: str) -> Iterator[None]:
        if self._inside[app] >= PER_APP or self._inside.total() >= TOGETHER:
            raise self._refusal("busy", 429, "too many puts at once", "send the next after an answer", RETRY_S)
        self._inside[app] += 1
        try:
            yield
        finally:
            self._inside[app] -= 1

    def _checked(self, queue: str, app: str, wanted: PutRequest) -> list[Message]:
        try:
            return messages_of(self._apps.node, queue, app, wanted, self._clock.wall_ns())
        except Refused as error:
            raise self._refusal("malformed", error.status, str(error), error.hint) from error

    def _decoded(self, decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            hint = f"see docs/reference/http-api.md; up to {MOST_MESSAGES} messages of 1 MB, 2 MB together"
            raise self._refusal("malformed", 400, f"the body can't be read: {error}", hint) from error

    def _refusal(
        self, reason: Reason, status: int, sentence: str, hint: str, retry_after_s: float | None = None
    ) -> Refused:
        self._telemetry.emit(WebAppRefused(reason=reason))
        return Refused(status, sentence, hint, retry_after_s)


def _bounded(found: list[Queued]) -> list[Queued]:
    """As many as 8 MB of bodies allow, at least one."""
    size, kept = 0, list[Queued]()
    for one in found:
        size += len(one.body)
        if kept and size > 8 << 20:
            break
        kept.append(one)
    return kept
