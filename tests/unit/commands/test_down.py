"""Commands that go down: each on the child's disk once, whatever is cut or killed in between, and its end comes up."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from tests.unit.commands.world import World

from holdfast.commands.above import Above
from holdfast.commands.below import Below
from holdfast.commands.settings import CommandSettings
from holdfast.journal import commanded
from holdfast.model.command import State
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.uplink.breaker import Breaker
from holdfast.wire.commands import CommandPoll, Order, Orders
from holdfast.wire.errors import LinkDown


class Tree:
    """A hub above a gateway. cut: where the next call is lost, `question` or `answer`."""

    def __init__(self, folder: Path, settings: CommandSettings | None = None) -> None:
        self.hub = World(folder, "hub", children=lambda: ["gw"])
        self.gw = World(folder, settings=settings)
        self.cut = ""
        self.seen = 0

    async def begin(self) -> None:
        await self.hub.begin()
        await self.gw.begin()
        self.join()

    def join(self) -> None:
        self.below = Below(self.hub.service)
        self.above = Above(self.gw.service, self, Breaker(3, 0.1, 1.0, Random(1)))

    async def commands(self, poll: CommandPoll) -> Orders:
        if self.cut == "question":
            raise LinkDown("cut")
        found = await self.below.poll("gw", poll)
        if self.cut == "answer":
            raise LinkDown("cut")
        return found

    async def exchange(self) -> int:
        taken = await self.above.once(0.0)
        await self.gw.calm()
        return taken

    async def lift(self) -> list[Event]:
        """What the uplink does: events go up once, and are heard in the commit that stores them."""
        found = self.gw.events()[self.seen :]
        self.seen += len(found)
        await self.hub.journal.submit(lambda tx: commanded.hear(tx, "gw", found))
        self.hub.service.heard_from_below("gw", found)
        return found

    async def pass_time(self, seconds: float) -> None:
        for world in (self.hub, self.gw):
            await world.pass_time(seconds)

    def end(self) -> None:
        self.hub.kill()
        self.gw.kill()


def in_tree(folder: Path, body: Callable[[Tree], Awaitable[None]], settings: CommandSettings | None = None) -> None:
    async def run() -> None:
        tree = Tree(folder, settings)
        await tree.begin()
        await body(tree)
        tree.end()

    asyncio.run(run())


def test_a_command_goes_down_and_its_end_comes_up(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        await tree.hub.ask(node="gw", deadline_s=60.0)
        assert tree.hub.device.ids == []
        assert await tree.exchange() == 1
        assert tree.gw.device.ids == ["c1"]
        assert tree.gw.row().command.origin == "parent/local"
        assert tree.hub.state() is State.ACCEPTED
        assert await tree.exchange() == 0
        assert tree.hub.state() is State.SENT
        await tree.gw.answer("c1")
        (event,) = await tree.lift()
        assert event.lane is Lane.CRITICAL
        row = tree.hub.row()
        assert (row.state, row.answer.result, row.answer.doubt) == (State.DONE, b"1", False)
        assert len(tree.hub.service.desk) == 0

    in_tree(tmp_path, body)


@pytest.mark.parametrize("cut", ["question", "answer"])
@pytest.mark.parametrize("killed", ["", "hub", "gw"])
def test_cut_and_killed_anywhere_it_is_taken_once(tmp_path: Path, cut: str, killed: str) -> None:
    async def body(tree: Tree) -> None:
        await tree.hub.ask(node="gw", deadline_s=60.0)
        for _ in range(2):  # lost before it's taken, and lost when it's confirmed
            tree.cut = cut
            with pytest.raises(LinkDown):
                await tree.above.once(0.0)
            tree.cut = ""
            if killed:
                await getattr(tree, killed).restart()
                tree.join()
            await tree.exchange()
        await tree.exchange()
        assert tree.hub.state() is State.SENT
        assert set(tree.gw.device.ids) == {"c1"}
        assert len(tree.gw.rows()) == 1
        await tree.gw.answer("c1")
        await tree.lift()
        assert tree.hub.state() is State.DONE
        assert await tree.exchange() == 0

    in_tree(tmp_path, body)


def test_what_was_never_given_out_expires_for_certain_and_what_was_in_doubt(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        await tree.hub.ask("kept", node="gw", deadline_s=30.0)
        await tree.pass_time(31.0)
        assert (tree.hub.state("kept"), tree.hub.row("kept").answer.doubt) == (State.EXPIRED, False)
        assert await tree.exchange() == 0
        await tree.hub.ask("given", node="gw", deadline_s=30.0)
        tree.cut = "answer"
        with pytest.raises(LinkDown):
            await tree.above.once(0.0)
        await tree.hub.pass_time(31.0)
        assert tree.hub.state("given") is State.ACCEPTED  # its child may have it: it waits for word
        await tree.hub.pass_time(60.0)
        assert (tree.hub.state("given"), tree.hub.row("given").answer.doubt) == (State.EXPIRED, True)

    in_tree(tmp_path, body)


def test_word_that_comes_after_the_grace_is_kept_beside_the_end(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        await tree.hub.ask(node="gw", deadline_s=30.0)
        await tree.exchange()
        await tree.gw.answer("c1")
        await tree.hub.pass_time(100.0)
        await tree.lift()
        assert tree.hub.state() is State.EXPIRED
        assert '"state":"done"' in tree.hub.row().late

    in_tree(tmp_path, body)


def test_a_child_that_will_not_or_cannot_says_so(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        await tree.gw.ask("same", name="start")
        await tree.hub.ask("same", node="gw", deadline_s=60.0)
        await tree.hub.ask("more", node="gw", deadline_s=60.0)
        await tree.exchange()
        await tree.lift()
        await tree.exchange()
        assert tree.hub.state("same") is State.REFUSED
        assert "another command" in tree.hub.row("same").answer.detail
        assert tree.hub.state("more") is State.REFUSED
        assert "commands of press-1 are open at gw" in tree.hub.row("more").answer.detail
        assert tree.gw.state("same") is State.SENT
        orders = [
            Order("late", "gw", "press-2", "stop", b"{}", "local", tree.gw.clock.wall_ns() - 1, 9.0),
            Order("lost", "nowhere", "press-2", "stop", b"{}", "local", 2**61, 9.0),
        ]
        await tree.above.take(orders)
        assert (tree.gw.state("late"), tree.gw.state("lost")) == (State.EXPIRED, State.UNDELIVERABLE)
        assert tree.gw.device.ids == ["same"]

    in_tree(tmp_path, body, CommandSettings(per_device=1))


def test_a_child_whose_clock_is_not_set_counts_the_deadline_from_now(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        tree.gw.service.is_unset = lambda: True
        tree.gw.clock.set_wall(5)
        await tree.hub.ask(node="gw", deadline_s=60.0)
        await tree.exchange()
        assert tree.gw.device.handed == [("c1", 60.0)]

    in_tree(tmp_path, body)


def test_another_child_can_neither_take_nor_end_it(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        await tree.hub.ask(node="gw", deadline_s=60.0)
        assert await tree.below.poll("other", CommandPoll(("c1",), 0.0)) == Orders()
        assert tree.hub.state() is State.ACCEPTED
        await tree.exchange()
        await tree.gw.answer("c1")
        found = tree.gw.events()
        await tree.hub.journal.submit(lambda tx: commanded.hear(tx, "other", found))
        assert tree.hub.state() is State.ACCEPTED

    in_tree(tmp_path, body)


def test_an_order_that_a_node_does_not_take_ends_with_its_reason(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        breaker = Breaker(3, 0.1, 1.0, Random(1))
        tree.above = Above(tree.gw.service, tree, breaker, why_not=lambda order: f"no {order.name} here")
        await tree.hub.ask(node="gw", deadline_s=60.0)
        assert tree.below.has("gw")
        assert await tree.exchange() == 1
        await tree.lift()
        assert tree.gw.device.ids == []
        assert (tree.hub.state(), tree.hub.row().answer.detail) == (State.REFUSED, "no stop here")
        assert not tree.below.has("gw")

    in_tree(tmp_path, body)


def test_a_node_that_waits_to_be_called_asks_only_then_and_until_nothing_is_left(tmp_path: Path) -> None:
    async def body(tree: Tree) -> None:
        polls: list[CommandPoll] = []

        class Counted:
            async def commands(self, poll: CommandPoll) -> Orders:
                polls.append(poll)
                return await tree.commands(poll)

        above = Above(tree.gw.service, Counted(), Breaker(3, 0.1, 1.0, Random(1)), waits=False)
        running = asyncio.ensure_future(above.run())
        await tree.hub.ask(node="gw", deadline_s=60.0)
        await asyncio.sleep(0.1)
        assert polls == []
        above.call()
        await asyncio.sleep(0.3)
        running.cancel()
        assert tree.hub.state() is State.SENT
        assert [poll.taken for poll in polls] == [(), ("c1",)]
        assert {poll.wait_s for poll in polls} == {0.0}

    in_tree(tmp_path, body)
