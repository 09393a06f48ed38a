"""The hot path with a real journal, decoder and engine; only the device is ours."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import BUILTIN as PROFILES
from holdfast.codecs.loading import load_profiles
from holdfast.intake.prepare import Preparer
from holdfast.intake.seen import SeenKeys
from holdfast.intake.service import IntakeService
from holdfast.intake.settings import IntakeSettings
from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import ManualClock
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.stream.engine import Engine
from holdfast.stream.language.loading import BUILTIN as RULES
from holdfast.stream.language.loading import load_rules

START_MS = 1_795_187_068_000


class Slip:
    """A receipt that remembers what became of it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.settled_at: int | None = None
        self.refused = False
        self.done = asyncio.Event()

    def settle(self) -> None:
        self.done.set()
        self.settled_at = self.journal.head(Lane.BULK)

    def refuse(self) -> None:
        self.refused = True
        self.done.set()


class Board:
    """A publisher that keeps what was published and how far the journal was then."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.seen: list[tuple[str, Event, int]] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        assert (retain, qos) == (False, 1)
        self.seen.append((topic, msgspec.json.decode(payload, type=Event), self.journal.head(Lane.BULK)))


class Site:
    def __init__(self, folder: Path, settings: IntakeSettings | None = None) -> None:
        self.clock = ManualClock(wall_ns=START_MS * 1_000_000)
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), self.clock)
        catalogue = self.journal.catalogue
        engine = Engine(load_rules([RULES / "rooms.yaml"]), catalogue, "gw")
        preparer = Preparer(Decoder(load_profiles([PROFILES / "rooms.yaml"]), catalogue, "gw"), SeenKeys(1000), engine)
        self.intake = IntakeService(settings or IntakeSettings(), self.journal, preparer, engine, self.clock)
        self.board = Board(self.journal)
        self.intake.publish_through(self.board)

    def arrive(self, *payloads: bytes, topic: str = "acme/room-1/telemetry", retain: bool = False) -> Slip:
        slip = Slip(self.journal)
        self.intake.inbox.offer(Arrival("client", topic, payloads, self.clock.wall_ns(), slip, retain))
        return slip

    async def settle(self) -> None:
        await asyncio.wait_for(self.intake.drain(), 5)

    def values(self) -> list[float]:
        groups = self.journal.read(Lane.BULK, 0, 10**6)
        return [float(v) for g in groups for v in decode_readings(g.blob).value]

    def alerts(self) -> list[Event]:
        return [e for g in self.journal.read(Lane.CRITICAL, 0, 10**6) for e in decode_events(g.blob)]


def with_site(folder: Path, body: Callable[[Site], Awaitable[None]], settings: IntakeSettings | None = None) -> None:
    async def run() -> None:
        site = Site(folder, settings)
        try:
            await body(site)
        finally:
            site.journal.close()

    asyncio.run(run())


def reading(number: int, temperature: float = 20.0) -> bytes:
    ts = (START_MS + number) / 1000
    return f'{{"id":{number},"ts":{ts:.3f},"temp_c":{temperature},"hum":1,"lux":1,"co2":1,"occ":true}}'.encode()


def test_a_receipt_is_settled_only_after_its_rows_are_committed(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slip = site.arrive(reading(1), reading(2))
        assert slip.settled_at is None
        await site.settle()
        assert slip.settled_at == 10
        assert site.journal.counters()["messages_accepted"] == 2

    with_site(tmp_path, body)


def test_an_alert_leaves_before_its_rows_are_committed_and_is_stored_with_them(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.arrive(reading(1, 30.0))
        await site.settle()
        ((topic, event, head),) = site.board.seen
        assert (topic, event.kind, head) == ("alerts/room-1/overheat", "alert.raised", 0)
        assert site.alerts() == [event]

    with_site(tmp_path, body)


def test_commits_that_may_gather_wait_for_more_but_an_alert_does_not(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slips = [site.arrive(reading(n)) for n in range(3)]
        await asyncio.sleep(0.05)
        assert [slip.settled_at for slip in slips] == [None] * 3
        site.arrive(reading(3, 60.0))
        await asyncio.wait_for(slips[0].done.wait(), 5)
        assert [slip.settled_at for slip in slips] == [20] * 3
        assert len(site.alerts()) == 1

    with_site(tmp_path, body, IntakeSettings(commit_every=600.0))


def test_who_waits_for_everything_to_be_stored_ends_the_gathering(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slip = site.arrive(reading(1))
        await asyncio.wait_for(site.intake.everything_stored(), 5)
        assert slip.settled_at == 5
        later = site.arrive(reading(2))
        await asyncio.sleep(0.02)
        assert later.settled_at is None
        await site.settle()
        assert later.settled_at == 10

    with_site(tmp_path, body, IntakeSettings(commit_every=600.0))


def test_what_gathered_is_committed_in_time_and_before_the_room_ends(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slip = site.arrive(reading(1))
        await asyncio.wait_for(slip.done.wait(), 5)
        assert slip.settled_at == 5
        many = site.arrive(*(reading(n) for n in range(2, 7)))
        few = site.arrive(reading(8))
        await asyncio.sleep(0)
        assert many.settled_at is None
        await asyncio.wait_for(few.done.wait(), 5)
        assert many.settled_at == 35

    with_site(tmp_path, body, IntakeSettings(commit_every=0.02, max_messages=10))


def test_commits_pause_while_nobody_waits_for_them_but_an_alert_does_not(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        first = site.arrive(reading(1))
        await asyncio.wait_for(first.done.wait(), 5)  # nothing was committed just before
        later = site.arrive(reading(2))
        await asyncio.sleep(0.05)
        assert later.settled_at is None
        site.arrive(reading(3, 60.0))
        await asyncio.wait_for(later.done.wait(), 5)
        assert later.settled_at == 15
        assert len(site.alerts()) == 1

    with_site(tmp_path, body, IntakeSettings(commit_pause=600.0))


def test_what_a_pause_held_up_is_committed_after_it(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        for n in range(1, 4):
            slip = site.arrive(reading(n))
            await asyncio.wait_for(slip.done.wait(), 5)
            assert slip.settled_at == 5 * n

    with_site(tmp_path, body, IntakeSettings(commit_pause=0.02))


def test_after_a_slow_commit_the_next_gathers_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(site: Site) -> None:
        disk, loop = threading.Event(), asyncio.get_running_loop()
        stuck = site.journal.submit(lambda _: disk.wait(5))
        first = site.arrive(reading(1))
        for _ in range(10):  # its commit is queued behind the stuck one
            await asyncio.sleep(0)
        site.clock.advance(1.0)
        disk.set()
        await asyncio.gather(stuck, asyncio.wait_for(first.done.wait(), 5))
        waits, call_later = list[float](), loop.call_later

        def noted(wait: float, *what: Any) -> asyncio.TimerHandle:
            waits.append(wait)
            return call_later(wait, *what)

        monkeypatch.setattr(loop, "call_later", noted)
        await asyncio.wait_for(site.arrive(reading(2)).done.wait(), 5)
        assert 0.016 in waits

    with_site(tmp_path, body, IntakeSettings(commit_pause=0.0005))


def test_a_source_that_waits_for_its_receipts_is_not_held_up(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        for n in range(9):
            site.arrive(reading(n))
            await asyncio.wait_for(site.intake.everything_stored(), 5)
        slip = site.arrive(reading(9))
        await asyncio.wait_for(slip.done.wait(), 5)
        assert slip.settled_at == 50

    with_site(tmp_path, body, IntakeSettings(commit_pause=600.0))


def test_a_bad_message_is_quarantined_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slip = site.arrive(reading(1), b"nonsense", reading(2))
        await site.settle()
        assert slip.settled_at == 10
        (row,) = site.journal.quarantined(10)
        assert (row.payload, row.reason, row.topic, row.source) == (
            b"nonsense",
            "malformed",
            "acme/room-1/telemetry",
            "client",
        )
        counters = site.journal.counters()
        assert counters["messages_received"] == 3 == counters["messages_accepted"] + 1

    with_site(tmp_path, body)


def test_a_repeated_message_changes_nothing_but_its_count_and_is_settled(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.arrive(reading(1), reading(1))
        await site.settle()
        again = site.arrive(reading(1))
        await site.settle()
        assert again.settled_at == 5
        assert len(site.values()) == 5
        assert site.journal.counters()["messages_rejected.duplicate"] == 2

    with_site(tmp_path, body)


def test_a_rejected_message_may_come_again_mended_under_the_same_id(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.clock.advance(3600)
        site.arrive(reading(1))  # an hour old: stale
        await site.settle()
        site.clock.advance(-3600)
        site.arrive(reading(1))
        await site.settle()
        assert site.journal.counters()["messages_accepted"] == 1

    with_site(tmp_path, body)


def test_rules_go_on_after_a_restart_where_they_were(tmp_path: Path) -> None:
    async def first(site: Site) -> None:
        site.arrive(*(reading(n, 25.9) for n in range(9)))
        await site.settle()

    async def second(site: Site) -> None:
        site.intake.replay()
        site.arrive(reading(9, 26.8))  # the mean of all ten is 25.99
        await site.settle()
        assert site.board.seen == []
        site.arrive(reading(10, 26.2))  # the mean of the last ten is 26.02
        await site.settle()
        assert [event.kind for _, event, _ in site.board.seen] == ["alert.raised"]

    with_site(tmp_path, first)
    with_site(tmp_path, second)


def test_a_retained_message_is_kept_with_its_commit(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.arrive(reading(1), retain=True)
        await site.settle()
        assert site.journal.retained() == {"acme/room-1/telemetry": reading(1)}

    with_site(tmp_path, body)
