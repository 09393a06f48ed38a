"""A node's documents: on disk before anybody hears of them, bounded, and healed when the disk lies."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Map
from tests.unit.documents.test_outline import HOSTILE
from tests.unit.documents.tower import Link, Node, edited

from holdfast.documents import keeper as keeper_module
from holdfast.documents.errors import DocumentTooLarge, TooManyDocuments, UpdateGap, UpdateMalformed
from holdfast.documents.replica import EMPTY, MOST_TYPES
from holdfast.documents.settings import DocumentsSettings
from holdfast.journal.documents import read_documents, read_updates


def with_node(folder: Path, body: Callable[[Node], Awaitable[None]], **more: Any) -> None:
    async def run() -> None:
        node = Node(folder, "gw", **more)
        await body(node)
        node.kill()

    asyncio.run(run())


def test_an_edit_survives_a_kill_with_its_version(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        await node.edit("d", a=1)
        version = node.keeper.version("d")
        node.kill()
        node.start()
        assert (await node.read("d"), node.keeper.version("d")) == ({"a": 1}, version)
        await node.edit("d", a=2)
        assert node.keeper.version("d").split(".")[0] != version.split(".")[0]

    with_node(tmp_path, body)


def test_what_is_merged_twice_is_stored_once(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        update = edited(Doc(), a=1)
        assert [await node.keeper.merge("d", update) for _ in range(2)] == [True, False]
        assert len(read_updates(node.journal, "d")) == 1

    with_node(tmp_path, body)


@pytest.mark.parametrize("name", HOSTILE)
def test_of_a_hostile_update_nothing_is_stored(tmp_path: Path, name: str) -> None:
    async def body(node: Node) -> None:
        if HOSTILE[name]:  # no bytes at all are no edit
            with pytest.raises(UpdateMalformed):
                await node.keeper.merge("d", HOSTILE[name])
        assert read_documents(node.journal) == []
        await node.edit("d", a=1)
        assert await node.read("d") == {"a": 1}

    with_node(tmp_path, body)


def test_an_update_that_builds_on_missing_edits_is_refused_with_the_state(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        doc: Doc[Any] = Doc()
        first, second = edited(doc, a=1), edited(doc, b=1)
        with pytest.raises(UpdateGap) as gap:
            await node.keeper.merge("d", second)
        assert gap.value.state == b"\x00"
        assert read_documents(node.journal) == []
        await node.keeper.merge("d", first)
        await node.keeper.merge("d", second)
        doc.get("m", type=Map).clear()
        removal = doc.get_update(doc.get_state())
        with pytest.raises(UpdateGap):
            await node.keeper.merge("other", removal)

    with_node(tmp_path, body)


def test_a_document_stops_at_its_bound_and_shrinks_again(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        doc: Doc[Any] = Doc()
        await node.keeper.merge("d", edited(doc, a="x" * 1500))
        with pytest.raises(DocumentTooLarge):
            await node.keeper.merge("d", edited(Doc(), b="x" * 1500))
        with pytest.raises(DocumentTooLarge):
            await node.keeper.merge("d", b"x" * 5000)
        assert list(await node.read("d")) == ["a"]
        for _ in range(5):  # what is overwritten makes room
            await node.keeper.merge("d", edited(doc, a="y" * 1500))
        assert len((await node.keeper.content("d")).update) < 2500

    with_node(tmp_path, body, settings=DocumentsSettings(max_bytes=2500))


def test_nesting_is_bounded_by_the_number_of_nested_types(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        doc: Doc[Any] = Doc()
        with doc.transaction():
            fields = doc.get("m", type=Map)
            for i in range(MOST_TYPES + 1):
                fields[f"{i}"] = Map()
        with pytest.raises(DocumentTooLarge, match="nested"):
            await node.keeper.merge("d", doc.get_update())

    with_node(tmp_path, body)


def test_there_are_so_many_documents_and_no_more(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        await node.edit("a", x=1)
        with pytest.raises(TooManyDocuments):
            await node.edit("b", x=1)
        for name in ("", "../a", "a" * 128, "a b", "ä"):
            with pytest.raises(UpdateMalformed):
                await node.edit(name, x=1)
        assert list(node.keeper.versions(lambda _: True)) == ["a"]

    with_node(tmp_path, body, settings=DocumentsSettings(max_documents=1))


def test_many_edits_become_one_row_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "MOST_ROWS", 8)

    async def body(node: Node) -> None:
        doc: Doc[Any] = Doc()
        for n in range(100):
            await node.keeper.merge("d", edited(doc, n=n))
            assert len(read_updates(node.journal, "d")) <= 10
        node.kill()
        node.start()
        assert await node.read("d") == {"n": 99}
        assert node.keeper.size("d") < 500

    with_node(tmp_path, body)


def test_documents_that_nobody_asked_for_lately_are_read_again(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        for n in range(5):
            await node.edit(f"d{n}", n=n)
        assert [(await node.read(f"d{n}")) for n in range(5)] == [{"n": n} for n in range(5)]
        assert len(node.keeper._held) == 1

    with_node(tmp_path, body, settings=DocumentsSettings(cache=1))


def test_many_at_once_take_turns(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        await asyncio.gather(*(node.keeper.merge("d", edited(Doc(), **{f"k{n}": n})) for n in range(50)))
        assert await node.read("d") == {f"k{n}": n for n in range(50)}
        assert not node.keeper._locks

    with_node(tmp_path, body)


def test_a_damaged_update_is_left_out_and_comes_back_from_the_parent(tmp_path: Path) -> None:
    async def run() -> None:
        hub, gateway = Node(tmp_path, "hub"), Node(tmp_path, "gw")
        gateway.attach(Link(hub))
        doc: Doc[Any] = Doc()
        for n in range(3):
            await gateway.keeper.merge("d", edited(doc, **{f"k{n}": n}))
        await gateway.sync()
        gateway.kill()
        gateway.start()
        await gateway.journal.submit(
            lambda tx: tx.db.execute("UPDATE document_updates SET data = x'0102' WHERE id = 2")
        )
        assert await gateway.read("d") == {"k0": 0}
        assert any("DocumentDamaged" in line for line in gateway.log)
        await gateway.sync()
        assert await gateway.read("d") == {"k0": 0, "k1": 1, "k2": 2}
        hub.kill()
        gateway.kill()

    asyncio.run(run())


def test_a_document_that_is_not_there_is_empty(tmp_path: Path) -> None:
    async def body(node: Node) -> None:
        content = await node.keeper.content("d")
        assert (content.version, content.update) == ("", EMPTY)
        assert not await node.keeper.news(lambda: node.keeper.version("d") != "", 0.001)

    with_node(tmp_path, body)
