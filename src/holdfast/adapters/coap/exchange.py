"""Requests of ours: ask a device once, or register with it for notifications; bounded in time and size."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiocoap.error
from aiocoap import Message
from aiocoap.numbers import codes
from aiocoap.numbers.constants import TransportTuning
from aiocoap.optiontypes import BlockOption
from aiocoap.pipe import Pipe

from holdfast.adapters.coap.devices import Answer, Heard, Lost, Registered
from holdfast.adapters.coap.endpoint import Endpoint
from holdfast.adapters.coap.errors import CoapFaulted, CoapRefused, CoapUnreachable
from holdfast.adapters.errors import AdapterError

LARGEST = 256 * 1024
"""Bytes of a body that a device may answer with, block by block (RFC 7959 §2.4)."""
_BLOCKS_S = 10
_TRIES = 3
_SILENT = "Is it on, and is the address right?"
_SPAN = 1.5 * (2**_TRIES - 1)


class _Tuning(TransportTuning):  # type: ignore[misc]  # aiocoap has no types
    """So that a confirmable message is sent three times within `timeout_s` (RFC 7252 §4.8): once, and twice more."""

    MAX_RETRANSMIT = _TRIES - 1

    def __init__(self, timeout_s: float) -> None:
        self.ACK_TIMEOUT = timeout_s / _SPAN


async def ask(
    endpoint: Endpoint, method: str, url: str, timeout_s: float, payload: bytes = b"", kind: int | None = None
) -> Answer:
    """Ask once; what comes in blocks is put together.

    Args:
        endpoint: the socket
        method: GET, PUT or POST
        url: coap://…
        timeout_s: for the first answer, in seconds; all further blocks have ten times as long
        payload: bytes to send, at most 1,024
        kind: their Content-Format

    Raises:
        CoapUnreachable: without an answer.
        CoapRefused: when the answer is an error.
        CoapFaulted: when it can't be put together.
    """
    try:
        async with asyncio.timeout(timeout_s):
            first = await _once(endpoint, _message(method, url, timeout_s, payload, kind))
        async with asyncio.timeout(_BLOCKS_S * timeout_s):
            return await _rest(endpoint, url, timeout_s, first)
    except TimeoutError:
        raise CoapUnreachable(f"{url} didn't answer in {timeout_s:g} s", _SILENT) from None


class CoapNetwork:
    """The way to one device. Implements `devices.Network`."""

    def __init__(self, endpoint: Callable[[], Endpoint], base: str, timeout_s: float) -> None:
        """base: coap://host:port."""
        self._endpoint, self._base, self.timeout_s = endpoint, base, timeout_s

    def url(self, path: str) -> str:
        """The address of a resource."""
        return f"{self._base}/{path.strip('/')}"

    async def ask(self, path: str) -> Answer:
        """See `Network`."""
        return await ask(self._endpoint(), "GET", self.url(path), self.timeout_s)

    async def put(self, path: str, payload: bytes, kind: int) -> Answer:
        """Write a resource; raises as `ask`."""
        return await ask(self._endpoint(), "PUT", self.url(path), self.timeout_s, payload, kind)

    async def register(self, path: str, heard: Heard, lost: Lost) -> Registered:
        """See `Network`."""
        found = Registration(self.url(path), heard, lost)
        await found.begin(self._endpoint(), self.timeout_s)
        return found


class Registration:
    """An observation (RFC 7641): notifications go to `heard`, the end of the stream to `lost`. Loop thread only."""

    def __init__(self, url: str, heard: Heard, lost: Lost) -> None:
        self._url, self._heard, self._lost = url, heard, lost
        self._stop: Callable[[], None] | None = None

    async def begin(self, endpoint: Endpoint, timeout_s: float) -> None:
        """Ask to be told."""
        message = _message("GET", self._url, timeout_s)
        message.opt.observe = 0
        pipe = Pipe(message, endpoint.context.log)
        self._stop = pipe.on_event(self._event)
        try:
            (await endpoint.context.find_remote_and_interface(message)).request(pipe)
        except (aiocoap.error.Error, OSError) as error:
            self.end()
            self._lost(_unreachable(self._url, error))

    def end(self) -> None:
        """No more. The device is told when it sends the next notification: it's reset then (RFC 7641 §3.6)."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def _event(self, event: Any) -> bool:
        if self._stop is None:
            return False
        if event.exception is not None:
            self._stop = None
            self._lost(_unreachable(self._url, event.exception))
            return False
        try:
            self._heard(answer_of(event.message, self._url))
        except CoapRefused as error:
            self._stop = None
            self._lost(error)
            return False
        return not event.is_last


def answer_of(message: Any, url: str) -> Answer:
    """A response as an answer.

    Raises:
        CoapRefused: when it's an error.
    """
    if not message.code.is_successful():
        said = message.payload[:200].decode(errors="replace")
        sentence = f"{url} answered {message.code.dotted} {message.code.name_printable}"
        raise CoapRefused(
            f"{sentence}: {said}" if said else sentence, _HINTS.get(message.code, ""), message.code.dotted
        )
    kind = message.opt.content_format
    block = message.opt.block2
    return Answer(
        message.payload,
        None if kind is None else int(kind),
        message.opt.max_age,
        message.opt.observe,
        block is not None and block.more,
    )


_HINTS = {
    codes.NOT_FOUND: "See the path: GET /.well-known/core tells what the device has",
    codes.METHOD_NOT_ALLOWED: "The device doesn't take this method there",
    codes.UNAUTHORIZED: "The device wants to know who asks, which needs DTLS or OSCORE: see docs/how-to/coap.md",
}


def _message(method: str, url: str, timeout_s: float, payload: bytes = b"", kind: int | None = None) -> Any:
    try:
        return Message(
            code=codes.Code[method], uri=url, payload=payload, content_format=kind, transport_tuning=_Tuning(timeout_s)
        )
    except (ValueError, aiocoap.error.Error) as error:
        raise CoapFaulted(f"{url} is no address: {error}", "Write coap://host:5683/path") from error


async def _once(endpoint: Endpoint, message: Any) -> Any:
    try:
        return await endpoint.context.request(message, handle_blockwise=False).response
    except (aiocoap.error.Error, OSError) as error:
        raise _unreachable(message.get_request_uri(), error) from error


async def _rest(endpoint: Endpoint, url: str, timeout_s: float, message: Any) -> Answer:
    first, body = answer_of(message, url), bytearray(message.payload)
    while answer_of(message, url).is_partial:
        block = message.opt.block2
        if len(body) > LARGEST:
            raise CoapFaulted(f"{url} answers with more than {LARGEST} bytes", "Observe or poll a smaller resource")
        if not message.payload or block.start + len(message.payload) != len(body):
            raise CoapFaulted(f"{url} answers with blocks that don't fit together")
        after = _message("GET", url, timeout_s)
        after.remote = message.remote
        after.opt.block2 = BlockOption.BlockwiseTuple(len(body) // block.size, False, block.size_exponent)
        message = await _once(endpoint, after)
        if message.opt.block2 is None or message.opt.block2.start != len(body):
            raise CoapFaulted(f"{url} answers with blocks that don't fit together", "It changed meanwhile: try again")
        body += message.payload
    return Answer(bytes(body), first.kind, first.max_age_s, first.number)


def _unreachable(url: str, error: Exception) -> AdapterError:
    if isinstance(error, AdapterError):
        return error
    if isinstance(error, aiocoap.error.ConRetransmitsExceeded):
        return CoapUnreachable(f"{url} doesn't answer", _SILENT)
    cause = error.__cause__ or error
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error) or type(error).__name__
    return CoapUnreachable(f"{url} can't be reached: {said}"[:250], _SILENT)
