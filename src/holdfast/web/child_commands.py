"""The route where children fetch commands: one question, held until something waits for the child."""

from collections import Counter
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.commands.below import Below
from holdfast.web.door import needs_token
from holdfast.web.senders import Senders
from holdfast.wire.commands import CommandPoll

MAX_POLL = 64 << 10
# Questions held at once, each a connection; a child has one. Beyond it they are answered at once.
HELD_PER_CHILD, HELD_TOGETHER = 2, 512
PACKED = "application/vnd.msgpack"
HINT = "see docs/reference/sync-protocol.md, Commands"
_poll = msgspec.msgpack.Decoder(CommandPoll)


class ChildCommands:
    """Commands of one node for its children."""

    def __init__(self, senders: Senders, who: Callable[[str], str | None], below: Below) -> None:
        self._senders, self._who, self._below = senders, who, below
        self._held: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        """The paths."""
        return [Route("/api/v1/sync/commands", self.poll, methods=["POST"])]

    @needs_token
    async def poll(self, request: Request) -> Response:
        """`CommandPoll` in, `Orders` out."""
        child = self._senders.sender(request, self._who)
        with self._senders.slot(child):
            body = await self._senders.read(request, MAX_POLL)
            try:
                asked = _poll.decode(body)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise self._senders.refusal("malformed", 400, f"not a question for commands: {error}", HINT) from error
        is_full = self._held[child] >= HELD_PER_CHILD or self._held.total() >= HELD_TOGETHER
        self._held[child] += 1
        try:
            found = await self._below.poll(child, CommandPoll(asked.taken, 0.0 if is_full else asked.wait_s))
        finally:
            self._held[child] -= 1
        return Response(msgspec.msgpack.encode(found), 200, {"Cache-Control": "no-store"}, PACKED)
