"""Days in the life of a tree, drawn from a seed: data all the time, and every fault now and then."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from holdfast.journal.rows import SELECT
from holdfast.sim.tree.node import SimNode
from holdfast.sim.tree.world import World
from holdfast.storage.sqlite import open_reader, rows

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Odds:
    """How often things happen, per hour over the whole tree."""

    publish: float = 3.0
    alert: float = 0.1
    cut: float = 0.05
    bad_weather: float = 0.05
    kill: float = 0.05
    image: float = 0.03
    restore: float = 0.004
    clone: float = 0.001
    shed: float = 0.02
    clock_jump: float = 0.01
    most_clones: int = 2


@dataclass(slots=True)
class Story:
    """What happened."""

    days: int
    counts: Counter[str] = field(default_factory=Counter)
    digest: str = ""


async def live(world: World, days: int, odds: Odds = Odds()) -> Story:  # frozen
    """Live through `days` of faults, heal, and check.

    Raises:
        CheckFailed: when anything acked was lost, doubled or not accounted for.
    """
    rng = Random(f"story/{world.seed}")
    story = Story(days)
    for _ in range(24 * days):
        for name in _due(rng, odds):
            story.counts[name] += 1
            await _happen(world, rng, name, odds, story)
        await asyncio.sleep(3600)
    await world.heal()
    story.counts.update(world.check())
    story.digest = digest(world)
    return story


def digest(world: World) -> str:
    """A hash over every stored row of every node: equal for equal seeds, byte by byte."""
    total = hashlib.sha256()
    for node in world.nodes:
        db = open_reader(node.folder / "journal.db")
        for stored in rows(db, SELECT + "ORDER BY place"):
            total.update(repr(stored).encode())
        for table in ("gaps", "branches", "branch_marks", "incarnations", "counters", "cursors"):
            total.update(repr(rows(db, f"SELECT * FROM {table}")).encode())  # noqa: S608  # our own names
        db.close()
    return total.hexdigest()


def _due(rng: Random, odds: Odds) -> list[str]:
    due = ["publish"] * int(odds.publish)
    for name in ("cut", "bad_weather", "kill", "image", "restore", "clone", "shed", "clock_jump"):
        if rng.random() < getattr(odds, name):
            due.append(name)
    rng.shuffle(due)
    return due


async def _happen(  # noqa: C901  # one arm a fault
    world: World, rng: Random, name: str, odds: Odds, story: Story
) -> None:
    at = rng.randrange(len(world.machines))
    node = rng.choice(world.nodes)
    match name:
        case "publish":
            await world.publish(at, rng.randrange(1, 20), alert=rng.random() < odds.alert)
        case "cut":
            node.weather.cut = not node.weather.cut
        case "bad_weather":
            _change_weather(node, rng)
        case "kill":
            await _kill(node, rng)
        case "image" if node.is_up:
            world.take_image(node)
        case "restore":
            await _restore(world, node, story)
        case "clone" if (
            world.seed % 2 == 0 and len(world.machines) < 3 + odds.most_clones and world.machines[at].node.is_up
        ):
            await world.clone(at)
            story.counts["cloned"] += 1
        case "shed":
            await world.shed(at)
        case "clock_jump":
            node.clock.offset_ns += round(rng.uniform(-10, 10) * 365 * 86_400) * NS_PER_S
        case _:
            pass


def _change_weather(node: SimNode, rng: Random) -> None:
    node.weather.lose_request = rng.choice((0.0, 0.2, 0.5))
    node.weather.lose_answer = rng.choice((0.0, 0.2, 0.5))
    node.weather.twice = rng.choice((0.0, 0.3))
    node.weather.busy = rng.choice((0.0, 0.2))


async def _kill(node: SimNode, rng: Random) -> None:
    if node.is_up and rng.random() < 0.3:
        await node.kill()
    else:
        await node.restart()


async def _restore(world: World, node: SimNode, story: Story) -> None:
    """Put an old image back.

    Odd seeds restore the regional node and clone nobody, even ones restore the hub and clone gateways: what a restored
    regional node leaves to the hub is lost when the hub then comes back from an older backup.
    """
    if node is (world.hub if world.seed % 2 else world.region):
        return
    if node.folder.name in world.images:
        await world.restore(node)
        await world.heal()  # one restored machine at a time: two at once can hide each other's traces
        story.counts["restored"] += 1
