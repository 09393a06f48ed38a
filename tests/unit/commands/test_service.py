"""What is taken, refused, handed over and remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.commands.world import World

from holdfast.commands.asking import CommandBody, asked, local_body
from holdfast.commands.errors import (
    CommandConflicts,
    CommandInvalid,
    CommandsBusy,
    CommandsCrowded,
    NodeUnknown,
)
from holdfast.commands.service import NO_LINK, Asked
from holdfast.commands.settings import CommandSettings, topic_faults
from holdfast.journal import commanded
from holdfast.model.command import State
from holdfast.model.lane import Lane


def in_world(folder: Path, body: Callable[[World], Awaitable[None]], settings: CommandSettings | None = None) -> World:
    async def run() -> World:
        world = World(folder, settings=settings)
        await world.begin()
        await body(world)
        world.kill()
        return world

    return asyncio.run(run())


def test_a_command_goes_out_after_its_commit_and_its_answer_ends_it(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        stored = await world.ask()
        assert stored.state is State.ACCEPTED
        assert world.device.ids == ["c1"]
        assert world.state() is State.SENT
        world.device.heard["c1"]()
        await world.calm()
        assert world.state() is State.DELIVERED
        await world.answer("c1")
        row = world.row()
        assert (row.state, row.answer.result, world.settled) == (State.DONE, b"1", ["c1"])
        (event,) = world.events()
        assert (event.lane, event.severity, event.device) == (Lane.NORMAL, "info", "press-1")
        assert event.why["result"] == 1
        assert event.why["origin"] == "local"

    in_world(tmp_path, body)


def test_the_same_id_is_the_same_command_and_another_one_is_refused(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.ask()
        _, is_new = await world.service.ask(Asked("press-1", "stop", "app:hmi", id="c1"))
        assert not is_new
        with pytest.raises(CommandConflicts):
            await world.service.ask(Asked("press-1", "start", "local", id="c1"))
        await world.answer("c1")
        stored, is_new = await world.service.ask(Asked("press-1", "stop", "local", id="c1"))
        assert (stored.state, is_new) == (State.DONE, False)
        assert world.device.ids == ["c1"]
        assert len(world.rows()) == 1

    in_world(tmp_path, body)


def test_a_device_that_is_away_gets_it_when_it_comes_and_never_after_the_deadline(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        world.device.is_there = False
        await world.ask("early", deadline_s=20.0)
        await world.ask("late", deadline_s=10.0)
        await world.pass_time(11.0)
        assert world.state("late") is State.EXPIRED
        assert not world.row("late").answer.doubt
        world.device.is_there = True
        await world.pass_time(0.3)
        assert world.device.ids == ["early"]

    in_world(tmp_path, body)


def test_without_an_acknowledgement_it_is_handed_over_again_ever_more_rarely(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.ask(deadline_s=3_600.0)
        for _ in range(100):
            await world.pass_time(5.0)
        assert 4 <= len(world.device.ids) <= 7
        world.device.heard["c1"]()
        await world.calm()
        before = len(world.device.ids)
        await world.pass_time(2_000.0)
        assert len(world.device.ids) == before

    in_world(tmp_path, body)


def test_an_answer_after_the_deadline_is_kept_beside_the_end(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.ask(deadline_s=5.0)
        await world.pass_time(6.0)
        assert (world.state(), world.row().answer.doubt) == (State.EXPIRED, True)
        await world.answer("c1")
        assert world.state() is State.EXPIRED
        assert '"state":"done"' in world.row().late
        assert world.settled == ["c1"]
        assert len(world.events()) == 1

    in_world(tmp_path, body)


def test_an_answer_of_another_device_or_to_nothing_changes_nothing(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.ask()
        await world.answer("c1", device="press-2")
        await world.answer("nothing")
        assert world.state() is State.SENT
        assert world.settled == ["c1", "nothing"]
        assert sum("CommandAnswerUnused" in line for line in world.log) == 2

    in_world(tmp_path, body)


def test_limits_are_per_device_and_in_total(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.ask("a")
        await world.ask("b")
        with pytest.raises(CommandsCrowded) as crowded:
            await world.ask("c")
        assert not crowded.value.is_total
        await world.ask("a")  # a repeat is no further one
        await world.ask("d", device="press-2")
        with pytest.raises(CommandsCrowded) as crowded:
            await world.ask("e", device="press-3")
        assert crowded.value.is_total
        await world.answer("a")
        await world.ask("c")

    in_world(tmp_path, body, CommandSettings(per_device=2, total=3))


def test_what_nothing_reaches_is_undeliverable_at_once(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.ask("a", device="oven")
        assert (world.state("a"), world.row("a").answer.detail) == (State.UNDELIVERABLE, NO_LINK)
        world.device.is_wrong = True
        await world.ask("b")
        assert (world.state("b"), world.row("b").answer.detail) == (State.UNDELIVERABLE, "no such register")
        with pytest.raises(NodeUnknown):
            await world.ask("c", node="elsewhere")

    in_world(tmp_path, body)


def test_after_a_restart_open_commands_go_on_and_one_that_was_heard_is_not_sent_again(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.ask("heard", deadline_s=60.0)
        await world.ask("unheard", deadline_s=60.0)
        world.device.heard["heard"]()
        await world.calm()
        await world.restart()
        world.device.handed.clear()
        await world.pass_time(0.3)
        assert world.device.ids == ["unheard"]
        await world.answer("heard")
        assert world.state("heard") is State.DONE

    in_world(tmp_path, body)


def test_while_the_clock_is_not_set_commands_of_an_earlier_life_wait(tmp_path: Path) -> None:
    unset = [False]

    async def run() -> None:
        world = World(tmp_path, is_unset=lambda: unset[0])
        await world.begin()
        await world.ask(deadline_s=30.0)
        real = world.clock.wall_ns()
        await world.restart()
        world.device.handed.clear()
        unset[0] = True
        world.clock.set_wall(1_000)
        await world.pass_time(5.0)
        await world.ask("new", deadline_s=30.0)  # its deadline is counted, not read
        assert (world.device.ids, world.state("c1")) == (["new"], State.SENT)
        unset[0] = False
        world.clock.set_wall(real + 3_600 * 10**9)
        await world.pass_time(0.3)
        assert (world.state("c1"), world.row("c1").answer.doubt) == (State.EXPIRED, True)
        assert world.state("new") is State.SENT
        world.kill()

    asyncio.run(run())


def test_a_rules_command_leaves_before_its_commit_and_an_answer_that_overtakes_it_is_kept(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        rows = world.service.issue([Asked("press-1", "stop", "rule:hot", id="r1", deadline_s=10.0)])
        assert world.device.ids == ["r1"]
        world.device.heard["r1"]()
        await world.answer("r1")
        assert world.rows() == []
        await world.journal.submit(lambda tx: [commanded.insert(tx, row) for row in rows])
        world.service.settle(rows)
        await world.calm()
        assert world.state("r1") is State.DONE
        assert world.settled == ["r1"]

    in_world(tmp_path, body)


def test_a_journal_that_takes_no_writes_takes_no_command(tmp_path: Path) -> None:
    async def run() -> None:
        world = World(tmp_path)
        await world.begin()
        world.kill()
        with pytest.raises(CommandsBusy):
            await world.service.ask(Asked("press-1", "stop", "local"))

    asyncio.run(run())


def test_old_ends_are_forgotten_but_no_open_one(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        for n in range(5):
            await world.ask(f"c{n}", deadline_s=10.0 if n else 90_000.0)
        for n in range(1, 5):
            await world.answer(f"c{n}")
        world.clock.advance(7_200.0)
        before = world.clock.wall_ns() - 3_600 * 10**9
        assert await world.journal.submit(lambda tx: commanded.forget(tx, 2, before)) == 2
        assert [row.command.id for row in world.rows()] == ["c4", "c3", "c0"]

    in_world(tmp_path, body)


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("devices/{device}/commands/{id}", ""),
        ("{node}/{device}/do/{id}", ""),
        ("devices/{device}", "needs"),
        ("d-{device}/{id}", "whole level"),
        ("{id}/{device}", "whole level"),
        ("devices/{device}/+/{id}", "no +"),
        ("{device}/{id}/{other}", "needs"),
        ("{device/{id}", "topic"),
    ],
)
def test_topic_templates_are_checked(template: str, fault: str) -> None:
    assert fault in topic_faults(template)
    assert bool(fault) == bool(topic_faults(template))


def test_what_cannot_be_a_command_is_said_so() -> None:
    for body, device in (
        (CommandBody("no name"), "press-1"),
        (CommandBody("stop"), "press\n1"),
        (CommandBody("stop", deadline=10.0**9), "press-1"),
        (CommandBody("stop", {"x": "y" * 70_000}), "press-1"),
    ):
        with pytest.raises(CommandInvalid):
            asked(body, device, "local", 86_400.0)
    with pytest.raises(CommandInvalid):
        local_body("stop", b"{")
    assert asked(local_body("stop", b'{"params":{"b":1,"a":2}}'), "p", "local", 9.0).params == b'{"a":2,"b":1}'
