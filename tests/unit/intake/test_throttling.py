"""A rule over its budget: it alone misses readings, every one of them counted, and everybody is told."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.intake.rules import START_NS, Plant, compiled

from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.stream.costs import Stopwatch
from holdfast.stream.engine import Limits
from holdfast.stream.rules import CompiledRule

RULES = """
rules:
  light:
    select: temperature
    when: temperature > 60
  heavy:
    select: avg(temperature) as t
    window: sliding 2 samples
    when: t > 60
"""
CHEAP_NS, DEAR_NS = 20_000, 2_000_000
"""What a batch costs the rules: the one 100 times the other."""


class Slow:
    """A stopwatch that runs only as the rules' own columns let it, and with the node's clock between."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.spent = clock, 0

    def now(self) -> int:
        return self.clock.wall_ns() - START_NS + self.spent + 1

    def costly(self, rule: CompiledRule, ns: int) -> CompiledRule:
        (first,) = rule.values

        def compute(columns: Any) -> Any:
            self.spent += ns
            return first(columns)

        return replace(rule, values=(compute,))


def at_plant(folder: Path, body: Callable[[Plant, Slow], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = ManualClock(START_NS)
        slow = Slow(clock)
        light, heavy = compiled(folder, RULES)
        rules = [slow.costly(light, CHEAP_NS), slow.costly(heavy, DEAR_NS)]
        plant = Plant(folder, rules, clock, Limits(cpu=0.2), Stopwatch(slow.now, slow.now))
        try:
            await body(plant, slow)
        finally:
            plant.end()

    asyncio.run(run())


async def load(plant: Plant, seconds: float, every_s: float) -> int:
    """A message each so often, and the ticks: how many messages."""
    count, until, next_tick = 0, plant.clock.wall_ns() + round(seconds * NS_PER_S), 0
    while plant.clock.wall_ns() < until:
        plant.machine.advance(every_s)
        plant.send("press-1", t=99.0 if count % 2 else 20.0)
        plant.intake.decide_now()
        count += 1
        if plant.clock.wall_ns() >= next_tick:
            plant.tick()
            next_tick = plant.clock.wall_ns() + NS_PER_S // 4
        if not count % 50:
            await plant.settled()
    await plant.settled()
    return count


@pytest.mark.timeout(120)
def test_a_rule_that_costs_a_hundredfold_misses_readings_and_the_others_miss_none(tmp_path: Path) -> None:
    async def body(plant: Plant, slow: Slow) -> None:
        before = slow.spent
        sent = await load(plant, 14, 0.004)  # heavy alone would need half of a core
        costs = {cost.rule: cost for cost in plant.engine.costs()}
        light, heavy = costs["light"], costs["heavy"]
        assert (light.messages, light.skipped) == (sent, 0)
        assert (heavy.messages + heavy.skipped) == sent
        assert heavy.skipped > sent / 4
        assert sent * CHEAP_NS // 2 < light.cpu_ns < 3 * sent * CHEAP_NS
        assert heavy.cpu_ns >= heavy.messages * DEAR_NS
        assert 0.15 < heavy.cpu_ns / (14 * NS_PER_S + slow.spent - before) < 0.33
        assert 0.1 < heavy.share < 0.3
        counters = plant.journal.counters()
        assert counters["rule_rows_shed.heavy"] == heavy.skipped
        assert "rule_rows_shed.light" not in counters
        assert counters["readings_accepted"] == sent
        kinds = Counter((e.kind, e.rule) for e in plant.events())
        assert kinds["rule.throttled", "heavy"] == 1
        assert kinds["alert.raised", "light"] == sent // 2
        await load(plant, 20, 1.0)
        (resumed,) = [e for e in plant.events() if e.kind == "rule.resumed"]
        (now,) = [cost for cost in plant.engine.costs() if cost.rule == "heavy"]
        assert resumed.why["skipped_readings"] == now.skipped
        assert not now.is_throttled

    at_plant(tmp_path, body)


def test_a_restart_leaves_out_again_what_was_left_out(tmp_path: Path) -> None:
    async def body(plant: Plant, slow: Slow) -> None:
        await load(plant, 6, 0.004)
        plant.journal.close()
        again = Plant(tmp_path, plant.engine.rules, plant.machine, Limits(cpu=0.2), Stopwatch(slow.now, slow.now))
        assert again.engine.snapshot() == plant.engine.snapshot()
        again.end()

    at_plant(tmp_path, body)


def test_a_rule_whose_alert_is_that_nothing_came_is_never_throttled(tmp_path: Path) -> None:
    light, heavy = compiled(tmp_path, RULES)
    absent = replace(heavy, alarm=replace(heavy.alarm, kind="absence", hold_ns=NS_PER_S))

    async def run() -> None:
        plant = Plant(tmp_path, [light, absent], ManualClock(START_NS), Limits(cpu=0.2))
        assert [line.meter.budget for line in plant.engine.lines] == [0.2, 0.0]
        plant.end()

    asyncio.run(run())


def test_devices_beyond_a_rules_limit_are_refused_and_counted_and_a_higher_limit_takes_them(tmp_path: Path) -> None:
    (light, _) = compiled(tmp_path, RULES)

    async def run() -> None:
        plant = Plant(tmp_path, [replace(light, most_keys=2)], ManualClock(START_NS))
        for i in range(5):
            plant.machine.advance(1)
            plant.send(f"press-{i}", t=99.0)
            await plant.settled()
        (cost,) = plant.engine.costs()
        assert (cost.keys, cost.refused) == (2, 3)
        assert plant.journal.counters()["rule_keys_refused.light"] == 3
        assert {e.device for e in plant.events()} == {"press-0", "press-1"}
        plant.intake.adopt([replace(light, most_keys=9, version="wider")])
        plant.machine.advance(1)
        plant.send("press-4", t=99.0)
        await plant.settled()
        assert {e.device for e in plant.events()} == {"press-0", "press-1", "press-4"}
        plant.end()

    asyncio.run(run())


@pytest.mark.parametrize("restart", [False, True])
def test_a_device_silent_for_long_is_forgotten_but_not_its_alert(tmp_path: Path, *, restart: bool) -> None:
    _, heavy = compiled(tmp_path, RULES)
    limits = Limits(forget_ns=30 * 86_400 * NS_PER_S)

    async def run() -> None:
        plant = Plant(tmp_path, [heavy], ManualClock(START_NS), limits)
        for device, values in (("cold", (50.0,)), ("hot", (99.0, 99.0))):
            for value in values:
                plant.machine.advance(1)
                plant.send(device, t=value)
        await plant.settled()
        plant.machine.advance(31 * 86_400)
        plant.tick()
        if restart:
            plant.send("else", t=1.0)
            await plant.settled()
            plant.end()
            plant = Plant(tmp_path, [heavy], plant.machine, limits)
        plant.machine.advance(1)
        plant.send("cold", t=75.0)  # with the forgotten 50 it would be 62.5
        plant.machine.advance(1)
        plant.send("hot", t=10.0)
        await plant.settled()
        assert [(e.device, e.kind) for e in plant.events()] == [
            ("hot", "alert.raised"),
            ("cold", "alert.raised"),
            ("hot", "alert.cleared"),
        ]
        plant.end()

    asyncio.run(run())
