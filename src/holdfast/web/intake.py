"""Routes for messages of devices: one, many, lines as for InfluxDB, and network servers' webhooks.

200 (204 as InfluxDB has it) is said after the commit, and means that every message is on disk: as readings, or in the
quarantine where its profile refuses it.
"""

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.adapters.http import envelope, influx, webhooks
from holdfast.adapters.http.envelope import Message, topic_fault
from holdfast.adapters.http.errors import BodyInvalid, HttpIntakeError, IntakeBusy, KindUnknown, TopicUnusable
from holdfast.adapters.http.intake import Taken
from holdfast.adapters.http.unpacking import unpacked
from holdfast.web.answers import Failure
from holdfast.web.bodies import read_body
from holdfast.web.deps import Intake
from holdfast.web.door import OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.guard import caller_of
from holdfast.web.parameters import only
from holdfast.web.responses import answer

MAX_BODY, MAX_UNPACKED = 4 << 20, 16 << 20
TOGETHER = 64 << 20
"""Bytes of bodies in memory at once (G10)."""
PER_SENDER = 128
"""Posts of one sender under way; `api.connections` are 256 unless set."""
STALL_S, WHOLE_S = 15.0, 60.0
RETRY_S = 1.0
_QUICK = 64 << 10
"""Larger bodies are unpacked and read on a thread: the loop has others to serve."""
_LINES = frozenset(("application/x-ndjson", "application/ndjson", "application/jsonl"))

_PICTURES = frozenset(("image/jpeg", "image/jpg", "image/png", "image/webp", "image/bmp"))


class Sender(NamedTuple):
    """Who sends. app: empty = it's no application, and may send on every topic."""

    source: str
    app: str = ""


class IntakeRoutes:
    """The intake's routes of one node."""

    def __init__(self, deps: Intake) -> None:
        self._deps, self._intake = deps, deps.intake
        self.held = 0
        self.inside: Counter[str] = Counter()
        self._reading = asyncio.Semaphore(2)  # each may make 16 MiB of a body

    def routes(self) -> list[Route]:
        """The paths; what is said of the topic's comes last, as it takes any path."""
        base = "/api/v1/intake"
        return [
            Route(base, self.many, methods=["POST"]),
            Route(f"{base}/lorawan/tts", self.the_things, methods=["POST"]),
            Route(f"{base}/lorawan/chirpstack", self.chirpstack, methods=["POST"]),
            Route(f"{base}/{{topic:path}}", self.one, methods=["POST"]),
            Route("/api/v2/write", self.influx_2, methods=["POST"]),
            Route("/write", self.influx_1, methods=["POST"]),
        ]

    @needs(OPERATOR, tokens=True, noted=False, any_kind=True)
    async def one(self, request: Request) -> Response:
        """One payload for a topic, as it is, or a picture; as NDJSON (`application/x-ndjson`) one a line."""
        topic, kind = str(request.path_params["topic"]), _kind(request)
        is_lines, most = kind in _LINES, min(self._deps.picture(topic), TOGETHER // 2)

        def messages(body: bytes) -> list[Message]:
            if fault := topic_fault(topic):
                raise TopicUnusable(fault, "as in `/api/v1/intake/site/room-1/telemetry`")
            _demand_picture(topic, kind, is_meant=most > 0)
            found = [Message(topic, one) for one in envelope.lines_of(body)] if is_lines else [Message(topic, body)]
            if not found or not (is_lines or body):
                raise BodyInvalid("the body is empty", "send the payload as the body")
            return found

        return await self._told(request, messages, most=most or MAX_BODY)

    @needs(OPERATOR, tokens=True, noted=False, any_kind=True)
    async def many(self, request: Request) -> Response:
        """Many messages: a JSON array of `{topic, payload}`, or one a line."""
        return await self._told(request, envelope.messages_of)

    @needs(OPERATOR, tokens=True, noted=False, any_kind=True)
    async def the_things(self, request: Request) -> Response:
        """A webhook of The Things Stack v3; `?tenant=`: as its MQTT topics have it behind the application's @."""
        tenant = request.query_params.get("tenant", "")
        return await self._told(request, lambda body: [webhooks.the_things(body, tenant)], "tenant")

    @needs(OPERATOR, tokens=True, noted=False, any_kind=True)
    async def chirpstack(self, request: Request) -> Response:
        """A post of ChirpStack's HTTP integration."""
        event = request.query_params.get("event", "")
        return await self._told(request, lambda body: [webhooks.chirpstack(body, event)], "event")

    @needs(OPERATOR, tokens=True, noted=False, any_kind=True)
    async def influx_2(self, request: Request) -> Response:
        """Lines, as InfluxDB v2 takes them: `?bucket=&precision=`; `org` is of no matter."""
        return await self._influx(request, "bucket", ("org", "orgID", "bucket", "precision"))

    @needs(OPERATOR, tokens=True, noted=False, any_kind=True)
    async def influx_1(self, request: Request) -> Response:
        """Lines, as InfluxDB v1 takes them: `?db=&precision=`; `rp` and `consistency` are of no matter."""
        return await self._influx(request, "db", ("db", "rp", "precision", "consistency"))

    async def _influx(self, request: Request, name: str, allowed: Sequence[str]) -> Response:
        bucket, precision = (request.query_params.get(one, "") for one in (name, "precision"))

        def messages(body: bytes) -> list[Message]:
            return influx.messages_of(influx.topic_of(bucket, precision), body)

        told = await self._told(request, messages, *allowed)
        return Response(status_code=204) if told.status_code == 200 else told

    async def _told(
        self, request: Request, read: Callable[[bytes], list[Message]], *allowed: str, most: int = MAX_BODY
    ) -> Response:
        only(request.query_params, *allowed)
        sender = self._sender(request)
        with _Held(self, sender.source) as held:
            try:
                body = await self._body(request, held, most)
            except IntakeBusy as error:
                return _closing(self._refusal(error))
            except Refused as error:
                self._intake.turned_away("too_large" if error.status == 413 else "stalled")
                if error.status == 413:  # the rest is read and thrown away: cut off, a client wouldn't see the answer
                    raise
                return _closing(error)
            try:
                return answer(await self._take(request, sender, body, read))
            except HttpIntakeError as error:
                raise self._refusal(error) from error

    async def _take(
        self, request: Request, sender: Sender, body: bytes, read: Callable[[bytes], list[Message]]
    ) -> Taken:
        encoding = request.headers.get("content-encoding", "")
        if _kind(request) == "multipart/form-data":
            raise KindUnknown("forms with files aren't taken", "send the payload itself as the body")

        def messages() -> list[Message]:
            return read(unpacked(body, encoding, MAX_UNPACKED))

        if not encoding and len(body) <= _QUICK:
            found = messages()
        else:
            async with self._reading:
                found = await asyncio.to_thread(messages)
        if sender.app:
            for topic in dict.fromkeys(one.topic for one in found):
                if not self._deps.may(sender.app, topic):
                    hint = f"name a filter for it under `apps.{sender.app}.intake` in node.yaml"
                    raise self._denied(403, f"{sender.app} may not send on {topic[:100]!r}", hint)
        return await self._intake.take(sender.source, found)

    def _sender(self, request: Request) -> Sender:
        caller = caller_of(request)
        if caller is not None:
            return Sender(f"http:person:{caller.name}" if caller.name else "http:local")
        app = self._deps.who(_token(request.headers.get("authorization", "")))
        if app is None:
            hint = "send `Authorization: Bearer <token>` with the token of an application that has `intake` in `apps`"
            raise self._denied(401, "the token is unknown or over", hint)
        return Sender(f"http:{app}", app)

    async def _body(self, request: Request, held: "_Held", most: int) -> bytes:
        """Read it, with a bound on its size, each pause, the whole, and all that are here at once."""
        held.begin()
        try:
            async with asyncio.timeout(WHOLE_S):
                return await read_body(request, most, STALL_S, "send less at once, or packed", came=held.more)
        except TimeoutError as error:
            raise Refused(408, f"the body wasn't here within {WHOLE_S:g} s", "send it again") from error

    def _refusal(self, error: HttpIntakeError) -> Refused:
        self._intake.turned_away(error.reason)
        return Refused(error.status, str(error), error.hint, RETRY_S if error.status == 503 else None)

    def _denied(self, status: int, sentence: str, hint: str) -> Refused:
        self._intake.turned_away("token" if status == 401 else "rights")
        return Refused(status, sentence, hint)


class _Held:
    """What one post holds while it's here: a place of its sender's, and its body's bytes."""

    def __init__(self, owner: IntakeRoutes, source: str) -> None:
        self._owner, self._source, self._size = owner, source, 0

    def __enter__(self) -> Self:
        self._owner.inside[self._source] += 1
        return self

    def begin(self) -> None:
        """Its body is about to be read.

        Raises:
            IntakeBusy: when its sender has too many under way: connections are for all (G12).
        """
        if self._owner.inside[self._source] > PER_SENDER:
            raise IntakeBusy(f"{PER_SENDER} posts of this sender are under way", "send the next after an answer")

    def more(self, size: int) -> None:
        """So many came.

        Raises:
            IntakeBusy: when bodies together hold too much.
        """
        if self._owner.held + size > TOGETHER:
            raise IntakeBusy("too many bodies at once", "send it again in a moment")
        self._owner.held += size
        self._size += size

    def __exit__(self, *_: object) -> None:
        self._owner.held -= self._size
        self._owner.inside[self._source] -= 1
        if not self._owner.inside[self._source]:
            del self._owner.inside[self._source]


def _closing(error: Refused) -> Response:
    """A refusal before the body was read: what is left of it must not hold the connection."""
    again = {} if error.retry_after_s is None else {"Retry-After": "1"}
    return answer(Failure(str(error), error.hint), error.status, {"Connection": "close", **again})


def _demand_picture(topic: str, kind: str, *, is_meant: bool) -> None:
    """A picture comes where pictures are taken, and nothing else does.

    Raises:
        KindUnknown, TopicUnusable: else.
    """
    if is_meant and kind not in _PICTURES:
        said = f"pictures are taken on {topic[:100]!r}, not {kind[:40] or 'a body without a type'}"
        raise KindUnknown(said, "send it with `Content-Type: image/jpeg` or `image/png`")
    if not is_meant and kind in _PICTURES:
        hint = "name the topic in `models.deploy.NAME.images.topic` in node.yaml"
        raise TopicUnusable(f"no model of this node takes pictures on {topic[:100]!r}", hint)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _token(said: str) -> str:
    """The token of `Bearer …`, of InfluxDB v2's `Token …`, or the password of v1's `Basic …`."""
    scheme, _, rest = said.partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
