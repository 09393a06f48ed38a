import asyncio
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest
from tests.unit.web.doors import call, get, make_deps
from tests.unit.web.test_sync import BEARER, Parent

from holdfast.history.answers import Answer
from holdfast.history.query import History
from holdfast.web.app import build_app
from holdfast.web.deps import Children, WebDeps
from holdfast.web.errors import Refused
from holdfast.wire.asking import Ask, Poll

ASK = Ask("7", ("*",), 0, 1)
POLL = msgspec.json.encode(Poll(0, 1))


class Asking:
    """Implements `web.deps.Asking`; keeps what it was given."""

    def __init__(self, question: Ask | None = None, *, is_full: bool = False) -> None:
        self.given: list[tuple[str, Any]] = []
        self.question, self.is_full = question, is_full
        self.was_cancelled = False

    async def poll(self, child: str, poll: Poll) -> Ask | None:
        self.given.append((child, poll))
        if self.is_full:
            raise Refused(503, "no more children can be asked", "come again later", retry_after_s=30.0)
        if poll.wait_s == 60:
            try:
                await asyncio.Event().wait()
            finally:
                self.was_cancelled = True
        return self.question

    def answered(self, child: str, number: str, body: bytes) -> bool:
        self.given.append((child, (number, body)))
        return number == "7"

    async def ask(self, child: str, ask: Ask) -> bytes:
        return f"{child} {ask.id}".encode()


def door(asking: Asking | None) -> WebDeps:
    return make_deps(children=Children({"good": "gw"}.get, Parent(), 1000, asking))


def post(path: str, content: bytes, asking: Asking | None, headers: dict[str, str] | None = None) -> httpx.Response:
    deps = door(asking)
    return call(deps, "POST", f"/api/v1/sync/{path}", content=content, headers=BEARER if headers is None else headers)


def test_a_poll_brings_the_question_or_nothing() -> None:
    asking = Asking(ASK)
    answer = post("questions", POLL, asking)
    assert msgspec.json.decode(answer.content, type=Ask) == ASK
    assert asking.given == [("gw", Poll(0, 1))]
    assert post("questions", POLL, Asking()).status_code == 204


def test_a_child_beyond_what_can_be_asked_is_told_to_come_again() -> None:
    answer = post("questions", POLL, Asking(is_full=True))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_an_answer_is_taken_under_its_number_and_a_late_one_is_told_so() -> None:
    asking = Asking()
    assert post("answers/7", b"body", asking).status_code == 204
    assert post("answers/8", b"body", asking).status_code == 200
    assert asking.given == [("gw", ("7", b"body")), ("gw", ("8", b"body"))]
    assert post("answers/7", b"x" * 1001, asking).status_code == 413


def test_a_child_may_ask() -> None:
    assert post("ask", msgspec.json.encode(ASK), Asking()).content == b"gw 7"


@pytest.mark.parametrize("path", ["questions", "ask"])
@pytest.mark.parametrize("body", [b"", b"rubbish", b'{"branch": -1}', b'{"branch": 0, "session": 1, "wait_s": 1e9}'])
def test_what_is_no_question_is_refused(path: str, body: bytes) -> None:
    assert post(path, body, Asking()).status_code == 400


@pytest.mark.parametrize("path", ["questions", "answers/7", "ask"])
def test_strangers_are_refused_and_without_questions_there_is_no_door(path: str) -> None:
    asking = Asking()
    assert post(path, POLL, asking, {}).status_code == 401
    assert asking.given == []
    assert post(path, POLL, None).status_code == 404


def test_a_poll_ends_with_its_connection() -> None:
    async def run() -> bool:
        asking = Asking()
        app, ends = build_app(door(asking)), asyncio.Event()
        messages = [{"type": "http.request", "body": msgspec.json.encode(Poll(0, 1, 60)), "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await ends.wait()
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None: ...

        path = "/api/v1/sync/questions"
        headers = [(b"authorization", b"Bearer good"), (b"host", b"node")]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        scope |= {"headers": headers, "scheme": "https", "server": ("node", 1), "client": ("127.0.0.1", 1)}
        task = asyncio.create_task(app(scope, receive, send))
        while not asking.given:  # noqa: ASYNC110  # the app has no event for this
            await asyncio.sleep(0)
        ends.set()
        await task
        return asking.was_cancelled

    assert asyncio.run(run())


def test_other_nodes_are_asked_unless_the_question_says_not_to() -> None:
    seen: list[bool] = []

    class Watched(History):
        def query(self, *args: Any, ask: bool = True, **more: Any) -> Answer:
            seen.append(ask)
            return super().query(*args, ask=ask, **more)

    deps = make_deps()
    past = replace(deps.past, history=Watched(deps.past.history.tiers._groups, deps.catalogue))
    for more in ("", "&site=false", "&site=true"):
        assert get(f"/api/v1/query?series=a/b{more}", past=past).status_code == 200
    assert seen == [True, False, True]
    assert get("/api/v1/query?series=a/b&site=maybe", past=past).status_code == 400
