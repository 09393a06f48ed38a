"""Rules over a real journal: a restart at any moment changes nothing, and an edit only what it says."""

import asyncio
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from tests.unit.intake.rules import START_NS, Plant, compiled

from holdfast.journal.alert_labels import Label
from holdfast.kernel.clock import ManualClock
from holdfast.model.event import Event
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.plans import READINGS
from holdfast.stream.rules import CompiledRule

RULES = """
rules:
  hot:
    {select: "avg(temperature) as t, count(temperature) as n", window: sliding 5 samples, when: t > 60,
     for: 2 samples, clear_when: t < 50}
  tight: {select: max(pressure) as p, window: sliding 3 samples, when: p > 8, latch: true}
  both: {select: "temperature, pressure", when: temperature > 70 and pressure > 5, for: 1s, clear_for: 2 samples}
  held: {select: temperature, when: temperature > 55, for: 2s, cooldown: 3s}
  tens:
    {select: "avg(temperature) as t, max(pressure) as p", window: tumbling 3s, when: t > 58,
     do: [{store: {power.mean: t}}]}
  hops: {select: "sum(pressure) as p", window: hopping 4s every 2s grace 1s, when: p > 20}
  slide: {select: "max(temperature) as m", window: sliding 3s, when: m > 75}
  visits: {select: "count(temperature) as n", window: session 1s, when: n > 2}
  counts: {select: "avg(pressure) as p", window: count 4, when: p > 6}
  gone: {select: temperature, absent: 3s}
  then: {select: "temperature as t, pressure as p", when: t > 65, then: p > 7, within: 2s}
  unless: {select: "temperature as t, pressure as p", when: t > 65, unless: p > 7, within: 1s}
  above: {select: "max(t) as top", from: tens, window: sliding 2 samples, when: top > 60}
  quiet: {select: "avg(temperature) as t", window: tumbling 5s, do: [{publish: "out/{device}", on: result}]}
  day:
    {select: "range(temperature) as r", window: calendar hour in Asia/Kolkata late 10s, when: r > 30}
  mean: {select: avg(value) as m, by: series, window: tumbling 2s, when: m > 40, latch: true}
  unusual: {detect: auto, select: "*"}
  odd: {select: "max(anomaly(pressure)) as a, count(expected(pressure)) as n", window: count 3, when: n > 1}
  runs: {select: "max(pressure) as p", window: state while temperature > 60, when: p > 7}
"""

Op = Callable[[Plant], None]
METRICS = ("temperature", "pressure")
SAID: tuple[Label, ...] = ("confirmed", "rejected", "rejected")


def a_story(seed: int, length: int) -> list[list[Op]]:
    """Commits of a few messages, ticks and acknowledgements each, with time passing between."""
    rng = random.Random(seed)

    def op() -> Op:
        device, kind = f"press-{rng.randrange(4)}", rng.random()
        if kind < 0.15:
            return Plant.tick
        if kind < 0.2:
            place, said = ("gw", device, rng.choice(METRICS)), rng.choice(SAID)
            return lambda plant: plant.label("unusual", place, said)
        if kind < 0.23:
            metric = rng.choice(METRICS)
            return lambda plant: plant.intake.acknowledge("mean", "gw", device, metric)
        if kind < 0.28:
            rule = rng.choice(["hot", "tight", "both"])
            return lambda plant: plant.intake.acknowledge(rule, "gw", device)
        values = {m: round(rng.gauss(mean, wide), 2) for m, mean, wide in (("t", 55, 15), ("p", 6, 2))}
        if kind < 0.5:
            del values[rng.choice("tp")]
        return lambda plant: plant.send(device, **values)

    return [[op() for _ in range(rng.randrange(1, 6))] for _ in range(length)]


def told(folder: Path, story: list[list[Op]], killed_after: Callable[[int], bool]) -> tuple[list[Event], bytes]:
    """The story told to a node, killed now and then: its events, and the engine's state at the end."""

    async def run() -> tuple[list[Event], bytes]:
        clock, rules = ManualClock(START_NS), compiled(folder.parent, RULES)
        plant = Plant(folder, rules, clock)
        for i, ops in enumerate(story):
            for op in ops:
                clock.advance(0.25)
                op(plant)
                plant.intake.decide_now()
            plant.tick()
            await plant.settled()
            if killed_after(i):
                state = plant.engine.snapshot()
                plant.end()
                plant = Plant(folder, rules, clock)
                plant.tick()  # a tick that told nothing isn't stored; the next one does what it did
                assert plant.engine.snapshot() == state
        events, state = plant.events(), plant.engine.snapshot()
        plant.end()
        return events, state

    return asyncio.run(run())


def in_order(state: bytes, rules: list[CompiledRule]) -> bytes:
    """An engine's state with its keys in order of their names, whatever order they were heard in."""
    catalogue = Catalogue()
    for device, metric in product(range(4), ("pressure", "temperature")):
        catalogue.intern(Series("gw", f"press-{device}", metric, "Pa" if metric == "pressure" else "Cel", Kind.FLOAT))
    engine = Engine(rules, catalogue, "gw")
    engine.routes.refresh()
    for line in engine.lines:
        for device in range(4):
            if line.plan.source != READINGS:
                line.stage.route.slot(("gw", f"press-{device}", ""))
    assert engine.restore(state)
    return engine.snapshot()


@pytest.mark.parametrize(
    ("seed", "every"),
    [(1, 1), (3, 7), pytest.param(2, 3, marks=pytest.mark.slow), pytest.param(4, 29, marks=pytest.mark.slow)],
)
def test_a_node_killed_between_any_two_commits_goes_on_bit_for_bit(tmp_path: Path, seed: int, every: int) -> None:
    story = a_story(seed, 40)
    for name in ("alone", "often"):
        (tmp_path / name).mkdir()
    once, state = told(tmp_path / "alone", story, lambda _: False)
    often, again = told(tmp_path / "often", story, lambda i: i % every == every - 1)
    assert len(once) > 10
    assert often == once
    rules = compiled(tmp_path, RULES)
    assert in_order(again, rules) == in_order(state, rules)
