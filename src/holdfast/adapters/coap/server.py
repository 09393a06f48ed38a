"""The node as a CoAP server: PUT and POST are answered 2.04 after the commit, or told why not.

    request ──▶ path, format, blocks ──▶ arrival ──▶ inbox ──▶ commit ──▶ receipt ──▶ 2.04 Changed

    2.31 Continue        the next block, please              4.13 too large     bytes of a body
    4.00 bad request     the path, the block, no payload     4.15 bad format    none of those known
    4.04 not found       no topic of `topics`                5.03 + Max-Age     the inbox is full, the journal refuses,
    4.05 not allowed     GET, DELETE, …                                         too much is under way

A commit that takes longer than 0.1 s has its message acknowledged first and its answer comes as a message of its own
(RFC 7252 §5.2.2): acknowledged isn't stored there, 2.04 is. What wrong payloads are is the profile's to say: they are
stored in quarantine, and answered 2.04, as everything that's on disk.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from aiocoap import Message
from aiocoap.numbers import codes
from aiocoap.pipe import Pipe
from msgspec import Struct

from holdfast.adapters.coap.bodies import Block, Bodies, Step
from holdfast.adapters.coap.endpoint import Endpoint, open_server
from holdfast.adapters.coap.gate import Gate, plain
from holdfast.adapters.coap.paths import Paths
from holdfast.adapters.coap.settings import CoapLink
from holdfast.adapters.port import Arrival, Inbox
from holdfast.kernel.clock import Clock
from holdfast.transport.addresses import parse_listen

FORMATS: Mapping[int, str] = {
    0: "text",
    42: "octets",
    50: "JSON",
    60: "CBOR",
    110: "SenML JSON",
    112: "SenML CBOR",
}
"""Content-Formats that are taken (the CoAP registry of RFC 7252 §12.3); their bytes go to the profile as they are."""
LINKS = 40
RETRY_S = 5
"""Max-Age of 5.03: when to try again (§5.9.3.4)."""
_ANSWERS = 64
"""Answers a turn of the loop: each is a system call and some 0.1 ms of library."""
_REFUSED: Mapping[str, Any] = {
    "bad": codes.BAD_REQUEST,
    "gap": codes.REQUEST_ENTITY_INCOMPLETE,
    "too_large": codes.REQUEST_ENTITY_TOO_LARGE,
    "busy": codes.SERVICE_UNAVAILABLE,
}


class Served(Struct):
    """Counts since the start, in messages; a block-wise upload is one."""

    received: int = 0
    settled: int = 0
    refused: int = 0
    """Answered 5.03."""
    faulty: int = 0
    """Answered 4.xx."""


class _Exchange:
    """A message on its way to the disk, and the way back. Implements `adapters.port.Receipt`."""

    __slots__ = ("_server", "block1", "host", "pipe")

    def __init__(self, server: "CoapServer", pipe: Pipe, host: str, block1: Any) -> None:
        self._server, self.pipe, self.host, self.block1 = server, pipe, host, block1

    def settle(self) -> None:
        """It's on disk."""
        self._server.done(self, is_stored=True)

    def refuse(self) -> None:
        """It isn't, and won't be."""
        self._server.done(self, is_stored=False)


@lru_cache(10_000)
def _source(host: str) -> str:
    """Who sends, as the quarantine tells it."""
    return f"coap:{plain(host)}"


class CoapServer:
    """One listener. Loop thread only."""

    def __init__(self, settings: CoapLink, inbox: Inbox, clock: Clock) -> None:
        self._settings, self._inbox, self._clock = settings, inbox, clock
        self._paths = Paths(settings.prefix, settings.topics)
        self.gate = Gate(settings.peers, settings.rate)
        self.bodies = Bodies(
            settings.max_body,
            settings.bodies,
            settings.bodies_per_peer,
            settings.half_sent,
            settings.body_timeout,
        )
        self.served = Served()
        self._endpoint: Endpoint | None = None
        self._under_way: dict[str, int] = {}  # address → messages that aren't on disk yet; their sum is `unsettled`
        self.unsettled = 0
        self._answers: deque[tuple[_Exchange, bool]] = deque()
        self._is_answering = self._is_full = self._is_stopping = False
        self._quiet = asyncio.Event()

    async def open(self) -> None:
        """Listen.

        Raises:
            CoapUnreachable: when the address can't be had.
        """
        address = parse_listen(self._settings.listen)
        self._endpoint = await open_server(address, self.gate, self._clock, self._settings.remember, self.take)

    async def close(self) -> None:
        """Close the socket."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.close()

    async def stop(self, deadline_s: float) -> None:
        """Take nothing more; what is under way is answered within the deadline."""
        self._is_stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self.unsettled or self._answers:
                    self._quiet.clear()
                    await self._quiet.wait()

    @property
    def port(self) -> int:
        """The port that it listens on; 0 = it doesn't."""
        return 0 if self._endpoint is None else self._endpoint.port

    @property
    def repeats(self) -> int:
        """Messages that came once more and weren't taken again."""
        return 0 if self._endpoint is None else self._endpoint.memory.repeats

    def take(self, pipe: Pipe) -> None:
        """A request came; it's answered here, or when its receipt is settled."""
        request = pipe.request
        segments: tuple[str, ...] = request.opt.uri_path
        if request.code not in (codes.PUT, codes.POST):
            self._other(pipe, segments)
            return
        topic, fault = self._paths.topic(segments)
        kind = request.opt.content_format
        if fault:
            self._wrong(pipe, codes.BAD_REQUEST, fault)
        elif not self._paths.takes(topic):
            self._wrong(pipe, codes.NOT_FOUND, f"{topic} is no topic of this listener: GET /.well-known/core tells")
        elif kind is not None and int(kind) not in FORMATS:
            known = ", ".join(f"{number} {name}" for number, name in FORMATS.items())
            self._wrong(pipe, codes.UNSUPPORTED_CONTENT_FORMAT, f"Content-Format {int(kind)}; known are {known}")
        else:
            self._upload(pipe, topic)

    def done(self, exchange: _Exchange, *, is_stored: bool) -> None:
        """A receipt was settled or refused. The answers leave some a turn, so that many don't hold up the loop."""
        self.unsettled -= 1
        left = self._under_way[exchange.host] - 1
        if left:
            self._under_way[exchange.host] = left
        else:
            del self._under_way[exchange.host]
        self._answers.append((exchange, is_stored))
        if not self._is_answering:
            self._is_answering = True
            asyncio.get_running_loop().call_soon(self._answer_some)

    def _other(self, pipe: Pipe, segments: tuple[str, ...]) -> None:
        if segments == (".well-known", "core") and pipe.request.code == codes.GET:
            said = self._paths.core().encode()
            pipe.add_response(Message(code=codes.CONTENT, payload=said, content_format=LINKS), is_last=True)
            return
        said_of = "nothing is read here but /.well-known/core" if pipe.request.code == codes.GET else "not known here"
        self._wrong(pipe, codes.METHOD_NOT_ALLOWED, f"{said_of}: PUT or POST readings to /TOPIC")

    def _upload(self, pipe: Pipe, topic: str) -> None:
        request = pipe.request
        block1, payload = request.opt.block1, request.payload
        host = request.remote.sockaddr[0]
        if block1 is not None:
            kind = request.opt.content_format
            key = (request.remote.sockaddr, int(request.code), topic, kind, tuple(request.opt.request_tag))
            size = 1 << block1.size_exponent + 4  # aiocoap's own `size` takes 7 for 6
            block = Block(block1.block_number, block1.more, size, payload, request.opt.size1)
            step = self.bodies.feed(host, key, block, self._clock.monotonic())
            if step.verdict != "whole":
                self._block(pipe, block1, step)
                return
            payload = step.body
        largest = self._settings.max_body
        if not payload:
            self._wrong(pipe, codes.BAD_REQUEST, "there is no payload")
        elif len(payload) > largest:
            why = f"a body has at most {largest} bytes here"
            self._wrong(pipe, codes.REQUEST_ENTITY_TOO_LARGE, why, size1=largest)
        elif self._has_no_room(request.remote, host):
            self._busy(pipe, "too much is under way: try again")
        else:
            self._offer(_Exchange(self, pipe, host, block1), topic, payload)

    def _offer(self, exchange: _Exchange, topic: str, payload: bytes) -> None:
        host = exchange.host
        self.served.received += 1
        self.unsettled += 1
        self._under_way[host] = self._under_way.get(host, 0) + 1
        arrival = Arrival(_source(host), topic, (payload,), self._clock.wall_ns(), exchange)
        if not self._inbox.offer(arrival):
            self._is_full = True
            self._inbox.when_drained(self._drained)

    def _has_no_room(self, remote: Any, host: str) -> bool:
        here, settings = self._under_way.get(host, 0), self._settings
        is_crowded = here >= settings.under_way_per_peer or self.unsettled >= settings.under_way
        owed = 0 if self._endpoint is None else self._endpoint.waiting_of(remote)
        return self._is_full or self._is_stopping or is_crowded or owed >= settings.under_way_per_peer

    def _drained(self) -> None:
        self._is_full = False

    def _block(self, pipe: Pipe, block1: Any, step: Step) -> None:
        if step.verdict == "more":
            pipe.add_response(Message(code=codes.CONTINUE, block1=block1), is_last=True)
        elif step.verdict == "busy":
            self._busy(pipe, step.why)
        else:
            size1 = self._settings.max_body if step.verdict == "too_large" else None
            self._wrong(pipe, _REFUSED[step.verdict], step.why, size1=size1)

    def _wrong(self, pipe: Pipe, code: Any, why: str, size1: int | None = None) -> None:
        self.served.faulty += 1
        pipe.add_response(Message(code=code, payload=why.encode(), size1=size1), is_last=True)

    def _busy(self, pipe: Pipe, why: str) -> None:
        self.served.refused += 1
        pipe.add_response(Message(code=codes.SERVICE_UNAVAILABLE, payload=why.encode(), max_age=RETRY_S), is_last=True)

    def _answer_some(self) -> None:
        for _ in range(min(_ANSWERS, len(self._answers))):
            exchange, is_stored = self._answers.popleft()
            if is_stored:
                self.served.settled += 1
                exchange.pipe.add_response(Message(code=codes.CHANGED, block1=exchange.block1), is_last=True)
            else:
                self._busy(exchange.pipe, "the journal takes nothing now: try again")
        self._is_answering = bool(self._answers)
        if self._answers:
            asyncio.get_running_loop().call_soon(self._answer_some)
        else:
            self._quiet.set()
