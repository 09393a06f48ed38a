"""The document doors: for applications and for children; nothing without a token, nothing that isn't listed."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Doc
from tests.unit.documents.test_outline import deep
from tests.unit.documents.tower import Node, edited
from tests.unit.web.doors import make_deps

from holdfast.documents.settings import DocumentsSettings, matcher
from holdfast.web import documents as doors
from holdfast.web.app import build_app
from holdfast.web.deps import AppDocuments, Children
from holdfast.wire.documents import DocumentAsk, DocumentReply, News, NewsAsk, packed, unpacked

SETTINGS = DocumentsSettings(children=("site/{child}/*", "all"), max_bytes=4000, max_documents=3)
HMI = {"Authorization": "Bearer hmi"}
GW = {"Authorization": "Bearer gw"}


def with_doors(folder: Path, body: Callable[[httpx.AsyncClient, Node], Awaitable[None]]) -> None:
    async def run() -> None:
        node = Node(folder, "hub", SETTINGS)
        may = {"hmi": matcher(["all", "line/*"]), "other": matcher([])}
        deps = make_deps(
            children=Children(lambda token: token if token in ("gw", "gw2") else None, None, 1000),  # type: ignore[arg-type]
            documents=AppDocuments(
                lambda token: token if token in may else None, lambda app, name: may[app](name), node.keeper, SETTINGS
            ),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(deps)), base_url="https://node") as client:
            await body(client, node)
        node.kill()

    asyncio.run(run())


def test_an_application_reads_what_it_and_others_wrote(tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        doc: Doc[Any] = Doc()
        made = await client.post("/api/v1/documents/line/1", content=edited(doc, a=1), headers=HMI)
        assert made.json() == {"version": node.keeper.version("line/1"), "is_new": True}
        again = await client.post("/api/v1/documents/line/1", content=doc.get_update(), headers=HMI)
        assert (again.status_code, again.json()["is_new"]) == (200, False)
        await node.edit("line/1", b=2)
        state = base64.urlsafe_b64encode(doc.get_state()).decode().rstrip("=")
        answer = await client.get(f"/api/v1/documents/line/1?state={state}", headers=HMI)
        doc.apply_update(answer.content)
        assert doc.get_update() == (await node.keeper.content("line/1")).update
        assert answer.headers["etag"] == f'"{node.keeper.version("line/1")}"'
        theirs = await client.get("/api/v1/documents/line/1?of=state", headers=HMI)
        assert theirs.content == (await node.keeper.content("line/1")).state
        await node.edit("secret", x=1)
        rows = (await client.get("/api/v1/documents", headers=HMI)).json()
        assert [row["name"] for row in rows] == ["line/1"]

    with_doors(tmp_path, body)


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({}, "all", 401),
        ({"Authorization": "Bearer nobody"}, "all", 401),
        ({"Authorization": "Basic hmi"}, "all", 401),
        ({"Authorization": "Bearer gw"}, "all", 401),
        ({"Authorization": "Bearer other"}, "all", 403),
        (HMI, "secret", 403),
        (HMI, "line", 403),
        (HMI, "line/1?state=%21", 400),
        (HMI, "line/1?state=gICA", 400),
        (HMI, "line/1?wait=61", 400),
        (HMI, "line/1?of=everything", 400),
        (HMI, "line/1?tale=1", 400),
    ],
)
def test_a_reader_without_the_right_words_is_told_what_is_wrong(
    tmp_path: Path, headers: dict[str, str], path: str, status: int
) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        answer = await client.get(f"/api/v1/documents/{path}", headers=headers)
        assert (answer.status_code, bool(answer.json()["hint"])) == (status, True)

    with_doors(tmp_path, body)


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"x", 400), (deep(100_000), 413), (deep(1000), 400), (b"x" * 4001, 413), (b"\x00\x00", 200)],
)
def test_a_hostile_update_is_refused_and_nothing_is_stored(tmp_path: Path, content: bytes, status: int) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        answer = await client.post("/api/v1/documents/all", content=content, headers=HMI)
        assert answer.status_code == status
        assert node.keeper.versions(lambda _: True) == {}

    with_doors(tmp_path, body)


def test_an_update_on_missing_edits_is_answered_with_the_state_to_build_on(tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        doc: Doc[Any] = Doc()
        edited(doc, a=1)
        answer = await client.post("/api/v1/documents/all", content=edited(doc, b=1), headers=HMI)
        assert answer.status_code == 409
        whole = doc.get_update(base64.b64decode(answer.json()["state"]))
        assert (await client.post("/api/v1/documents/all", content=whole, headers=HMI)).status_code == 200

    with_doors(tmp_path, body)


def test_one_document_too_many_is_507_and_one_too_large_413(tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        async def post(name: str, size: int) -> int:
            update = edited(Doc(), **{f"{size}": "x" * size})
            return (await client.post(f"/api/v1/documents/line/{name}", content=update, headers=HMI)).status_code

        assert [await post(name, 1500) for name in "abcd"] == [200, 200, 200, 507]
        assert [await post("a", size) for size in (3000, 2000)] == [413, 200]

    with_doors(tmp_path, body)


def test_a_reader_may_wait_for_another_version(tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        await node.edit("all", a=1)
        known = {**HMI, "If-None-Match": f'"{node.keeper.version("all")}"'}
        assert (await client.get("/api/v1/documents/all", headers=known)).status_code == 304
        waiting = asyncio.create_task(client.get("/api/v1/documents/all?wait=30", headers=known))
        await asyncio.sleep(0)
        await node.edit("line/1", b=1)  # not news to this one
        await node.edit("all", b=1)
        answer = await asyncio.wait_for(waiting, 5)
        assert (answer.status_code, len(answer.content) > 2) == (200, True)

    with_doors(tmp_path, body)


def test_too_many_waiting_readers_are_answered_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "HELD_PER_APP", 0)

    async def body(client: httpx.AsyncClient, node: Node) -> None:
        answer = await client.get("/api/v1/documents/all?wait=60", headers={**HMI, "If-None-Match": '"none"'})
        assert answer.status_code == 304

    with_doors(tmp_path, body)


async def ask(client: httpx.AsyncClient, child: str, message: DocumentAsk) -> DocumentReply:
    headers = {"Authorization": f"Bearer {child}"}
    answer = await client.post("/api/v1/sync/document", content=packed(message), headers=headers)
    assert answer.status_code == 200
    return unpacked(answer.content, DocumentReply)


def test_a_child_exchanges_only_what_the_parent_lists_for_it(tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        update = edited(Doc(), a=1)
        replies = [
            await ask(client, child, DocumentAsk(name, b"\x00", update))
            for child, name in (("gw", "site/gw/x"), ("gw2", "site/gw/x"), ("gw2", "all"), ("gw", "other"))
        ]
        assert [reply.status for reply in replies] == ["merged", "refused", "merged", "refused"]
        assert "documents.children" in replies[1].detail
        asked = NewsAsk(("*",))
        for child, names in (("gw", ["all", "site/gw/x"]), ("gw2", ["all"])):
            headers = {"Authorization": f"Bearer {child}"}
            answer = await client.post("/api/v1/sync/documents", content=packed(asked), headers=headers)
            assert list(unpacked(answer.content, News).versions or {}) == names

    with_doors(tmp_path, body)


@pytest.mark.parametrize("path", ["document", "documents"])
@pytest.mark.parametrize(("headers", "content", "status"), [(HMI, b"", 401), ({}, b"", 401), (GW, b"\xc1", 400)])
def test_a_stranger_or_nonsense_at_the_childrens_doors_is_refused(
    tmp_path: Path, path: str, headers: dict[str, str], content: bytes, status: int
) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        answer = await client.post(f"/api/v1/sync/{path}", content=content, headers=headers)
        assert answer.status_code == status

    with_doors(tmp_path, body)


def test_a_childs_hostile_update_is_refused_in_words(tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient, node: Node) -> None:
        reply = await ask(client, "gw", DocumentAsk("all", b"\x00", deep(100_000)))
        assert (reply.status, "refuses" in reply.detail) == ("refused", True)
        reply = await ask(client, "gw", DocumentAsk("all", b"\xff", edited(Doc(), a=1)))
        assert (reply.status, node.keeper.versions(lambda _: True)) == ("refused", {})

    with_doors(tmp_path, body)
