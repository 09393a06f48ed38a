"""Whatever happens to a command, in whatever order: one end, nothing sent after it, nothing sent after the deadline."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.commands.world import World

from holdfast.model.command import NEXT, State

IDS = ("a", "b", "c", "d")
DEADLINES = (5.0, 40.0, 300.0)
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(IDS), st.sampled_from(DEADLINES)),
    st.tuples(st.just("ask unseen"), st.sampled_from(IDS), st.sampled_from(DEADLINES)),
    st.tuples(st.just("hear"), st.sampled_from(IDS), st.none()),
    st.tuples(st.sampled_from(("done", "failed", "refused")), st.sampled_from(IDS), st.none()),
    st.tuples(st.just("answer unseen"), st.sampled_from(IDS), st.none()),
    st.tuples(st.just("wait"), st.none(), st.sampled_from((0.3, 4.0, 12.0, 100.0))),
    st.tuples(st.sampled_from(("leave", "come", "kill", "restart")), st.none(), st.none()),
)


class Oracle:
    """What was promised, kept beside the node. reached: ids that the device has seen."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.promised: set[str] = set()
        self.reached: set[str] = set()
        self.ends: dict[str, State] = {}
        self.until: dict[str, float] = {}
        self.said: dict[str, set[State]] = {}

    def watch(self, number: str, left_s: float) -> None:
        assert number not in self.ends, "handed over after its end"
        assert left_s > 0, "handed over after its deadline"
        assert number not in self.until or self.world.now_s < self.until[number], "handed over after its deadline"
        self.reached.add(number)

    def look(self) -> None:
        rows = {row.command.id: row for row in self.world.rows()}
        assert self.promised <= rows.keys(), "a command that was accepted is gone"
        for number, row in rows.items():
            assert (row.ended_ns > 0) == row.state.is_terminal
            before = self.ends.get(number)
            assert before in (None, row.state), "a second end"
            if row.state.is_terminal:
                self.ends[number] = row.state
            if row.state in (State.DONE, State.FAILED, State.REFUSED):
                assert row.state in self.said.get(number, set()), "an end that no device told"
            if row.state is State.EXPIRED and not row.answer.doubt:
                assert number not in self.reached, "certain that it wasn't done, although the device had it"
        told = [str(event.why["id"]) for event in self.world.events()]
        assert sorted(told) == sorted(self.ends), "each end is told once, in the commit that makes it"


async def ask(world: World, oracle: Oracle, number: str, value: float, *, is_seen: bool) -> None:
    oracle.until.setdefault(number, world.now_s + value)
    task = asyncio.ensure_future(world.ask(number, deadline_s=value))
    if is_seen:
        stored = await task
        oracle.until[number] = stored.command.deadline_ns / 1e9
        oracle.promised.add(number)
    else:  # the caller goes away, or the node is killed before it could answer
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answer(world: World, oracle: Oracle, number: str, state: State, *, is_seen: bool) -> None:
    if number in oracle.reached:
        oracle.said.setdefault(number, set()).add(state)
        task = asyncio.ensure_future(world.answer(number, state))
        if not is_seen:
            await asyncio.sleep(0)
            await world.restart()
        await task


async def step(world: World, oracle: Oracle, what: str, number: str | None, value: float | None) -> None:
    one = number or ""
    if what in ("ask", "ask unseen"):
        await ask(world, oracle, one, value or 0.0, is_seen=what == "ask")
        if what == "ask unseen":
            return
    elif what in ("done", "failed", "refused", "answer unseen"):
        is_seen = what != "answer unseen"
        await answer(world, oracle, one, State(what) if is_seen else State.DONE, is_seen=is_seen)
    else:
        await happen(world, what, one, value or 0.0)
    await world.calm()


async def happen(world: World, what: str, number: str, value: float) -> None:
    if what == "hear" and number in world.device.heard:
        world.device.heard[number]()
    elif what == "wait":
        await world.pass_time(value)
    elif what in ("leave", "come"):
        world.device.is_there = what == "come"
    elif what in ("restart", "kill"):
        if what == "restart":
            await world.calm()
        await world.restart()
        world.device.heard.clear()


def unseen_deadlines(oracle: Oracle) -> None:
    """Those asked without an answer: the row says until when they are good."""
    for row in oracle.world.rows():
        oracle.until[row.command.id] = row.command.deadline_ns / 1e9


@settings(max_examples=50, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_every_interleaving_ends_each_command_once(steps: list[tuple[str, str | None, float | None]]) -> None:
    async def run(folder: Path) -> None:
        world = World(folder)
        oracle = Oracle(world)
        world.device.watch = oracle.watch
        await world.begin()
        for one in steps:
            await step(world, oracle, *one)
            unseen_deadlines(oracle)
            oracle.look()
        await world.calm()
        await world.pass_time(1_000.0)
        oracle.look()
        assert all(row.state.is_terminal for row in world.rows()), "something stayed open"
        assert len(world.service.desk) == 0
        await world.pass_time(1_000.0)
        oracle.look()
        world.kill()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


def test_the_table_is_total_and_ends_are_ends() -> None:
    assert NEXT.keys() == set(State)
    ends = {state for state in State if state.is_terminal}
    assert ends == {State.DONE, State.FAILED, State.REFUSED, State.EXPIRED, State.UNDELIVERABLE}
    assert all(ends <= NEXT[state] for state in State if state not in ends)
