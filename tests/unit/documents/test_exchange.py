"""Documents of a tree of nodes become the same, whatever is cut, lost, killed or restored in between."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.documents.tower import Link, Node

from holdfast.documents.settings import DocumentsSettings
from holdfast.wire.errors import LinkDown


def with_pair(folder: Path, body: Callable[[Node, Node, Link], Awaitable[None]], **hub: DocumentsSettings) -> None:
    async def run() -> None:
        top, gateway = Node(folder, "hub", **hub), Node(folder, "gw")
        link = Link(top)
        gateway.attach(link)
        await body(top, gateway, link)
        top.kill()
        gateway.kill()

    asyncio.run(run())


def test_edits_of_both_ends_meet(tmp_path: Path) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await hub.edit("recipes", a=1, b=1)
        await gateway.edit("recipes", c=2)
        await gateway.sync()
        assert await hub.read("recipes") == await gateway.read("recipes") == {"a": 1, "b": 1, "c": 2}
        await hub.edit("recipes", a=None)
        await gateway.edit("recipes", c=3)
        await gateway.sync()
        assert await hub.read("recipes") == await gateway.read("recipes") == {"b": 1, "c": 3}

    with_pair(tmp_path, body)


def test_when_nothing_changed_nothing_is_exchanged(tmp_path: Path) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await hub.edit("recipes", a=1)
        await gateway.edit("recipes", b=2)
        await gateway.sync()
        asked = link.asked
        await gateway.sync()
        assert link.asked == asked
        version = hub.keeper.version("recipes")
        await gateway.exchanges.exchange("recipes")
        assert (hub.keeper.version("recipes"), gateway.exchanges.status().waiting) == (version, 0)

    with_pair(tmp_path, body)


def test_one_edit_costs_one_call_and_its_own_bytes(tmp_path: Path) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await gateway.edit("recipes", **{f"key-{i}": "x" * 50 for i in range(100)})
        await gateway.sync()
        asked, sent = link.asked, link.sent
        await gateway.edit("recipes", one="more")
        await gateway.sync()
        assert link.asked - asked == 1
        assert link.sent - sent < 100

    with_pair(tmp_path, body)


def test_an_answer_that_is_lost_costs_only_a_repeat(tmp_path: Path) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await gateway.edit("recipes", a=1)
        await gateway.sync()
        await gateway.edit("recipes", a=2)
        link.is_deaf = True
        with pytest.raises(LinkDown):
            await gateway.exchanges.exchange("recipes")
        assert await hub.read("recipes") == {"a": 2}
        version = hub.keeper.version("recipes")
        link.is_deaf = False
        await gateway.sync()
        assert hub.keeper.version("recipes") == version
        assert gateway.exchanges.due() == []

    with_pair(tmp_path, body)


@pytest.mark.parametrize("victim", ["hub", "gw"])
def test_a_node_that_comes_back_from_an_old_image_gets_everything_again(tmp_path: Path, victim: str) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await hub.edit("recipes", a=1, b=1)
        await gateway.sync()
        node = {"hub": hub, "gw": gateway}[victim]
        node.kill()
        shutil.copytree(tmp_path / victim, tmp_path / "image")
        node.start()
        await hub.edit("recipes", a=2)
        await gateway.edit("recipes", b=None, c=3)
        await gateway.sync()
        node.kill()
        shutil.rmtree(tmp_path / victim)
        shutil.copytree(tmp_path / "image", tmp_path / victim)
        node.start()
        assert await node.read("recipes") == {"a": 1, "b": 1}
        await gateway.sync()
        assert await hub.read("recipes") == await gateway.read("recipes") == {"a": 2, "c": 3}

    with_pair(tmp_path, body)


def test_a_restored_parent_is_asked_what_it_lacks_when_a_child_builds_on_what_was_lost(tmp_path: Path) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await gateway.edit("recipes", a=1)
        await gateway.sync()
        hub.kill()
        shutil.rmtree(tmp_path / "hub")
        hub.start()
        await gateway.edit("recipes", b=2)
        await gateway.exchanges.exchange("recipes")
        assert await hub.read("recipes") == {"a": 1, "b": 2}

    with_pair(tmp_path, body)


def test_a_document_that_the_parent_refuses_waits_alone(tmp_path: Path) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await gateway.edit("large", a="x" * 3000)
        await gateway.edit("small", a=1)
        await gateway.sync()
        assert await hub.read("small") == {"a": 1}
        status = gateway.exchanges.status()
        assert list(status.stuck) == ["large"]
        assert "documents.max_bytes" in status.stuck["large"]
        assert gateway.exchanges.due() == []
        gateway.clock.advance(31)
        assert gateway.exchanges.due() == ["large"]
        await gateway.edit("large", a=None)  # its bytes go with it
        await gateway.sync()
        assert (await hub.read("large"), gateway.exchanges.status().stuck) == ({}, {})
        assert sum("DocumentStuck" in line for line in gateway.log) == 1
        assert any("DocumentUnstuck" in line for line in gateway.log)

    with_pair(tmp_path, body, settings=DocumentsSettings(children=("*",), max_bytes=2000))


def test_a_parent_that_is_full_of_documents_says_so(tmp_path: Path) -> None:
    async def body(hub: Node, gateway: Node, link: Link) -> None:
        await gateway.edit("a", x=1)
        await gateway.edit("b", x=1)
        await gateway.sync()
        assert "documents.max_documents" in gateway.exchanges.status().stuck["b"]

    with_pair(tmp_path, body, settings=DocumentsSettings(children=("*",), max_documents=1))


NAMES = ("hub", "mid", "leaf")
STEPS = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from(NAMES), st.sampled_from("abc"), st.integers(0, 3) | st.none()),
    st.tuples(st.just("count"), st.sampled_from(NAMES), st.integers(-5, 9)),
    st.tuples(st.just("sync"), st.sampled_from(NAMES[1:])),
    st.tuples(st.just("cut"), st.sampled_from(NAMES[1:]), st.booleans()),
    st.tuples(st.just("is_deaf"), st.sampled_from(NAMES[1:]), st.booleans()),
    st.tuples(st.just("kill"), st.sampled_from(NAMES)),
)


class Tree:
    """Three levels, and what its counter must be."""

    def __init__(self, folder: Path) -> None:
        hub, mid, leaf = (Node(folder, name) for name in NAMES)
        mid.attach(Link(hub))
        leaf.attach(Link(mid))
        self.nodes = {"hub": hub, "mid": mid, "leaf": leaf}
        self.total = self.adders = 0

    async def take(self, what: str, name: str, *more: Any) -> None:
        node = self.nodes[name]
        if what == "edit":
            await node.edit("d", **{more[0]: more[1]})
        elif what == "count":
            self.adders, self.total = self.adders + 1, self.total + more[0]
            await node.edit("n", **{f"cell-{self.adders}": more[0]})
        elif what == "kill":
            node.kill()
            node.start()
        elif what == "sync":
            with suppress(LinkDown):
                await node.sync()
        elif node.link is not None:
            setattr(node.link, what, more[0])

    async def settle(self) -> None:
        for name in ("cut", "is_deaf"):
            for node in ("mid", "leaf"):
                await self.take(name, node, False)
        for node in ("leaf", "mid", "leaf", "mid", "leaf"):
            await self.nodes[node].sync()


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=40))
def test_any_mix_of_edits_cuts_and_kills_on_three_levels_ends_in_one_state_and_exact_sums(steps: list[Any]) -> None:
    async def run(folder: Path) -> None:
        tree = Tree(folder)
        for step in steps:
            await tree.take(*step)
        await tree.settle()
        found = [(await node.read("d"), await node.read("n")) for node in tree.nodes.values()]
        assert found[0] == found[1] == found[2]
        assert sum(found[0][1].values()) == tree.total
        for node in tree.nodes.values():
            node.kill()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
