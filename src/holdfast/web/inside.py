"""Asks an ASGI app in this process: one GET, its answer bounded."""

from typing import Any

from starlette.types import ASGIApp, Message, Scope

from holdfast.wire.looking import MAX_REPLY, Call, CallHeader, CallReply

_LARGE = b'{"error":"the answer is too large to be looked at from here","hint":"ask for less at once"}'


async def ask_app(app: ASGIApp, call: Call, number: str, asked_by: Scope | None = None) -> CallReply:
    """What the app answers. asked_by: the request that this one stands in for, so that its rights count."""
    path = f"/api/v1/{call.path}"
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": None,
        "client": None,
        "headers": [],
        "root_path": "",
    }
    if asked_by is not None:
        kept = ("scheme", "server", "client", "headers", "state")
        scope |= {name: asked_by[name] for name in kept if name in asked_by}
    scope |= {"method": "GET", "path": path, "raw_path": path.encode(), "query_string": call.query.encode()}
    answer = _Answer()
    await app(scope, _nothing_more, answer.take)
    if answer.size > MAX_REPLY:
        return CallReply(CallHeader(number, 413), _LARGE)
    return CallReply(CallHeader(number, answer.status, answer.kind), b"".join(answer.parts))


class _Answer:
    """What is sent, up to the bound."""

    def __init__(self) -> None:
        self.status, self.kind, self.size = 500, "application/json", 0
        self.parts: list[bytes] = []

    async def take(self, message: Message) -> None:
        """See ASGI's `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            self.kind = kinds[0].decode("latin-1") if kinds else self.kind
        elif message["type"] == "http.response.body":
            part = message.get("body", b"")
            self.size += len(part)
            if self.size <= MAX_REPLY:
                self.parts.append(part)


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
