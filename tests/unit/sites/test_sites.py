"""What nodes tell of themselves, what their parents make of it, and that it costs next to nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from holdfast.devices.telling import Pages, Telling
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.sites.below import LATE_S, ONLINE_S, SitesBelow
from holdfast.sites.telling import SitesAbove, rounded
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.breaker import Breaker
from holdfast.wire.devices import DeviceReceipt, DeviceReport
from holdfast.wire.sites import SiteAbout, SiteHealth, SiteTold

LEEDS = SiteAbout("Works Leeds", 53.8, -1.55, "Europe/London", "gate 2", "0.8.0", 1_700_000_000 * NS_PER_S)
WELL = SiteHealth((0, 0, 12), (0, 0, 3), "wide", 4200, "trusted", "green", "ok", 12, 120.0)
NOW_NS = 1_700_000_000 * NS_PER_S


def with_journal(folder: Path, body: Callable[[Journal, ManualClock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = ManualClock(NOW_NS)
        journal = Journal(folder / "hub" / FILE_NAME, "hub", JournalSettings(), clock)
        try:
            await body(journal, clock)
        finally:
            await asyncio.sleep(0.05)
            journal.close()

    asyncio.run(run())


def state(below: SitesBelow, node: str) -> str:
    found = below.get(node)
    assert found is not None
    return found.state


class Health:
    def __init__(self) -> None:
        self.now = WELL

    async def __call__(self) -> SiteHealth:
        return self.now


class Parent:
    """Takes reports; an older one doesn't know of sites."""

    def __init__(self, *, is_older: bool = False) -> None:
        self.reports: list[DeviceReport] = []
        self.is_older = is_older

    async def tell(self, report: DeviceReport) -> DeviceReceipt:
        self.reports.append(report)
        return DeviceReceipt(report.n, sites=not self.is_older)


def telling(parent: Parent, above: SitesAbove, clock: ManualClock) -> Telling:
    async def look(_: object) -> dict[tuple[str, str], object]:
        return {}

    log: list[str] = []
    breaker = Breaker(3, 0.1, 1.0, __import__("random").Random(1))
    return Telling("life", list, look, parent, breaker, clock, Telemetry(clock, log.append), above)  # type: ignore[arg-type]  # no devices here


def test_a_whole_report_of_a_site_is_below_300_bytes_and_its_next_one_says_only_what_changed() -> None:
    above, health = SitesAbove("gw", LEEDS, Health(), None), Health()
    above = SitesAbove("gw", LEEDS, health, None)

    async def run() -> list[int]:
        sizes = []
        for now in (WELL, WELL, SiteHealth((1, 20, 3_000_000), (1, 2, 86_400), "narrow", 90, "trusted", "red", "full")):
            health.now = now
            rows = await above.page()
            above.taken(rows)
            plain = len(msgspec.msgpack.encode(DeviceReport("life")))
            sizes.append(len(msgspec.msgpack.encode(DeviceReport("life", sites=rows))) - plain)
        return sizes

    first, same, changed = asyncio.run(run())
    assert 100 < first <= 300
    assert same == 0
    assert 0 < changed < 100


def test_a_parent_of_an_older_version_is_told_of_sites_once_an_hour_and_no_more() -> None:
    async def run() -> tuple[int, int]:
        clock, parent = ManualClock(NOW_NS), Parent(is_older=True)
        mine = telling(parent, SitesAbove("gw", LEEDS, Health(), None), clock)
        for _ in range(20):
            await mine.once()
            clock.advance(15)
        early = sum(bool(report.sites) for report in parent.reports)
        clock.advance(3600)
        parent.is_older = False
        await mine.once()
        return early, len(parent.reports[-1].sites)

    assert asyncio.run(run()) == (1, 1)


def test_a_report_from_an_older_child_is_read_and_a_newer_ones_by_an_older_parent_too() -> None:
    older = msgspec.msgpack.encode({"life": "l", "n": 0})
    assert msgspec.msgpack.decode(older, type=DeviceReport).sites == ()
    assert Pages("l").report((), {}).sites == ()

    class OlderReport(msgspec.Struct):
        life: str
        n: int = 0

    newer = msgspec.msgpack.encode(DeviceReport("l", sites=(SiteTold("gw", about=LEEDS),)))
    assert msgspec.msgpack.decode(newer, type=OlderReport).life == "l"
    assert not msgspec.msgpack.decode(msgspec.msgpack.encode({"n": 1}), type=DeviceReceipt).sites


def test_a_site_is_online_then_late_then_silent_and_what_it_said_last_stays(tmp_path: Path) -> None:
    async def body(journal: Journal, clock: ManualClock) -> None:
        below = SitesBelow(journal, clock, ["gw"])
        assert state(below, "gw") == "never"
        assert not below.take("gw", [SiteTold("gw", about=LEEDS, health=WELL)])
        assert state(below, "gw") == "online"
        clock.advance(ONLINE_S)
        assert state(below, "gw") == "late"
        clock.advance(LATE_S)
        assert state(below, "gw") == "silent"
        found = below.get("gw")
        assert found is not None
        assert (found.about, found.health, found.heard_ns) == (LEEDS, WELL, NOW_NS)

    with_journal(tmp_path, body)


def test_a_parent_that_lost_what_a_child_is_asks_for_it(tmp_path: Path) -> None:
    async def body(journal: Journal, clock: ManualClock) -> None:
        below = SitesBelow(journal, clock, ["gw"])
        assert below.take("gw", [SiteTold("gw", health=WELL)])
        assert not below.take("gw", [SiteTold("gw", about=LEEDS)])

    with_journal(tmp_path, body)


def test_after_a_restart_a_silent_site_is_still_on_the_list_with_its_place_and_last_word(tmp_path: Path) -> None:
    async def body(journal: Journal, clock: ManualClock) -> None:
        below = SitesBelow(journal, clock, ["gw"])
        below.take(
            "gw", [SiteTold("gw", about=LEEDS, health=WELL), SiteTold("leaf", NOW_NS, (), LEEDS, WELL, "online")]
        )
        below.turn()
        await asyncio.sleep(0.1)
        clock.advance(600)
        again = SitesBelow(journal, clock, ["gw"])
        assert state(again, "gw") == "silent"
        assert state(again, "leaf") == "unknown"
        found = again.get("gw")
        assert found is not None
        assert found.about == LEEDS

    with_journal(tmp_path, body)


def test_nobody_below_speaks_for_this_node_or_for_another_child(tmp_path: Path) -> None:
    async def body(journal: Journal, clock: ManualClock) -> None:
        below = SitesBelow(journal, clock, ["gw", "other"])
        lie = SiteAbout("a lie")
        below.take(
            "gw", [SiteTold("hub", about=lie), SiteTold("other", about=lie), SiteTold("x", via=("hub",), about=lie)]
        )
        assert below.get("hub") is None
        assert below.get("x") is None
        found = below.get("other")
        assert found is not None
        assert found.about is None

    with_journal(tmp_path, body)


def test_a_site_of_a_site_is_told_on_with_its_way_and_its_state(tmp_path: Path) -> None:
    async def body(journal: Journal, clock: ManualClock) -> None:
        middle = SitesBelow(journal, clock, ["leaf"])
        middle.take("leaf", [SiteTold("leaf", about=LEEDS, health=WELL)])
        above = SitesAbove("region", SiteAbout(version="1"), Health(), middle)
        rows = await above.page()
        above.taken(rows)
        assert [(row.node, row.via, row.state) for row in rows] == [("region", (), ""), ("leaf", (), "online")]
        hub = SitesBelow(journal, clock, ["region"])
        hub.take("region", rows)
        found = hub.get("leaf")
        assert found is not None
        assert (found.via, found.state, found.about) == (("region",), "online", LEEDS)
        clock.advance(ONLINE_S + LATE_S)
        hub.take("region", await above.page())
        found = hub.get("leaf")
        assert found is not None
        assert (found.state, found.about, found.health) == ("silent", LEEDS, WELL)

    with_journal(tmp_path, body)


def test_what_only_trembles_is_no_news() -> None:
    assert [rounded(value) for value in (0, 0.1234, 118.4, 121.9, 98_765)] == [0.0, 0.12, 120.0, 120.0, 99_000.0]


def test_a_node_that_takes_no_acts_tells_of_none_below_that_do(tmp_path: Path) -> None:
    async def body(journal: Journal, clock: ManualClock) -> None:
        able = msgspec.structs.replace(LEEDS, can=("alert-acts",))
        below = SitesBelow(journal, clock, ["leeds"])
        below.take("leeds", [SiteTold("leeds", about=able, health=WELL)])
        for own, expected in ((LEEDS, ()), (able, ("alert-acts",))):
            rows = {row.node: row for row in await SitesAbove("region", own, Health(), below).page()}
            told = rows["leeds"].about
            assert told is not None
            assert told.can == expected

    with_journal(tmp_path, body)
