"""Devices that are renamed and replaced while they are commanded."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from tests.unit.commands.world import World

from holdfast.commands.above import Above
from holdfast.commands.errors import DeviceRenamed
from holdfast.commands.names import Called, itself
from holdfast.commands.service import Asked
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.command import State
from holdfast.uplink.breaker import Breaker
from holdfast.wire.commands import CommandPoll, Order, Orders


class Register:
    """press-1, which may be renamed to north, and replaced by press-9."""

    def __init__(self) -> None:
        self.name, self.hardware = "press-1", "press-1"
        self.since_ns = 0
        self.before: tuple[tuple[str, int], ...] = ()

    def __call__(self, device: str) -> Called:
        names = {"press-1": None, self.name: None, self.hardware: None}
        if device not in names:
            return itself(device)
        since_ns = 0 if device == self.name else self.since_ns
        return Called(self.name, self.hardware, since_ns, self.before, tuple(names))

    def rename(self, at_ns: int) -> None:
        self.name, self.since_ns = "north", at_ns

    def replace(self, at_ns: int) -> None:
        self.hardware, self.before = "press-9", (("press-1", at_ns),)


def in_world(folder: Path, body: Callable[[World, Register], Awaitable[None]]) -> None:
    async def run() -> None:
        register = Register()
        world = World(folder, names=register)
        await world.begin()
        await body(world, register)
        world.kill()

    asyncio.run(run())


def test_a_renamed_device_is_commanded_by_its_new_name_where_it_always_listened(tmp_path: Path) -> None:
    async def body(world: World, register: Register) -> None:
        register.rename(world.clock.wall_ns())
        await world.ask(device="north")
        assert world.device.addresses == ["press-1"]
        await world.answer("c1", device="north")
        assert world.state() is State.SENT  # nothing calls itself north
        await world.answer("c1", device="press-1")
        assert (world.state(), world.row().command.device) == (State.DONE, "north")

    in_world(tmp_path, body)


def test_the_old_name_is_refused_with_the_new_one_but_a_repeat_is_recognised(tmp_path: Path) -> None:
    async def body(world: World, register: Register) -> None:
        await world.ask()
        register.rename(world.clock.wall_ns())
        with pytest.raises(DeviceRenamed, match="press-1 is called north now"):
            await world.ask("c2")
        stored, is_new = await world.service.ask(Asked("press-1", "stop", "local", id="c1"))
        assert (stored.command.id, is_new) == ("c1", False)
        assert [row.command.id for row in world.rows()] == ["c1"]
        assert len(world.service.desk) == 1

    in_world(tmp_path, body)


def test_a_command_that_waits_survives_the_rename_and_a_restart(tmp_path: Path) -> None:
    async def body(world: World, register: Register) -> None:
        world.device.is_there = False
        await world.ask()
        register.rename(world.clock.wall_ns())
        await world.restart()
        world.device.is_there = True
        await world.pass_time(0.3)
        assert world.device.addresses == ["press-1"]
        await world.answer("c1", device="press-1")
        assert world.state() is State.DONE

    in_world(tmp_path, body)


def test_what_the_old_hardware_was_handed_is_never_handed_to_its_successor(tmp_path: Path) -> None:
    async def body(world: World, register: Register) -> None:
        await world.ask("handed", deadline_s=100.0)
        world.device.is_there = False
        await world.ask("waits", deadline_s=100.0)
        world.clock.advance(1.0)
        register.replace(world.clock.wall_ns())
        world.device.is_there = True
        await world.pass_time(50.0)
        await world.restart()
        await world.pass_time(1.0)
        assert list(zip(world.device.ids, world.device.addresses, strict=True)) == [
            ("handed", "press-1"),
            ("waits", "press-9"),
            ("waits", "press-9"),
        ]
        await world.answer("waits", device="press-1")
        assert world.state("waits") is State.SENT
        await world.answer("handed", device="press-1")
        await world.answer("waits", device="press-9")
        assert (world.state("handed"), world.state("waits")) == (State.DONE, State.DONE)

    in_world(tmp_path, body)


def test_a_command_that_nobody_answers_after_a_replacement_ends_in_doubt(tmp_path: Path) -> None:
    async def body(world: World, register: Register) -> None:
        await world.ask(deadline_s=30.0)
        world.clock.advance(1.0)
        register.replace(world.clock.wall_ns())
        await world.pass_time(40.0)
        assert (world.state(), world.row().answer.doubt) == (State.EXPIRED, True)
        await world.answer("c1", device="press-1")
        assert '"state":"done"' in world.row().late

    in_world(tmp_path, body)


def test_hardware_that_is_put_back_gets_what_it_had_been_handed_again(tmp_path: Path) -> None:
    async def body(world: World, register: Register) -> None:
        await world.ask(deadline_s=1_000.0)
        register.replace(world.clock.wall_ns())
        await world.pass_time(15.0)
        register.hardware, register.before = "press-1", (("press-9", world.clock.wall_ns()),)
        await world.pass_time(15.0)
        assert world.device.addresses == ["press-1", "press-1"]

    in_world(tmp_path, body)


def test_a_rule_that_knows_the_old_name_stops_the_machine_all_the_same_and_is_told_of(tmp_path: Path) -> None:
    async def body(world: World, register: Register) -> None:
        register.rename(world.clock.wall_ns())
        (row,) = world.service.issue([Asked("press-1", "stop", "rule:hot", id="r1")])
        assert (row.command.device, row.state) == ("north", State.SENT)
        assert world.device.addresses == ["press-1"]
        assert any("CommandByOldName" in line and "rule:hot" in line for line in world.log)

    in_world(tmp_path, body)


class Parent:
    """Hands out one order, once."""

    def __init__(self, order: Order) -> None:
        self.orders = [order]

    async def commands(self, poll: CommandPoll) -> Orders:  # noqa: ARG002  # the port's
        orders, self.orders = self.orders, []
        return Orders(tuple(orders))


@pytest.mark.parametrize(("asked_s", "state"), [(-5.0, State.SENT), (5.0, State.REFUSED)])
def test_the_parent_may_use_the_old_name_for_what_it_took_before_the_rename(
    tmp_path: Path, asked_s: float, state: State
) -> None:
    async def body(world: World, register: Register) -> None:
        now_ns = world.clock.wall_ns()
        register.rename(now_ns)
        world.clock.advance(10.0)
        made_ns = now_ns + round(asked_s * NS_PER_S)
        order = Order("up-1", "gw", "press-1", "stop", b"{}", "local", now_ns + 60 * NS_PER_S, 50.0, made_ns)
        await Above(world.service, Parent(order), Breaker(3, 1.0, 2.0, Random())).once(0.0)
        await world.calm()
        assert world.state("up-1") is state
        assert ("press-1 is called north now at gw" in world.row("up-1").answer.detail) is (state is State.REFUSED)

    in_world(tmp_path, body)
