"""A change on its way through the door: on record before its handler hears of it, and again when it's over.

The handler isn't called before the first MOST_NOTED bytes of the body have come, or all of it, and their line is on
disk; so it can't change anything that has no line, whatever it does.
"""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.identity.people.errors import AuditWaits
from holdfast.identity.people.service import Caller
from holdfast.identity.people.trail import Act, Trail
from holdfast.web.errors import Refused

MOST_NOTED = 2_000
"""Bytes of a change's body in the audit."""
STALL_S = 10.0
"""For how long no byte of a body may come."""
Words = Callable[[bytes], str]
"""Says what a body with secrets asks for, without them; empty = it can't be read."""


async def noted(
    app: ASGIApp, trail: Trail, caller: Caller, words: Words | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """Hear a change.

    Raises:
        Refused: 408 when its body stalls, 503 when it can't be put on record; the handler wasn't called then.
    """
    heard = await _begun(receive)
    if heard is None:
        return  # whoever asked is gone
    body = b"".join(message.get("body", b"") for message in heard)[:MOST_NOTED]
    act, status = await _asked(trail, caller, words, scope, body), 500

    async def hear() -> Message:
        return heard.pop(0) if heard else await receive()

    async def say(message: Message) -> None:
        nonlocal status, act
        if message["type"] == "http.response.start":
            status = message["status"]
            over, act = act, None
            if over is not None:
                await trail.ended(over, status)
        await send(message)

    try:
        await app(scope, hear, say)
    except asyncio.CancelledError:
        status = 0  # who knows how far it was
        raise
    finally:
        if act is not None:  # it broke before it could answer
            await trail.ended(act, status)


async def _begun(receive: Receive) -> list[Message] | None:
    """The first messages of a request, at most a little more than MOST_NOTED; None = whoever asked is gone."""
    heard, size = list[Message](), 0
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                message = await receive()
        except TimeoutError as error:
            raise Refused(408, f"no byte for {STALL_S:g} s", "send it again") from error
        if message["type"] != "http.request":
            return None
        heard.append(message)
        size += len(message.get("body", b""))
        if size >= MOST_NOTED or not message.get("more_body", False):
            return heard


async def _asked(trail: Trail, caller: Caller, words: Words | None, scope: Scope, body: bytes) -> Act | None:
    what, said = what_of(scope), body.decode("utf-8", "replace")
    if words is not None:
        what, said = words(body)[:300] or what, ""
    try:
        return await trail.ask(caller.name, what, address_of(scope), role=caller.role, via=caller.via, body=said)
    except AuditWaits as error:
        raise Refused(503, str(error), error.hint, error.retry_after_s) from error


def address_of(scope: Scope) -> str:
    """Where a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def what_of(scope: Scope) -> str:
    """What a request wants."""
    return f"{scope['method']} {scope['path']}"[:300]
