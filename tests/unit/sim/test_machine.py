"""Hypothesis looks for a story that loses or doubles something, and shrinks it (RELIABILITY §5).

Two kinds of story, as in `sim.tree.scenario`: only the regional node is restored and nobody cloned, or the hub and
gateways are restored and cloned. One restored machine at a time: the tree heals before the next.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from holdfast.sim.tree.node import SimNode
from holdfast.sim.tree.scenario import NS_PER_S
from holdfast.sim.tree.virtual import VirtualLoop
from holdfast.sim.tree.world import World

RAM = Path("/dev/shm")
GATEWAYS = 3
MOST_MACHINES = 5
YEAR_S = 365 * 86_400
PLACES = st.integers(0, MOST_MACHINES - 1)
NODES = st.integers(0, MOST_MACHINES + 1)
CHANCE = st.sampled_from((0.0, 0.3, 0.7))


class Tree(RuleBasedStateMachine):
    """Three gateways, a regional node, a hub. What is checked at the end is `World.check`."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=RAM if RAM.is_dir() else None))
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.world: World
        self.restores_region = False

    @initialize(seed=st.integers(0, 2**16), restores_region=st.booleans())
    def begin(self, seed: int, *, restores_region: bool) -> None:
        async def start() -> World:
            world = World(self.folder, seed, GATEWAYS)
            world.start()
            return world

        self.restores_region = restores_region
        self.world = self.loop.run_until_complete(start())

    @rule(at=PLACES, count=st.integers(1, 30), alert=st.booleans())
    def publish(self, at: int, count: int, *, alert: bool) -> None:
        self._do(self.world.publish(at % len(self.world.machines), count, alert=alert))

    @rule(seconds=st.sampled_from((0.01, 0.03, 0.6, 30.0, 3600.0)))
    def wait(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))

    @rule(node=NODES)
    def cut_or_join(self, node: int) -> None:
        weather = self._node(node).weather
        weather.cut = not weather.cut

    @rule(node=NODES, request=CHANCE, answer=CHANCE, twice=CHANCE, busy=CHANCE)
    def change_weather(self, node: int, request: float, answer: float, twice: float, busy: float) -> None:
        weather = self._node(node).weather
        weather.lose_request, weather.lose_answer, weather.twice, weather.busy = request, answer, twice, busy

    @rule(node=NODES, stays=st.booleans())
    def crash(self, node: int, *, stays: bool) -> None:
        found = self._node(node)
        self._do(found.kill() if stays and found.is_up else found.restart())

    @rule(at=PLACES)
    def shed(self, at: int) -> None:
        self._do(self.world.shed(at % len(self.world.machines)))

    @rule(node=NODES, years=st.floats(-10, 10))
    def set_the_clock(self, node: int, years: float) -> None:
        self._node(node).clock.offset_ns += round(years * YEAR_S) * NS_PER_S

    @rule(node=NODES)
    def take_an_image(self, node: int) -> None:
        if self._node(node).is_up:
            self.world.take_image(self._node(node))

    @rule(node=NODES)
    def restore(self, node: int) -> None:
        found, world = self._node(node), self.world
        if (found is world.region) is not self.restores_region or found.folder.name not in world.images:
            return
        self._do(world.restore(found))
        self._do(world.heal())

    @precondition(lambda self: not self.restores_region and len(self.world.machines) < MOST_MACHINES)
    @rule(at=PLACES)
    def clone(self, at: int) -> None:
        at %= len(self.world.machines)
        if self.world.machines[at].node.is_up:
            self._do(self.world.clone(at))

    @rule()
    def heal_and_check(self) -> None:
        self._do(self.world.heal())
        self.world.check()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.heal_and_check()
        finally:
            if hasattr(self, "world"):
                self._do(self.world.stop())
            asyncio.set_event_loop(None)
            self.loop.close()
            shutil.rmtree(self.folder)

    def _node(self, number: int) -> SimNode:
        return self.world.nodes[number % len(self.world.nodes)]

    def _do(self, what: Coroutine[Any, Any, object]) -> None:
        self.loop.run_until_complete(what)


CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=CHECKS)


class LongTree(Tree):
    """The same, for longer."""


TestLongTree = pytest.mark.slow(pytest.mark.timeout(3600)(LongTree.TestCase))
TestLongTree.settings = settings(max_examples=1500, stateful_step_count=60, deadline=None, suppress_health_check=CHECKS)
