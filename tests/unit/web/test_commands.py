"""Who may command what over HTTP, and what the answers say."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from tests.unit.commands.world import World
from tests.unit.web.doors import make_deps

from holdfast.commands.below import Below
from holdfast.commands.settings import CommandSettings
from holdfast.documents.settings import matcher
from holdfast.model.command import State
from holdfast.web.app import build_app
from holdfast.web.deps import Commands

PATH = "/api/v1/devices/press-1/commands"
MAY = {"hmi": matcher(["press-*"]), "far": matcher(["gw-2/press-*"])}


class Door:
    """A node's API on a real command service."""

    def __init__(self, world: World, host: str) -> None:
        self.world = world
        commands = Commands(
            "gw",
            world.service,
            world.journal.look,
            lambda token: token if token in MAY else None,
            lambda app, device: MAY[app](device),
            Below(world.service),
        )
        transport = httpx.ASGITransport(build_app(make_deps(commands=commands)), client=(host, 1))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    async def post(self, body: Any, app: str = "", path: str = PATH) -> httpx.Response:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {app}"} if app else {})
        content = body if isinstance(body, bytes) else json.dumps(body)
        answer = await self.client.post(path, content=content, headers=headers)
        await self.world.calm()
        return answer

    async def get(self, path: str, app: str = "", **params: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {app}"} if app else {}
        return await self.client.get(path, params=params, headers=headers)


def at_door(
    folder: Path,
    body: Callable[[Door], Awaitable[None]],
    host: str = "127.0.0.1",
    per_device: int = 100,
    total: int = 10_000,
) -> None:
    async def run() -> None:
        world = World(folder, settings=CommandSettings(per_device=per_device, total=total), children=lambda: ["gw-2"])
        await world.begin()
        await body(Door(world, host))
        world.kill()

    asyncio.run(run())


def test_a_command_is_taken_once_and_its_history_is_shown(tmp_path: Path) -> None:
    async def body(door: Door) -> None:
        asked = {"name": "stop", "params": {"b": 1, "a": 2}, "id": "c1", "deadline": 30}
        first = await door.post(asked)
        assert (first.status_code, first.json()["state"], first.json()["origin"]) == (202, "accepted", "local")
        again = await door.post(asked)
        assert (again.status_code, again.json()["state"]) == (200, "sent")
        other = await door.post(asked | {"name": "start"})
        assert other.status_code == 409
        assert "another command" in other.json()["error"]
        await door.world.answer("c1", State.FAILED)
        shown = (await door.get(f"{PATH}/c1", wait=5)).json()
        assert (shown["state"], shown["result"], shown["params"]) == ("failed", 1, {"a": 2, "b": 1})
        made = (await door.post({"name": "stop"})).json()
        assert len(made["id"]) == 32
        assert [one["id"] for one in (await door.get(PATH)).json()] == [made["id"], "c1"]
        assert [one["id"] for one in (await door.get(PATH, limit=1, before=made["place"])).json()] == ["c1"]
        assert [one["id"] for one in (await door.get("/api/v1/commands")).json()] == [made["id"], "c1"]
        assert (await door.get("/api/v1/commands/c1")).json()["device"] == "press-1"
        assert (await door.get("/api/v1/devices/press-2/commands/c1")).status_code == 404
        assert (await door.get("/api/v1/commands/c9")).status_code == 404

    at_door(tmp_path, body)


def test_waiting_ends_with_the_command(tmp_path: Path) -> None:
    async def body(door: Door) -> None:
        await door.post({"name": "stop", "id": "c1"})
        waiting = asyncio.ensure_future(door.get(f"{PATH}/c1", wait=20))
        for _ in range(1_000):
            await asyncio.sleep(0.001)
            one = door.world.service.desk.get("c1")
            if one is not None and one.over:
                break
        await door.world.answer("c1")
        async with asyncio.timeout(5):
            assert (await waiting).json()["state"] == "done"

    at_door(tmp_path, body)


def test_an_application_commands_what_is_named_for_it(tmp_path: Path) -> None:
    async def body(door: Door) -> None:
        assert (await door.post({"name": "stop"})).status_code == 403  # not from this machine, and no token
        assert (await door.post({"name": "stop"}, "nobody")).status_code == 401
        taken = await door.post({"name": "stop", "id": "c1"}, "hmi")
        assert (taken.status_code, taken.json()["origin"]) == (202, "app:hmi")
        refused = await door.post({"name": "stop"}, "far")
        assert refused.status_code == 403
        assert "apps.far.commands" in refused.json()["hint"]
        assert (await door.post({"name": "stop", "node": "gw-2"}, "far")).status_code == 202
        assert (await door.post({"name": "stop", "node": "gw-2"}, "hmi")).status_code == 403
        assert (await door.get(f"{PATH}/c1", "far")).status_code == 403
        assert (await door.get(f"{PATH}/c1", "hmi")).status_code == 200
        assert (await door.get(PATH, "far")).status_code == 403
        assert (await door.get("/api/v1/commands", "hmi")).status_code == 403

    at_door(tmp_path, body, host="10.0.0.9")


def test_what_cannot_be_taken_is_said_in_words(tmp_path: Path) -> None:
    async def body(door: Door) -> None:
        for wrong in (b"{", {"nome": "stop"}, {"name": "st op"}, {"name": "stop", "deadline": 0}, {"name": ""}):
            refused = await door.post(wrong)
            assert refused.status_code == 400, wrong
            assert refused.json()["hint"]
        long = await door.post({"name": "stop", "params": {"x": "y" * 70_000}})
        assert (long.status_code, "65,536 is the most" in long.json()["error"]) == (400, True)
        assert (await door.post({"name": "stop", "node": "nowhere"})).status_code == 404
        assert (await door.post({"name": "stop"})).status_code == 202
        crowded = await door.post({"name": "stop"})
        assert (crowded.status_code, crowded.headers["retry-after"]) == (429, "1")
        assert (await door.post({"name": "stop"}, path="/api/v1/devices/press-2/commands")).status_code == 202
        full = await door.post({"name": "stop"}, path="/api/v1/devices/press-3/commands")
        assert full.status_code == 507
        assert len(door.world.rows()) == 2

    at_door(tmp_path, body, per_device=1, total=2)
