import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.unit.web.doors import call, make_deps

from holdfast.model.lane import Lane
from holdfast.web import senders, sync
from holdfast.web.app import build_app
from holdfast.web.deps import Children, WebDeps
from holdfast.wire.errors import WireError
from holdfast.wire.messages import GENESIS, BatchReply, Fetch, Hello, Welcome

HELLO = Hello("gw", "i", (0, 0, 0), (GENESIS, GENESIS, GENESIS), 0)
BEARER = {"Authorization": "Bearer good"}
MAX_BODY = 1000


class Parent:
    """Implements `web.deps.Ingest`; keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, Any]] = []
        self.release, self.is_full = asyncio.Event(), asyncio.Event()
        self.release.set()

    async def hello(self, child: str, hello: Hello) -> Welcome:
        self.given.append((child, hello))
        return Welcome("welcome", session=7)

    async def fetch(self, child: str, wanted: Fetch) -> bytes | None:
        return f"{child} {wanted.first}".encode() if wanted.first < 10 else None

    async def batch(self, child: str, body: bytes) -> BatchReply:
        self.given.append((child, body))
        if len(self.given) == senders.PER_SENDER:
            self.is_full.set()
        await self.release.wait()
        if body == b"rubbish":
            raise WireError("not an Arrow stream")
        return BatchReply("applied", applied=5)


def door(parent: Parent, log: list[str] | None = None) -> WebDeps:
    children = Children({"good": "gw", "other": "gw-2"}.get, parent, MAX_BODY)
    return make_deps(log, children=children)


def post(
    path: str, content: Any, headers: dict[str, str] | None = None, parent: Parent | None = None
) -> httpx.Response:
    return call(door(parent or Parent()), "POST", path, content=content, headers=BEARER if headers is None else headers)


def test_a_hello_reaches_ingest_under_the_name_of_the_token() -> None:
    parent = Parent()
    answer = post("/api/v1/sync/hello", msgspec.json.encode(HELLO), parent=parent)
    assert msgspec.json.decode(answer.content, type=Welcome).session == 7
    assert parent.given == [("gw", HELLO)]


def test_a_batch_reaches_ingest_as_it_is() -> None:
    parent = Parent()
    answer = post("/api/v1/sync/batch", b"x" * MAX_BODY, parent=parent)
    assert msgspec.json.decode(answer.content, type=BatchReply) == BatchReply("applied", applied=5)
    assert parent.given == [("gw", b"x" * MAX_BODY)]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic good"}, {"Authorization": "good"}]
)
def test_without_the_right_token_nothing_is_read(headers: dict[str, str]) -> None:
    parent = Parent()
    answer = post("/api/v1/sync/batch", b"x", headers, parent)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["hint"]
    assert parent.given == []


def test_a_body_that_declares_too_much_is_refused() -> None:
    parent = Parent()
    answer = post("/api/v1/sync/batch", b"x" * (MAX_BODY + 1), parent=parent)
    assert (answer.status_code, parent.given) == (413, [])
    assert post("/api/v1/sync/hello", b"x" * (sync.MAX_HELLO + 1)).status_code == 413


def test_a_body_that_grows_too_large_without_declaring_it_is_cut() -> None:
    async def growing() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    parent = Parent()
    assert post("/api/v1/sync/batch", growing(), parent=parent).status_code == 413
    assert parent.given == []


def test_a_child_gets_its_own_rows_back_or_nothing() -> None:
    answer = post("/api/v1/sync/fetch", msgspec.json.encode(Fetch(Lane.BULK, 5, 7)))
    assert (answer.status_code, answer.content) == (200, b"gw 5")
    assert post("/api/v1/sync/fetch", msgspec.json.encode(Fetch(Lane.BULK, 50, 70))).status_code == 204


@pytest.mark.parametrize(
    ("path", "body"), [("hello", b"{}"), ("hello", b"rubbish"), ("batch", b"rubbish"), ("fetch", b'{"lane": 9}')]
)
def test_a_malformed_body_is_a_400_that_says_so(path: str, body: bytes) -> None:
    answer = post(f"/api/v1/sync/{path}", body)
    assert answer.status_code == 400
    assert answer.json()["hint"] == WireError.hint


def test_a_body_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "STALL_S", 0.01)

    async def stalling() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.2)
        yield b"y"

    assert post("/api/v1/sync/batch", stalling()).status_code == 408


def test_one_child_cant_fill_the_door_for_the_others() -> None:
    async def run() -> tuple[int, int, str]:
        parent = Parent()
        parent.release.clear()
        transport = httpx.ASGITransport(build_app(door(parent)))
        async with httpx.AsyncClient(transport=transport, base_url="https://node") as client:
            async with asyncio.TaskGroup() as group:
                for _ in range(senders.PER_SENDER):
                    group.create_task(client.post("/api/v1/sync/batch", content=b"x", headers=BEARER))
                await parent.is_full.wait()
                more = await client.post("/api/v1/sync/batch", content=b"x", headers=BEARER)
                other = group.create_task(
                    client.post("/api/v1/sync/batch", content=b"x", headers={"Authorization": "Bearer other"})
                )
                parent.release.set()
            return more.status_code, other.result().status_code, more.headers["retry-after"]

    assert asyncio.run(run()) == (429, 200, "1")


def test_what_is_turned_away_is_counted_but_not_logged() -> None:
    log: list[str] = []
    deps = door(Parent(), log)
    call(deps, "POST", "/api/v1/sync/batch", content=b"")
    assert log == []
    assert 'holdfast_web_children_refused_total{reason="token"} 1.0' in call_metrics(deps)


def call_metrics(deps: WebDeps) -> str:
    from prometheus_client import generate_latest

    return generate_latest(deps.telemetry.registry).decode()
