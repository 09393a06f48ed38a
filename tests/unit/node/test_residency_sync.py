"""A gateway under rules below a parent of its own region or another: real journals, ingest and uplink, on one loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tests.waiting import until

from holdfast.ingest.service import IngestService
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.model.series import Kind, Series
from holdfast.residency.leaving import Leaving, store
from holdfast.residency.rules import Policy
from holdfast.residency.service import Residency
from holdfast.residency.settings import ResidencyRule
from holdfast.sim.tree.link import SimLink, Weather
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.errors import LaneClosed
from holdfast.uplink.offers import encode
from holdfast.uplink.plan import Offer
from holdfast.uplink.service import UplinkService
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.columns import encode_readings
from holdfast.wire.messages import GENESIS, BatchHeader, BatchReply

RULES = (ResidencyRule("camera/*", "site"), ResidencyRule("badge/*", "region"))
CLOCK = SystemClock()
SETTINGS = JournalSettings(quota=100_000_000)


class Two:
    """The gateway's rules may change with a restart; the parent is in `place`."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder, self.log = folder, list[str]()
        self.telemetry = Telemetry(CLOCK, self.log.append)
        self.parent = Journal(folder / "parent" / FILE_NAME, "parent", SETTINGS, CLOCK)
        self.ingest = IngestService(self.parent, self.telemetry, ChildrenSettings(), CLOCK, region=place)

    async def start(self, rules: Sequence[ResidencyRule] = RULES) -> None:
        telemetry = Telemetry(CLOCK, self.log.append)
        self.child = Journal(self.folder / "gw" / FILE_NAME, "gw", SETTINGS, CLOCK)
        policy = Policy(rules, "gw", "eu")
        self.child.catalogue.rule_by(policy.stay)
        self.leaving = Leaving(policy, self.child.catalogue, b"k" * 32)
        await Residency(policy, b"k" * 32, self.child, CLOCK, telemetry).apply()
        self.link = SimLink("gw", Weather(latency=0.0), Random(1))
        self.link.parent = self.ingest
        settings = ParentSettings("https://p", "ca", "t", linger=0.0, backoff_max=0.2, check_in=0.2, remember_every=0.0)
        self.uplink = UplinkService(settings, self.child, self.link, CLOCK, telemetry, Random(1), region="eu")
        self.task = asyncio.create_task(self.uplink.run())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.child.close()

    async def publish(self, *devices: str) -> None:
        ids = [self.child.catalogue.intern(Series("gw", device, "n", "", Kind.FLOAT)) for device in devices]
        n = len(ids)
        batch = Batch(np.array(ids, np.int32), np.arange(n), np.arange(n, dtype=float), np.zeros(n, np.uint8))
        found = self.leaving.sort(batch)

        def write(tx: Transaction) -> None:
            store(tx, found)
            tx.count("readings_accepted", n)

        await self.child.submit(write)

    async def synced(self, lanes: Sequence[Lane] = OPEN_LANES) -> None:
        await until(lambda: all(self.child.cursor(CONSUMER, lane) == self.child.head(lane) for lane in lanes))

    def at_parent(self) -> list[tuple[Lane, str]]:
        """(lane, device) of every row there."""
        return [
            (lane, self.parent.catalogue[number].device)
            for lane in Lane
            for group in self.parent.read(lane, 0, 10**6)
            for number in decode_readings(group.blob).series.tolist()
        ]

    def names(self) -> set[str]:
        return {series.device for series in self.parent.catalogue.since(0)}


def with_two(folder: Path, place: str, body: Callable[[Two], Awaitable[None]]) -> None:
    async def main() -> None:
        two = Two(folder, place)
        await body(two)
        await two.stop()
        assert balance(two.parent.accounts(CONSUMER, count=True), has_parent=False).balanced
        two.parent.close()

    asyncio.run(main())


def test_a_parent_of_the_region_gets_its_lane_and_no_other_that_stays(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.start()
        await two.publish("camera", "badge", "press")
        await two.synced((*OPEN_LANES, Lane.REGION))
        assert two.at_parent() == [(Lane.BULK, "press"), (Lane.REGION, "badge")]
        assert two.names() == {"press", "badge", "withheld"}
        badge = two.parent.catalogue.find(Series("gw", "badge", "n", "", Kind.FLOAT))
        assert badge is not None
        assert two.parent.catalogue.stay_of[badge] == 1
        assert balance(two.child.accounts(CONSUMER, count=True), has_parent=True).lanes[4].kept == 1
        assert two.uplink.status().backlog == dict.fromkeys(Lane, 0)

    with_two(tmp_path, "eu", body)


def test_a_parent_elsewhere_gets_neither_rows_nor_names(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.start()
        await two.publish("camera", "badge", "press")
        await two.synced()
        assert two.at_parent() == [(Lane.BULK, "press")]
        assert two.names() == {"press", "withheld"}
        ledger = balance(two.child.accounts(CONSUMER, count=True), has_parent=True)
        assert ledger.balanced
        assert [lane.kept for lane in ledger.lanes] == [0, 0, 0, 1, 1, 0]

    with_two(tmp_path, "us", body)


def test_a_series_that_becomes_free_gets_its_name_back_at_the_parent(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.start()
        await two.publish("camera", "badge", "press")
        await two.synced()
        await two.stop()
        await two.start(rules=())
        await two.publish("camera", "badge", "press")
        await two.synced()
        assert sorted(two.at_parent()) == sorted([(Lane.BULK, d) for d in ("press", "camera", "badge", "press")])

    with_two(tmp_path, "us", body)


def test_a_rule_that_comes_later_keeps_the_rows_from_then_on(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.start(rules=())
        await two.publish("camera", "press")
        await two.synced()
        await two.stop()
        await two.start()
        await two.publish("camera", "press")
        await two.synced()
        assert two.at_parent() == [(Lane.BULK, "camera"), (Lane.BULK, "press"), (Lane.BULK, "press")]

    with_two(tmp_path, "eu", body)


def test_a_parent_refuses_a_lane_that_it_must_not_have_and_counts_it(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.start()
        await two.publish("press")
        await two.synced()
        for lane, region in ((Lane.SITE, "eu"), (Lane.REGION, "us"), (Lane.REGION, "")):
            header = BatchHeader(1, lane, 1, 1, GENESIS, GENESIS, "readings", (1,), region=region)
            one = Batch(np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.uint8))
            reply = await two.ingest.batch("gw", encode_readings(header, [one]))
            assert reply.status == "forbidden"
        await two.parent.submit(lambda _: None)
        _, counts = two.parent.register()
        assert [one for day in counts.values() for one in day.values()] == [{"refused_from_child": 3}]
        assert (two.parent.head(Lane.REGION), two.parent.head(Lane.SITE)) == (0, 0)

    with_two(tmp_path, "eu", body)


def test_a_forbidden_lane_is_closed_and_the_others_go_on(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.start()
        batch = two.link.batch

        async def strict(body: bytes) -> BatchReply:
            reply = await batch(body)
            return BatchReply("forbidden", detail="moved") if b'"lane":3' in body else reply

        two.link.batch = strict  # type: ignore[method-assign]
        await two.publish("badge")
        await until(lambda: any("UplinkForbidden" in line for line in two.log))
        await two.publish("press")
        await two.synced()
        assert (Lane.BULK, "press") in two.at_parent()

    with_two(tmp_path, "eu", body)


def test_an_offer_of_a_lane_that_stays_is_never_encoded_for_a_stranger(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.start()
        await two.publish("camera", "badge")
        for lane in (Lane.REGION, Lane.SITE):
            with pytest.raises(LaneClosed):
                encode(two.child, two.child.catalogue, Offer(lane, 0, 10, 1, 0), None, 0)

    with_two(tmp_path, "us", body)
