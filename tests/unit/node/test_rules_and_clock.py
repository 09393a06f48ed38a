"""Rules on a machine that boots in 1970: once the clock is set, what they made is as if it had been right at once."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.intake.rules import Plant, compiled

from holdfast.intake.recall import mended
from holdfast.journal.restamp import REPAIR
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.kernel.trust import PROGRAM_MADE_NS

NOW = PROGRAM_MADE_NS + 2 * 365 * 86_400 * NS_PER_S
HOUR = 3_600
RULES = """
rules:
  hot:
    select: avg(temperature) as t
    window: sliding 4 samples
    when: t > 60
  swing:
    select: max(temperature) as high, min(temperature) as low
    window: sliding 3 samples
    when: high - low > 50
"""


class Machine:
    """A node that is started and killed on one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.kernel = folder, ManualClock(0, 10.0, "boot-1"), False
        self.rules = compiled(folder, RULES)
        self.plant = self.started()

    def started(self) -> Plant:
        self.plant = Plant(self.folder, self.rules, self.clock, kernel=lambda: self.kernel)
        return self.plant

    async def live(self, *values: float, device: str = "press") -> None:
        for value in values:
            self.clock.advance(1)
            self.plant.send(device, t=value)
            await self.plant.settled()

    async def set_clock(self) -> None:
        self.clock.set_wall(NOW)
        self.kernel = True
        assert self.plant.keeper is not None
        await self.plant.keeper.once()
        await self.plant.settled()

    def alerts(self) -> list[tuple[str, str, str, int]]:
        """In the journal, with times in seconds before the clock was set."""
        return [
            (e.rule, e.device, e.kind, (NOW - e.ts) // NS_PER_S)
            for e in self.plant.events()
            if e.kind.startswith("alert.")
        ]


WINDOWED = """
rules:
  means:
    select: avg(temperature) as t, count(temperature) as n
    window: tumbling 10s
    do: [{publish: "out/{device}", on: result}]
  held:
    select: max(temperature) as t
    window: tumbling 10s
    when: t > 60
    for: 20s
"""


def test_windows_of_1970_reopen_and_give_their_results_at_the_right_times(tmp_path: Path) -> None:
    async def body(machine: Machine) -> None:
        machine.plant.end()
        machine.rules = compiled(tmp_path, WINDOWED)
        machine.started()
        sent = []
        for i in range(60):
            value = 70.0 if 20 <= i < 55 else 20.0
            await machine.live(value)
            sent.append((machine.clock.boottime_ns(), value))
            machine.plant.tick()
        machine.clock.advance(HOUR)
        machine.plant.tick()
        boot_ns = machine.clock.boottime_ns()
        wrong = len(machine.plant.published)
        assert wrong >= 6
        await machine.plant.settled()
        told = len(machine.alerts())
        assert told == 2
        await machine.set_clock()
        windows: dict[int, list[float]] = {}
        for at, value in sent:
            ts = NOW - boot_ns + at
            windows.setdefault(ts - ts % (10 * NS_PER_S), []).append(value)
        machine.plant.tick()
        again = [json.loads(payload) for topic, payload in machine.plant.published[wrong:] if topic == "out/press"]
        assert [(one["from"], one["values"]["n"], one["values"]["t"]) for one in again] == [
            (start, len(values), pytest.approx(sum(values) / len(values))) for start, values in sorted(windows.items())
        ]
        assert len(machine.alerts()) == told

    on(tmp_path, body)


def on(folder: Path, body: Callable[[Machine], Awaitable[None]]) -> None:
    async def run() -> None:
        machine = Machine(folder)
        try:
            await body(machine)
        finally:
            machine.plant.end()

    asyncio.run(run())


def test_an_alert_raised_in_1970_is_told_once_and_looks_at_samples_of_the_right_time(tmp_path: Path) -> None:
    async def body(machine: Machine) -> None:
        await machine.live(99, 99)
        assert len(machine.alerts()) == 1
        machine.clock.advance(HOUR)
        await machine.set_clock()
        assert machine.alerts() == [("hot", "press", "alert.raised", HOUR + 1)]
        await machine.live(1, 1)
        assert machine.alerts()[1:] == [
            ("swing", "press", "alert.raised", -1),
            ("hot", "press", "alert.cleared", -2),
        ]
        why: Any = [e for e in machine.plant.events() if e.rule == "hot"][-1].why
        ages = [(NOW - ts) // NS_PER_S for ts in why["inputs"]["temperature"]["ts"]]
        assert ages == [HOUR + 1, HOUR, -1, -2]

    on(tmp_path, body)


def test_keys_known_before_the_boot_keep_the_samples_of_before_and_of_1970(tmp_path: Path) -> None:
    async def body(machine: Machine) -> None:
        machine.kernel = True
        machine.clock.set_wall(NOW - 86_400 * NS_PER_S)
        await machine.plant.keeper.once()  # type: ignore[union-attr]
        await machine.live(10, 100)
        machine.plant.end()
        machine.kernel, machine.clock = False, ManualClock(0, 10.0, "boot-2")
        machine.started()
        await machine.live(100)
        machine.clock.advance(HOUR)
        await machine.set_clock()
        await machine.live(100)  # (10 + 100 + 100 + 100) / 4
        last: Any = [e for e in machine.plant.events() if e.rule == "hot"][-1].why
        assert last["values"]["t"] == pytest.approx(70.0)
        assert last["inputs"]["temperature"]["values"] == [10, 100, 100]

    on(tmp_path, body)


def test_a_node_killed_between_the_move_and_the_mending_mends_at_its_next_start(tmp_path: Path) -> None:
    async def body(machine: Machine) -> None:
        await machine.live(99, 99, 20)
        machine.clock.advance(HOUR)
        plant, keeper = machine.plant, machine.plant.keeper
        assert keeper is not None
        moved = asyncio.Event()

        async def never() -> None:
            moved.set()
            await asyncio.Event().wait()

        keeper.hold_through(plant.intake.hold, never)
        task = asyncio.ensure_future(machine.set_clock())
        await moved.wait()
        assert plant.journal.meta(REPAIR)
        task.cancel()
        plant.end()
        again = machine.started()
        again.intake.start()
        await again.settled()
        assert not again.journal.meta(REPAIR)
        assert mended(again.journal, again.engine, again.clock.wall_ns()) == []
        await machine.live(1)
        assert [(rule, kind) for rule, _, kind, _ in machine.alerts()] == [
            ("hot", "alert.raised"),
            ("swing", "alert.raised"),
            ("hot", "alert.cleared"),
        ]

    on(tmp_path, body)


def test_what_arrives_while_rows_move_waits_and_is_judged_after_them(tmp_path: Path) -> None:
    async def body(machine: Machine) -> None:
        await machine.live(99, 20)
        plant = machine.plant
        await plant.intake.hold()
        machine.clock.advance(1)
        plant.send("press", t=99.0)
        plant.intake.decide_now()
        plant.intake.acknowledge("hot", "gw", "press")
        plant.tick()
        assert plant.engine.lines[0].stage.taken == 2
        await plant.intake.release()
        await plant.settled()
        assert plant.engine.lines[0].stage.taken == 3

    on(tmp_path, body)


def test_a_jump_of_the_clock_lets_no_time_pass_for_devices_heard_before_it(tmp_path: Path) -> None:
    async def body(machine: Machine) -> None:
        await machine.live(1)
        stage = machine.plant.engine.lines[0].stage
        before = int(stage.times(machine.plant.clock.wall_ns())[0])
        machine.clock.advance(5)
        machine.clock.set_wall(NOW)
        machine.kernel = True
        keeper = machine.plant.keeper
        assert keeper is not None
        await keeper.once()
        after = int(stage.times(machine.plant.clock.wall_ns())[0])
        assert (after, before) == (NOW, machine.clock.wall_ns() - NOW + before)

    on(tmp_path, body)
