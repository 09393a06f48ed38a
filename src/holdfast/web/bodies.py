"""Request bodies, bounded before they are read."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Literal

from starlette.requests import ClientDisconnect, Request

from holdfast.web.errors import Refused

Fault = Literal["too_large", "stalled"]


async def read_body(
    request: Request,
    most: int,
    stall_s: float,
    smaller: str = "send less at once",
    tell: Callable[[Fault], None] = lambda _fault: None,
    came: Callable[[int], None] = lambda _bytes: None,
) -> bytes:
    """A body of up to `most` bytes that goes on coming.

    smaller: what to do about one that is too large
    tell: counts what was refused
    came: told of every piece's size; what it raises ends the reading

    Raises:
        Refused: 413 too large, 408 no byte for `stall_s` seconds, 400 ended early.
    """

    def refused(fault: Fault, status: int, sentence: str, hint: str) -> Refused:
        tell(fault)
        return Refused(status, sentence, hint)

    too_large = partial(refused, "too_large", 413, f"the body is larger than {most} bytes", smaller)
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise too_large()
    body, pieces = bytearray(), request.stream()
    while True:
        try:
            async with asyncio.timeout(stall_s):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return bytes(body)
        except TimeoutError as error:
            raise refused("stalled", 408, f"no byte for {stall_s:g} s", "send it again") from error
        except ClientDisconnect as error:
            raise refused("stalled", 400, "the connection ended before the body", "send it again") from error
        came(len(piece))
        body += piece
        if len(body) > most:
            raise too_large()
