"""Drills: restored and cloned gateways are noticed, restarts are not; the checks bite when a guard is taken away."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from holdfast.ingest import welcoming
from holdfast.ingest.judge import Continue, judge
from holdfast.journal import shedding
from holdfast.journal.records import Gap
from holdfast.journal.transaction import Transaction
from holdfast.sim.tree.scenario import Odds, live
from holdfast.sim.tree.world import CheckFailed, World, run

T = TypeVar("T")
RAM = Path("/dev/shm")
SHEDDING = Odds(shed=0.2, cut=0.2)


def on_a_tree(seed: int, body: Callable[[World], Awaitable[T]], gateways: int = 1) -> T:
    with tempfile.TemporaryDirectory(dir=RAM if RAM.is_dir() else None) as folder:
        return run(Path(folder), seed, body, gateways)


def histories(world: World) -> int:
    return len(world.region.open.branches("gw0"))


async def publish_some(world: World, rng: Random, at: int = 0) -> None:
    for _ in range(rng.randrange(1, 4)):
        await world.publish(at, rng.randrange(1, 20), alert=rng.random() < 0.3)
        await asyncio.sleep(rng.uniform(0, 120))


async def restores(world: World, trials: int) -> int:
    """Set a gateway back to an image from before its last delivery, again and again; how often was it noticed?"""
    rng, noticed = Random(world.seed), 0
    for _ in range(trials):
        await publish_some(world, rng)
        world.take_image(world.machines[0].node)
        await publish_some(world, rng)
        await asyncio.sleep(120)
        before = histories(world)
        await world.restore(world.machines[0].node)
        await publish_some(world, rng)
        await asyncio.sleep(300)
        noticed += histories(world) == before + 1
    await world.heal(hours=2)
    world.check()
    return noticed


async def clones(world: World, trials: int) -> int:
    """Start a copy beside the running gateway; both go on. How often was the second one noticed?"""
    rng, noticed = Random(world.seed), 0
    for _ in range(trials):
        await publish_some(world, rng)
        before = histories(world)
        await world.clone(0)
        for _ in range(3):
            await publish_some(world, rng)
            await publish_some(world, rng, len(world.machines) - 1)
        await asyncio.sleep(600)
        noticed += histories(world) > before
    await world.heal()
    world.check()
    return noticed


@pytest.mark.parametrize(
    "stories", [pytest.param(2, id="forty"), pytest.param(10, id="two hundred", marks=pytest.mark.slow)]
)
@pytest.mark.timeout(120)
def test_restored_and_cloned_gateways_are_all_noticed_and_overwrite_nothing(stories: int) -> None:
    restored = sum(on_a_tree(seed, lambda world: restores(world, 10)) for seed in range(stories))
    cloned = sum(on_a_tree(seed, lambda world: clones(world, 4)) for seed in range(stories * 5 // 2))
    assert (restored, cloned) == (10 * stories, 10 * stories)


async def restarts(world: World, trials: int) -> int:
    rng = Random(world.seed)
    for _ in range(trials):
        await world.publish(0, rng.randrange(1, 20))
        await asyncio.sleep(rng.choice((0.0, 0.01, 0.03, 1.0, 30.0)))
        await world.machines[0].node.restart()
        await asyncio.sleep(rng.choice((0.0, 0.05, 5.0)))
    await world.heal()
    world.check()
    return histories(world)


@pytest.mark.parametrize("trials", [100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.timeout(120)
def test_restarts_raise_no_false_alarm(trials: int) -> None:
    assert on_a_tree(7, lambda world: restarts(world, trials)) == 1


async def regional_restores(world: World, trials: int) -> None:
    """The node in the middle comes back from an old image: its children's rows must not go up twice."""
    rng = Random(world.seed)
    for _ in range(trials):
        await publish_some(world, rng)
        await publish_some(world, rng, 1)
        world.take_image(world.region)
        await publish_some(world, rng)
        await publish_some(world, rng, 1)
        await asyncio.sleep(120)
        await world.restore(world.region)
        await publish_some(world, rng)
        await world.heal()
        world.check()


def test_a_restored_regional_node_doubles_nothing() -> None:
    on_a_tree(3, lambda world: regional_restores(world, 8), gateways=2)


def failing(odds: Odds, seeds: range) -> int:
    """How many of these stories, of a day each, the check finds fault with."""
    found = 0
    for seed in seeds:
        try:
            on_a_tree(seed, lambda world: live(world, 1, odds), gateways=3)
        except CheckFailed:
            found += 1
    return found


def test_the_check_finds_a_build_without_the_incarnation_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(branches: Any, hello: Any, now_ns: int) -> Any:
        if not branches:
            return guarded(branches, hello, now_ns)
        return Continue(branches[-1])

    guarded = judge
    assert on_a_tree(1, lambda world: restores(world, 1)) == 1
    monkeypatch.setattr(welcoming, "judge", believe)
    with pytest.raises(CheckFailed):
        on_a_tree(1, lambda world: restores(world, 1))


def test_the_check_finds_a_build_that_sheds_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(tx: Transaction, gap: Gap, chain: bytes) -> None:
        tx.count("silently", len(gap))

    assert failing(SHEDDING, range(3)) == 0
    monkeypatch.setattr(shedding, "place_gap", forget)
    assert failing(SHEDDING, range(3)) == 3


def test_the_check_finds_a_build_that_reports_a_gap_of_the_wrong_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def shorter(tx: Transaction, gap: Gap) -> None:
        if len(gap) > 1:
            right(tx, Gap(gap.lane, gap.first + 1, gap.last, gap.bytes, gap.reason, gap.ts_min, gap.ts_max, gap.at_ns))

    right = shedding.add_gap
    monkeypatch.setattr(shedding, "add_gap", shorter)
    assert failing(SHEDDING, range(3)) == 3
