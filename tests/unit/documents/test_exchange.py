"""Documents of a tree of nodes become the same, whatever is cut, lost, killed or restored in between."""

import asyncio
from pathlib import Path

from tests.unit.documents.tower import Link, Node


def test_edits_of_both_ends_meet(tmp_path: Path) -> None:
    async def run() -> None:
        hub, gateway = Node(tmp_path, "hub"), Node(tmp_path, "gw")
        gateway.attach(Link(hub))
        await hub.edit("recipes", a=1, b=1)
        await gateway.edit("recipes", c=2)
        await gateway.sync()
        assert await hub.read("recipes") == await gateway.read("recipes") == {"a": 1, "b": 1, "c": 2}
        await hub.edit("recipes", a=None)
        await gateway.edit("recipes", c=3)
        await gateway.sync()
        assert await hub.read("recipes") == await gateway.read("recipes") == {"b": 1, "c": 3}
        hub.kill()
        gateway.kill()

    asyncio.run(run())
