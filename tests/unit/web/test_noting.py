"""A change at the door: its handler begins only when its line is on disk, whatever the body or the disk do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from holdfast.identity.people.errors import AuditWaits
from holdfast.identity.people.roles import Role
from holdfast.identity.people.service import Caller
from holdfast.identity.people.trail import Act
from holdfast.web import noting
from holdfast.web.errors import Refused
from holdfast.web.noting import MOST_NOTED, noted

SCOPE: Scope = {"type": "http", "method": "PUT", "path": "/api/v1/rules/hot", "client": ("192.0.2.7", 9)}
ANN = Caller("ann", Role.ADMIN, "session")


class Story:
    """A trail that keeps what it's told, in order with what the handler does."""

    def __init__(self, *, has_room: bool = True) -> None:
        self.has_room = has_room
        self.told: list[tuple[Any, ...]] = []

    async def ask(self, who: str, what: str, address: str, **more: Any) -> Act:
        if not self.has_room:
            raise AuditWaits("the journal takes no writes")
        self.told.append(("asked", who, what, address, more["body"]))
        return Act(1, who, what, address)

    async def ended(self, act: Act, status: int) -> None:
        self.told.append(("ended", act.line, status))

    async def write(self, who: str, what: str, status: int, address: str, **more: Any) -> None:
        self.told.append(("wrote", who, what, status, address, more))

    async def failed(self, who: str, what: str, address: str, status: int = 401, **more: Any) -> None:
        self.told.append(("failed", who, what, status, address, more))

    async def handler(self, _: Scope, receive: Receive, send: Send) -> None:
        self.told.append(("began",))
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        self.told.append(("acted", len(body)))
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def broken(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        self.told.append(("began",))
        raise RuntimeError

    async def hangs(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        self.told.append(("began",))
        await asyncio.Event().wait()


def hear(
    story: Story,
    *pieces: bytes,
    app: Any = None,
    words: Callable[[bytes], str] | None = None,
    end: str = "http.request",
) -> None:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if end == "http.request":
        messages[-1]["more_body"] = False
    elif end:
        messages.append({"type": end})

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            story.told.append(("answered", message["status"]))

    async def run() -> None:
        async with asyncio.timeout(0.5):
            await noted(app or story.handler, story, ANN, words, SCOPE, receive, send)

    asyncio.run(run())


ASKED = ("asked", "ann", "PUT /api/v1/rules/hot", "192.0.2.7")


def test_the_line_is_there_before_the_handler_begins_and_its_end_before_the_answer() -> None:
    story = Story()
    hear(story, b'{"a"', b":1}")
    assert story.told == [(*ASKED, '{"a":1}'), ("began",), ("acted", 7), ("ended", 1, 201), ("answered", 201)]


def test_of_a_large_body_the_beginning_is_enough_and_the_handler_hears_all_of_it() -> None:
    story = Story()
    hear(story, b"x" * 1_500, b"y" * 1_500, b"z" * 9_000)
    assert story.told[0] == (*ASKED, "x" * 1_500 + "y" * (MOST_NOTED - 1_500))
    assert story.told[2] == ("acted", 12_000)


def test_a_body_with_secrets_is_put_into_words() -> None:
    story = Story()
    hear(story, b'{"password":"secret"}', words=lambda body: f"people: {len(body)}")
    assert story.told[0] == ("asked", "ann", "people: 21", "192.0.2.7", "")
    hear(story, b"no words", words=lambda _: "")
    assert story.told[5] == (*ASKED, "")


def test_a_handler_that_breaks_or_is_stopped_has_its_end_too() -> None:
    story = Story()
    with pytest.raises(RuntimeError):
        hear(story, b"{}", app=story.broken)
    with pytest.raises(TimeoutError):
        hear(story, b"{}", app=story.hangs)
    assert [one for one in story.told if one[0] == "ended"] == [("ended", 1, 500), ("ended", 1, 0)]


def test_without_a_line_the_handler_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(has_room=False)
    with pytest.raises(Refused, match="can't be put on record") as refused:
        hear(story, b"{}")
    assert (refused.value.status, refused.value.retry_after_s) == (503, 5.0)
    monkeypatch.setattr(noting, "STALL_S", 0.01)
    with pytest.raises(Refused, match="no byte for"):
        hear(story, b"half", end="")
    hear(story, b"half", end="http.disconnect")
    assert story.told == []
