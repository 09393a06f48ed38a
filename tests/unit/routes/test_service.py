"""A route between a real journal and an upstream that the test plays."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.records import GapReason
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import drop_delivered, shed
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.routes.service import Route
from holdfast.routes.settings import EventsSettings, RouteSettings, RowsSettings
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.brokers import BrokerLogin

LOGIN = BrokerLogin(url="mqtt://cloud", backoff_min=0.001, backoff_max=0.002)


class Cloud:
    """An upstream whose acknowledgements the test gives. Implements `routes.ports.Upstream`."""

    url = "mqtt://cloud:1883"
    may_write = True

    def __init__(self, window: int = 1_000, max_packet: int = 0) -> None:
        self.window, self.max_packet = window, max_packet
        self.sent: list[tuple[bytes, Any]] = []
        self.opened = 0
        self.acks_itself = True
        self.is_there = True
        self._acked: Callable[[int], None] = lambda _: None
        self._gone: Callable[[HoldfastError], None] = lambda _: None
        self.changed = asyncio.Event()

    async def open(self, acked: Callable[[int], None], gone: Callable[[HoldfastError], None]) -> None:
        if not self.is_there:
            raise HoldfastError("nobody there")
        self.opened += 1
        self._acked, self._gone = acked, gone

    def publish(self, topic: bytes, payload: bytes) -> None:
        self.sent.append((topic[2:], json.loads(payload)))
        self.changed.set()
        if self.acks_itself:
            asyncio.get_running_loop().call_soon(self._acked, 1)

    def close(self) -> None:
        self._acked = lambda _: None

    def ack(self, n: int) -> None:
        self._acked(n)

    def vanish(self) -> None:
        self._gone(HoldfastError("cut"))

    def values(self) -> list[float]:
        return [row["value"] for _, rows in self.sent for row in (rows if isinstance(rows, list) else [rows])]

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not reached():
                self.changed.clear()
                await asyncio.wait_for(self.changed.wait(), 20)


class House:
    """A journal with one series, and routes on it."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.log: list[str] = []
        self._spoke = asyncio.Event()
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), self.clock)
        self.series = self.journal.catalogue.intern(Series("gw", "d", "test.n", "Cel", Kind.FLOAT))

    async def put(self, values: Sequence[float], lane: Lane = Lane.BULK) -> None:
        n = len(values)
        rows = Batch(
            np.full(n, self.series, np.int32),
            np.arange(n, dtype=np.int64),
            np.array(values, np.float64),
            np.zeros(n, np.uint8),
        )
        await self.journal.submit(lambda tx: tx.append_readings(lane, rows))

    def _said(self, line: str) -> None:
        self.log.append(line)
        self._spoke.set()

    async def until_said(self, word: str) -> None:
        async with asyncio.timeout(20):
            while not any(word in line for line in self.log):
                self._spoke.clear()
                await self._spoke.wait()

    def route(self, cloud: Cloud, **settings: Any) -> Route:
        settings.setdefault("readings", RowsSettings(topic="up"))
        made = RouteSettings(to=LOGIN, linger=0.0, remember_every=0.0, **settings)
        telemetry = Telemetry(self.clock, self._said)
        return Route("cloud", made, self.journal, cloud, self.clock, telemetry)


def play(folder: Path, body: Callable[[House], Awaitable[None]]) -> None:
    async def run() -> None:
        house = House(folder)
        try:
            await body(house)
        finally:
            house.journal.close()

    asyncio.run(run())


class Running:
    """A route at work."""

    def __init__(self, route: Route) -> None:
        self.route = route

    async def __aenter__(self) -> Route:
        self._task = asyncio.create_task(self.route.run())
        return self.route

    async def __aexit__(self, *_: object) -> None:
        await self.route.drain(5.0)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def test_what_is_committed_arrives_in_order_and_the_cursor_follows(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud()
        await house.put([1, 2, 3])
        async with Running(house.route(cloud)) as route:
            await cloud.until(lambda: len(cloud.values()) == 3)
            await house.put([4, 5])
            await cloud.until(lambda: len(cloud.values()) == 5)
        assert cloud.values() == [1, 2, 3, 4, 5]
        assert house.journal.cursor("route.cloud", Lane.BULK) == 5
        assert route.status().lag_rows == 0

    play(tmp_path, body)


def test_a_restarted_route_goes_on_where_it_was(tmp_path: Path) -> None:
    async def first(house: House) -> None:
        cloud = Cloud()
        await house.put([1, 2])
        async with Running(house.route(cloud)):
            await cloud.until(lambda: len(cloud.values()) == 2)

    async def second(house: House) -> None:
        cloud = Cloud()
        await house.put([3])
        async with Running(house.route(cloud)):
            await cloud.until(lambda: bool(cloud.values()))
        assert cloud.values() == [3]

    play(tmp_path, first)
    play(tmp_path, second)


def test_what_was_not_acknowledged_when_the_connection_went_is_sent_again(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud()
        cloud.acks_itself = False
        async with Running(house.route(cloud)) as route:
            await house.put([1])
            await cloud.until(lambda: cloud.values() == [1])
            await house.put([2])
            await cloud.until(lambda: cloud.values() == [1, 2])
            cloud.ack(1)
            assert route.status().lag_rows == 1
            cloud.acks_itself = True
            cloud.vanish()
            await cloud.until(lambda: cloud.values() == [1, 2, 2])
        assert cloud.opened == 2
        assert house.journal.cursor("route.cloud", Lane.BULK) == 2

    play(tmp_path, body)


def test_no_more_is_on_the_way_than_the_broker_and_the_settings_allow(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud(window=3)
        cloud.acks_itself = False
        one_each = RowsSettings(topic="up", array=False)
        async with Running(house.route(cloud, readings=one_each, in_flight=5)) as route:
            await house.put([1, 2, 3, 4, 5])
            await cloud.until(lambda: len(cloud.values()) == 3)
            assert route.status().in_flight == 3
            cloud.ack(2)
            await cloud.until(lambda: len(cloud.values()) == 5)
            cloud.ack(3)
        assert cloud.values() == [1, 2, 3, 4, 5]

    play(tmp_path, body)


def test_events_go_first_and_messages_and_summaries_go_only_where_wanted(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud()
        event = Event(
            id="e1",
            ts=1,
            kind="alert.raised",
            severity="critical",
            node="gw",
            device="d",
            rule="hot",
            message="",
            why={},
        )
        await house.put([1])
        await house.put([7], Lane.NORMAL)
        await house.journal.submit(lambda tx: tx.append_events(Lane.CRITICAL, [event]))
        async with Running(house.route(cloud, events=EventsSettings(topic="alerts/{device}"))):
            await cloud.until(lambda: len(cloud.sent) == 2)
        assert [topic for topic, _ in cloud.sent] == [b"alerts/d", b"up"]
        assert cloud.sent[0][1]["rule"] == "hot"

    play(tmp_path, body)


def test_rows_that_the_journal_shed_or_dropped_are_missed_and_said(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud()
        await house.put([0])
        async with Running(house.route(cloud)):
            await cloud.until(lambda: cloud.values() == [0])
        await house.put([1, 2])
        await house.put([3, 4, 5])
        await house.put([6])
        await house.journal.submit(lambda tx: drop_delivered(tx, Lane.BULK, 3, 10))
        await house.journal.submit(lambda tx: shed(tx, Lane.BULK, 0, 1, GapReason.AGE, 0))
        cloud = Cloud()
        async with Running(house.route(cloud)) as route:
            await cloud.until(lambda: cloud.values() == [6])
        assert route.status().missed == 5
        assert house.journal.counters()["route_missed.cloud"] == 5
        assert sum("RouteMissed" in line for line in house.log) == 2

    play(tmp_path, body)


def test_a_new_route_has_missed_nothing_that_was_dropped_before_it_was_there(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.put([1, 2])
        await house.put([3])
        await house.journal.submit(lambda tx: drop_delivered(tx, Lane.BULK, 2, 10))
        cloud = Cloud()
        async with Running(house.route(cloud)) as route:
            await cloud.until(lambda: cloud.values() == [3])
        assert route.status().missed == 0

    play(tmp_path, body)


def test_a_route_that_starts_now_leaves_the_past_alone(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud()
        await house.put([1, 2])
        async with Running(house.route(cloud, start="now")):
            await house.until_said("RouteConnected")
            await house.put([3])
            await cloud.until(lambda: bool(cloud.values()))
        assert cloud.values() == [3]

    play(tmp_path, body)


def test_a_broker_that_is_away_is_asked_again_and_its_absence_is_said_once(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud()
        cloud.is_there = False
        await house.put([1])
        async with Running(house.route(cloud)) as route:
            await house.until_said("RouteLost")
            assert route.status().trouble == "nobody there"
            assert route.status().lag_rows == 1
            cloud.is_there = True
            await cloud.until(lambda: cloud.values() == [1])
        assert sum("RouteLost" in line for line in house.log) == 1

    play(tmp_path, body)


def test_a_message_that_no_payload_can_hold_is_left_out_and_counted(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        cloud = Cloud(max_packet=200)
        why: dict[str, object] = {"text": "x" * 500}
        big = Event(
            id="e", ts=1, kind="alert.raised", severity="critical", node="gw", device="d", rule="r", message="", why=why
        )
        await house.journal.submit(lambda tx: tx.append_events(Lane.CRITICAL, [big]))
        await house.put([1])
        async with Running(house.route(cloud, events=EventsSettings())) as route:
            await cloud.until(lambda: len(cloud.sent) == 1)
        assert cloud.values() == [1]
        assert route.status().left_out == 1

    play(tmp_path, body)
