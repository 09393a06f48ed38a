"""What every call of a child passes: its token, then a bound on bodies, then its body in pieces against a limit."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from starlette.requests import ClientDisconnect, Request

from holdfast.telemetry.happenings import Telemetry
from holdfast.web.deps import Children
from holdfast.web.errors import Refused
from holdfast.web.happenings import WebChildRefused

# Bodies in memory at once: one child may not shut out the others (G12), and all together stay bounded (G10).
PER_CHILD, TOGETHER = 4, 16
STALL_S = 30.0
Reason = Literal["token", "too_large", "busy", "stalled", "malformed"]


class Door:
    """The children's door of one node."""

    def __init__(self, children: Children, telemetry: Telemetry) -> None:
        self._children, self._telemetry = children, telemetry
        self._inside: Counter[str] = Counter()

    def child(self, request: Request) -> str:
        """Whose token it is.

        Raises:
            Refused: 401 when it's nobody's.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        child = self._children.who(token.strip()) if scheme.lower() == "bearer" else None
        if child is None:
            hint = "send `Authorization: Bearer <token>` with the token this parent knows the child by"
            raise self.refusal("token", 401, "the token is missing, unknown or over", hint)
        return child

    @contextmanager
    def slot(self, child: str) -> Iterator[None]:
        """Hold a place for one body.

        Raises:
            Refused: 429 when all are taken.
        """
        if self._inside[child] >= PER_CHILD or self._inside.total() >= TOGETHER:
            raise self.refusal("busy", 429, "too many bodies at once", "send the next after an answer", 1.0)
        self._inside[child] += 1
        try:
            yield
        finally:
            self._inside[child] -= 1

    async def body(self, request: Request, most: int) -> bytes:
        """The body, at most `most` bytes.

        Raises:
            Refused: 413, 408 or 400 when it's too large, stalls or ends early.
        """
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > most:
            raise self._too_large(most)
        body = bytearray()
        pieces = request.stream()
        while True:
            try:
                async with asyncio.timeout(STALL_S):
                    body += await anext(pieces)
            except StopAsyncIteration:
                return bytes(body)
            except TimeoutError as error:
                raise self.refusal("stalled", 408, f"no byte for {STALL_S:g} s", "send it again") from error
            except ClientDisconnect as error:
                raise self.refusal("stalled", 400, "the connection ended before the body", "send it again") from error
            if len(body) > most:
                raise self._too_large(most)

    def _too_large(self, most: int) -> Refused:
        return self.refusal("too_large", 413, f"the body is larger than {most} bytes", "send smaller batches")

    def refusal(
        self, reason: Reason, status: int, sentence: str, hint: str, retry_after_s: float | None = None
    ) -> Refused:
        """What to raise; counted."""
        self._telemetry.emit(WebChildRefused(reason=reason))
        return Refused(status, sentence, hint, retry_after_s)
