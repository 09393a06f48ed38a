"""Request bodies: bounded in size, in number and in time, and nothing of one is read before its sender is known."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from starlette.requests import Request

from holdfast.web.bodies import read_body
from holdfast.web.errors import Refused

# Bodies in memory at once: one sender may not shut out the others (G12), and all together stay bounded (G10).
PER_SENDER, TOGETHER = 4, 16
STALL_S = 30.0
Reason = Literal["token", "too_large", "busy", "stalled", "malformed"]
_BEARER_HINT = "send `Authorization: Bearer <token>` with a token that this node knows"


class Senders:
    """The bodies of one door. tell: counts what was refused."""

    def __init__(self, tell: Callable[[Reason], None]) -> None:
        self._tell = tell
        self._inside: Counter[str] = Counter()

    def sender(self, request: Request, who: Callable[[str], str | None]) -> str:
        """Whom the request's bearer token stands for.

        Raises:
            Refused: 401 when it stands for nobody.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        name = who(token.strip()) if scheme.lower() == "bearer" else None
        if name is None:
            raise self.refusal("token", 401, "the token is missing, unknown or over", _BEARER_HINT)
        return name

    @contextmanager
    def slot(self, sender: str) -> Iterator[None]:
        """Hold the right to have a body here.

        Raises:
            Refused: 429 when there are too many.
        """
        if self._inside[sender] >= PER_SENDER or self._inside.total() >= TOGETHER:
            raise self.refusal("busy", 429, "too many bodies at once", "send the next after an answer", 1.0)
        self._inside[sender] += 1
        try:
            yield
        finally:
            self._inside[sender] -= 1

    async def read(self, request: Request, most: int) -> bytes:
        """The body.

        Raises:
            Refused: 413 when it's longer than `most`, 408 or 400 when it doesn't come.
        """
        return await read_body(request, most, STALL_S, "send smaller ones", self._tell)

    def refusal(
        self, reason: Reason, status: int, sentence: str, hint: str, retry_after_s: float | None = None
    ) -> Refused:
        """A refusal that is counted."""
        self._tell(reason)
        return Refused(status, sentence, hint, retry_after_s)
