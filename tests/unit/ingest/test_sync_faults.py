"""Faults found in review, each as a test against real journals."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest

from holdfast.ingest.fetching import fetched
from holdfast.ingest.service import IngestService
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.blobs import canonical_readings, decode_readings
from holdfast.journal.blobs import link as chained
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.reader import ANY_SIZE
from holdfast.journal.records import Group
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import drop_delivered
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.breaker import Breaker
from holdfast.uplink.plan import Answered, Appended, Failed, Tick, UplinkPlan, Welcomed
from holdfast.uplink.service import UplinkService
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.columns import encode_readings
from holdfast.wire.errors import WireError
from holdfast.wire.messages import GENESIS, BatchHeader, BatchReply, Fetch, Hello, Welcome

SETTINGS = ParentSettings("https://h:1", "c", "t", linger=0.0, backoff_min=0.01, backoff_max=0.02)


class Direct:
    """A link that is a method call."""

    def __init__(self, ingest: IngestService) -> None:
        self.ingest = ingest
        self.sent_bytes = 0

    async def hello(self, hello: Hello) -> Welcome:
        return await self.ingest.hello("gw", hello)

    async def batch(self, body: bytes) -> BatchReply:
        return await self.ingest.batch("gw", body)

    async def close(self) -> None: ...


class Flaky(Journal):
    """A journal whose next read finds a damaged group."""

    damaged = False

    def read(self, lane: Lane, after: int, max_rows: int, max_bytes: int = ANY_SIZE) -> list[Group]:
        if self.damaged:
            self.damaged = False
            raise GroupCorrupt("once")
        return super().read(lane, after, max_rows, max_bytes)


@dataclass
class World:
    child: Flaky
    hub: Journal
    uplink: UplinkService
    link: Direct

    async def settle(self, seconds: float = 3.0) -> bool:
        """Run the uplink until the parent has everything."""
        task = asyncio.ensure_future(self.uplink.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(0.05)
                while self.hub.head(Lane.BULK) != self.child.head(Lane.BULK):  # noqa: ASYNC110  # an outside look
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self.hub.head(Lane.BULK) == self.child.head(Lane.BULK)

    async def append(self, *series: int) -> None:
        await self.child.submit(lambda tx: tx.append_readings(Lane.BULK, rows(*series)))

    def name(self, metric: str) -> int:
        return self.child.catalogue.intern(Series("gw", "d", metric, "Cel", Kind.FLOAT))


def rows(*series: int, value: float = 1.0, texts: tuple[str, ...] = ()) -> Batch:
    n = len(series)
    times = np.arange(n, dtype=np.int64) + 1
    return Batch(np.array(series, np.int32), times, np.full(n, value), np.zeros(n, np.uint8), texts)


def with_world(folder: Path, body: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = SystemClock()
        telemetry = Telemetry(clock, lambda _: None)
        child = Flaky(folder / "a" / FILE_NAME, "gw", JournalSettings(), clock)
        hub = Journal(folder / "b" / FILE_NAME, "hub", JournalSettings(), clock)
        link = Direct(IngestService(hub, telemetry, ChildrenSettings(), clock))
        uplink = UplinkService(SETTINGS, child, link, clock, telemetry, Random(1))
        try:
            await body(World(child, hub, uplink, link))
        finally:
            child.close()
            hub.close()

    asyncio.run(run())


def test_series_not_committed_yet_are_never_defined_at_the_parent(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.append(world.name("a"))
        world.name("uncommitted")
        assert await world.settle()
        (branch,) = world.hub.branches("gw")
        assert branch.series_known == 1

    with_world(tmp_path, body)


def test_rows_flow_on_after_delivered_groups_were_dropped(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        a = world.name("a")
        await world.append(a)
        assert await world.settle()
        assert await world.child.submit(lambda tx: drop_delivered(tx, Lane.BULK, 1, 100)) == 1
        await world.append(a)
        assert await world.settle()

    with_world(tmp_path, body)


def test_a_lane_whose_group_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.append(world.name("a"))
        world.child.damaged = True
        assert await world.settle()
        assert not world.child.damaged

    with_world(tmp_path, body)


async def offer(world: World, batch: Batch, series: Series) -> None:
    await world.settle(0.2)
    (branch,) = world.hub.branches("gw")
    header = BatchHeader(
        session=branch.session,
        lane=Lane.BULK,
        first=1,
        last=1,
        chain_before=GENESIS,
        chain=chained(GENESIS, canonical_readings(batch)),
        kind="readings",
        bounds=(1,),
        series=(series,),
    )
    with pytest.raises(WireError):
        await world.link.ingest.batch("gw", encode_readings(header, [batch]))
    assert world.hub.head(Lane.BULK) == 0


@pytest.mark.parametrize("value", [3.0, -1.0, 0.5])
def test_a_text_row_without_its_text_is_refused(tmp_path: Path, value: float) -> None:
    batch = rows(0, value=value, texts=("on",))
    with_world(tmp_path, lambda world: offer(world, batch, Series("gw", "d", "s", "", Kind.TEXT)))


def test_a_text_row_that_has_no_value_reaches_the_parent_and_can_be_fetched_again(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        label = world.child.catalogue.intern(Series("gw", "d", "label", "", Kind.TEXT))
        some = rows(label, label, label, value=0.0, texts=("on",))
        some.value[1] = np.nan  # as a Sparkplug metric that is null
        some.quality[1] = 2
        await world.child.submit(lambda tx: tx.append_readings(Lane.BULK, some))
        assert await world.settle()
        (group,) = world.hub.read(Lane.BULK, 0, 10)
        stored = decode_readings(group.blob)
        assert (stored.texts, np.isnan(stored.value).tolist()) == (("on",), [False, True, False])
        wanted = Fetch(lane=Lane.BULK, first=1, last=3, branch=world.hub.branches("gw")[0].number)
        assert fetched(world.hub, "gw", wanted) is not None

    with_world(tmp_path, body)


def test_a_child_may_not_name_series_of_the_parent_itself(tmp_path: Path) -> None:
    with_world(tmp_path, lambda world: offer(world, rows(0), Series("hub", "d", "s", "", Kind.FLOAT)))


def opened() -> UplinkPlan:
    settings = ParentSettings("https://h:1", "c", "t", backoff_min=0.2, backoff_max=1.0)
    plan = UplinkPlan(settings, Breaker(2, 0.2, 1.0, Random(1)))
    plan.learn(Appended((9, 0, 500)), 0.0)
    plan.learn(Welcomed(Welcome("welcome", session=1)), 0.0)
    return plan


def test_two_nodes_of_one_name_fence_each_other_at_a_bounded_pace() -> None:
    plan, now, hellos = opened(), 0.0, 0
    while now < 60 and hellos < 1000:
        turn = plan.learn(Answered(Lane.CRITICAL, BatchReply("fenced")), now)
        turn = turn if turn.hello else plan.learn(Answered(Lane.BULK, BatchReply("fenced")), now)
        while not turn.hello:
            assert turn.wake_at is not None
            now = turn.wake_at
            turn = plan.learn(Tick(), now)
        hellos += 1
        plan.learn(Welcomed(Welcome("welcome", session=hellos + 1)), now)
    assert hellos < 40


def test_a_second_failure_does_not_shorten_the_pause_the_parent_asked_for() -> None:
    plan = opened()
    plan.learn(Failed(Lane.BULK, 40.0), 10.0)
    plan.learn(Failed(Lane.CRITICAL), 10.0)
    assert not plan.learn(Tick(), 49.0).hello
