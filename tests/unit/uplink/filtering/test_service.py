"""The filter on a real journal; time is turned by hand, and nodes die between any two turns."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest

from holdfast.history.rows import Scan, Texts
from holdfast.journal.blobs import decode_readings
from holdfast.journal.filtered import RELEASED, Filtered, saving
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane, Stay
from holdfast.model.series import Kind, Series
from holdfast.residency.leaving import Leaving, store
from holdfast.residency.rules import Policy
from holdfast.residency.settings import ResidencyRule
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.filtering.rules import SendPolicy
from holdfast.uplink.filtering.service import GATHER_SHARE, HOLD_S, Filter
from holdfast.uplink.filtering.settings import AroundSettings, SendRule

START = 1_700_000_040 * NS_PER_S  # a whole number of minutes
AROUND = AroundSettings(before=20.0, after=30.0)
RULES = (
    SendRule("air.*", "summaries", every=60.0, grace=5.0, around=AROUND),
    SendRule("noise", "nothing"),
    SendRule("door.open", "raw"),
)
GATHERED_S = RULES[0].every * GATHER_SHARE
Row = tuple[str, str, float, float]
"""device, metric, at_s, value"""


class Running:
    """A node's journal and filter, until it is killed."""

    def __init__(
        self,
        folder: Path,
        clock: ManualClock,
        rules: Sequence[SendRule] = RULES,
        residency: Sequence[ResidencyRule] = (),
        results: Collection[str] = (),
    ) -> None:
        self.clock, self.log = clock, list[str]()
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), clock)
        stays = Policy(residency, "gw", "")
        self.journal.catalogue.rule_by(stays.stay)
        self.leaving = Leaving(stays, self.journal.catalogue)
        policy = SendPolicy(rules, "gw", stays.stay, lambda metric: metric in results)
        if rules:
            self.journal.catalogue.keep_by(policy.is_local)
        self.filter = Filter(policy, self.journal, clock, Telemetry(clock, self.log.append))

    async def publish(self, rows: Sequence[Row]) -> None:
        catalogue = self.journal.catalogue
        ids = [catalogue.intern(Series("gw", device, metric, "", Kind.FLOAT)) for device, metric, *_ in rows]
        ts = np.array([START + round(row[2] * NS_PER_S) for row in rows], np.int64)
        values = np.array([row[3] for row in rows])
        found = self.leaving.sort(Batch(np.array(ids, np.int32), ts, values, np.zeros(len(rows), np.uint8)))

        def write(tx: Transaction) -> None:
            store(tx, found)
            tx.count("readings_accepted", len(rows))

        await self.journal.submit(write)

    async def alert(
        self, device: str, metric: str, at_s: float, kind: str = "alert.raised", *, by_series: bool = False
    ) -> None:
        ts = START + round(at_s * NS_PER_S)
        event = Event(
            id=f"{ts:032x}",
            ts=ts,
            kind=kind,
            severity="warning",
            node="gw",
            device=device,
            rule="high",
            message="",
            why={"inputs": {metric: 1.0}} | ({"metric": metric} if by_series else {}),
        )

        def write(tx: Transaction) -> None:
            tx.append_events(Lane.CRITICAL, [event])
            tx.count("events_accepted")

        await self.journal.submit(write)

    def rows(self, lane: Lane) -> list[Row]:
        catalogue = self.journal.catalogue
        batches = [decode_readings(g.blob) for g in self.journal.read(lane, 0, 10**6)]
        return [
            (catalogue[i].device, catalogue[i].metric, (t - START) / NS_PER_S, v)
            for b in batches
            for i, t, v in zip(b.series.tolist(), b.ts.tolist(), b.value.tolist(), strict=True)
        ]

    def counted(self) -> Counter[tuple[str, float]]:
        """(device/metric, step) -> readings in its summaries."""
        found: Counter[tuple[str, float]] = Counter()
        for device, metric, at_s, value in self.rows(Lane.NORMAL):
            name, _, statistic = metric.rpartition(".")
            if statistic in ("count", "bad"):
                found[f"{device}/{name.removesuffix('.60s')}", at_s] += int(value)
        return found

    def account(self) -> Filtered:
        ledger = balance(self.journal.accounts(CONSUMER, count=True), has_parent=True)
        assert ledger.balanced, ledger
        assert ledger.filtered is not None
        return ledger.filtered


def live(body: Callable[[ManualClock], Awaitable[None]]) -> None:
    asyncio.run(body(ManualClock(wall_ns=START)))  # type: ignore[arg-type]


def every_second(upto: int, metric: str = "air.co2", device: str = "room") -> list[Row]:
    return [(device, metric, float(n), float(n)) for n in range(upto)]


def test_each_series_goes_up_as_the_first_entry_that_matches_says(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.publish([("room", "air.co2", 1, 1.0), ("room", "noise", 1, 2.0), ("room", "door.open", 1, 3.0)])
        await node.publish([("room", "other", 2, 4.0)])
        assert node.rows(Lane.LOCAL) == [("room", "air.co2", 1.0, 1.0), ("room", "noise", 1.0, 2.0)]
        assert node.rows(Lane.BULK) == [("room", "door.open", 1.0, 3.0), ("room", "other", 2.0, 4.0)]
        clock.advance(70)
        await node.filter.once()
        for seconds in (6, GATHERED_S):
            clock.advance(seconds)
            await node.filter.once()
        assert {(metric, value) for _, metric, _, value in node.rows(Lane.NORMAL)} == {
            ("air.co2.60s.count", 1.0),
            *((f"air.co2.60s.{name}", 1.0) for name in ("min", "max", "mean", "first", "last")),
        }
        assert node.account() == Filtered(2, 1, 0, 0, 1, 0, 0, 0, 0)
        node.journal.close()

    live(body)


def test_a_step_goes_up_when_its_series_is_past_it_and_its_grace_or_has_long_been_quiet(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        clock.advance(3600)
        await node.publish(every_second(65))
        await node.filter.once()
        assert node.counted() == {}  # a reading stamped 59 s may still be on its way
        await node.publish([("room", "air.co2", 65.0, 65.0)])
        for seconds in (0, GATHERED_S - 1):
            clock.advance(seconds)
            await node.filter.once()
        await node.publish([("room", "air.co2", 66.0, 65.0)])
        clock.advance(1)
        await node.filter.once()
        assert node.counted() == {("room/air.co2", 0.0): 60}
        for seconds in (6, GATHERED_S):
            clock.advance(seconds)
            await node.filter.once()
        assert node.counted()["room/air.co2", 60.0] == 7
        await node.publish([("room", "air.co2", 30.0, 1000.0)])  # late: a second summary of the step
        for seconds in (0, GATHERED_S):
            clock.advance(seconds)
            await node.filter.once()
        assert node.counted()["room/air.co2", 0.0] == 61
        assert [v for _, m, at, v in node.rows(Lane.NORMAL) if m.endswith(".max") and not at] == [59.0, 1000.0]
        assert node.account().summarised == 68
        node.journal.close()

    live(body)


def test_series_whose_steps_end_within_some_seconds_have_their_summaries_in_one_commit(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        devices = [f"room-{i}" for i in range(5)]
        clock.advance(60)
        await node.publish([(device, "air.co2", 30.0, 1.0) for device in devices])
        for at_s, device in enumerate(devices, 65):
            await node.publish([(device, "air.co2", float(at_s), 1.0)])
            await node.filter.once()
            clock.advance(1)
        assert node.rows(Lane.NORMAL) == []
        await node.filter.once()
        (group,) = node.journal.read(Lane.NORMAL, 0, 10**6)
        assert len(group) == 6 * 5
        node.journal.close()

    live(body)


def test_an_alert_about_one_series_opens_no_window_of_another_not_even_where_that_one_goes_up_raw(
    tmp_path: Path,
) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.filter.once()
        rows = [*every_second(50), *every_second(50, "air.h2"), *every_second(50, "door.open")]
        await node.publish(rows)
        await node.alert("room", "door.open", 25, by_series=True)
        await node.filter.once()
        assert {row[1] for row in node.rows(Lane.BULK)} == {"door.open"}
        await node.alert("room", "air.co2", 25, by_series=True)
        await node.filter.once()
        assert {row[1] for row in node.rows(Lane.BULK)} == {"door.open", "air.co2"}
        await node.alert("room", "quiet", 26)  # names no reading: it's about the device
        await node.filter.once()
        assert {row[1] for row in node.rows(Lane.BULK)} == {"door.open", "air.co2", "air.h2"}
        node.journal.close()

    live(body)


def test_what_rules_store_goes_up_as_it_is_unless_an_entry_ends_with_its_own_last_word(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        rules = (*RULES, SendRule("*.score", "nothing"))
        node = Running(tmp_path, clock, rules, results=("air.co2.mean_5m", "air.co2.score"))
        metrics = ("air.co2", "air.co2.mean_5m", "air.co2.score")
        await node.publish([("room", metric, 1, 1.0) for metric in metrics])
        assert [row[1] for row in node.rows(Lane.LOCAL)] == ["air.co2", "air.co2.score"]
        assert [row[1] for row in node.rows(Lane.BULK)] == ["air.co2.mean_5m"]
        clock.advance(3600)
        for _ in range(3):
            clock.advance(10)
            await node.filter.once()
        assert {row[1].partition(".60s.")[0] for row in node.rows(Lane.NORMAL)} == {"air.co2"}
        await node.alert("room", "air.co2.mean_5m", 1)  # of a result: what it was made of goes up
        await node.filter.once()
        assert [row[1] for row in node.rows(Lane.BULK)] == ["air.co2.mean_5m", "air.co2"]
        assert node.account().left_out == 1
        node.journal.close()

    live(body)


def test_raw_readings_around_an_alert_go_up_once_before_and_after_it_over_a_restart(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.filter.once()
        await node.publish([*every_second(100), *every_second(100, device="other"), *every_second(100, "air.h2")])
        await node.filter.once()
        await node.alert("room", "air.co2", 90)
        await node.alert("room", "air.co2", 95)
        await node.filter.once()
        assert [row[2] for row in node.rows(Lane.BULK)] == [float(n) for n in range(70, 100)]
        node.journal.close()
        again = Running(tmp_path, clock)
        await again.publish([("room", "air.co2", float(n), 0.0) for n in range(100, 140)])
        await again.filter.once()
        assert [row[2] for row in again.rows(Lane.BULK)] == [float(n) for n in range(70, 126)]
        assert {row[:2] for row in again.rows(Lane.BULK)} == {("room", "air.co2")}
        assert again.account().around == 56
        again.journal.close()

    live(body)


def test_what_went_up_raw_is_there_once_for_whoever_asks_here(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.filter.once()
        await node.publish(every_second(50))
        await node.alert("room", "air.co2", 25)
        await node.filter.once()
        assert len(node.rows(Lane.BULK)) == 45
        catalogue = node.journal.catalogue
        place_of = np.full(len(catalogue), -1, np.int64)
        place_of[0] = 0
        scan = Scan(place_of, catalogue.is_text, START, START + 100 * NS_PER_S, Texts())
        assert sum(map(len, scan.rows(node.journal, 10**6))) == 50
        node.journal.close()

    live(body)


def test_what_is_over_the_days_bytes_stays_and_is_counted_and_the_next_day_it_goes_on(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        rules = (SendRule("air.*", "summaries", around=AroundSettings(20.0, 30.0, per_day=200)),)
        node = Running(tmp_path, clock, rules)
        await node.filter.once()
        await node.publish([("room", "air.co2", 1.0, 1.0)])
        await node.alert("room", "air.co2", 1)
        await node.filter.once()
        assert len(node.rows(Lane.BULK)) == 1
        rng = Random(1)
        await node.publish([("room", "air.co2", 2 + n / 100, rng.random()) for n in range(200)])
        await node.filter.once()
        assert len(node.rows(Lane.BULK)) == 1
        assert node.account().over_cap == 200
        assert "FilterCapReached" in node.log[-1]
        clock.advance(86_400)
        await node.publish([("room", "air.co2", 5.0, 1.0)])
        await node.filter.once()
        assert len(node.rows(Lane.BULK)) == 2
        node.journal.close()

    live(body)


def test_a_residency_rule_decides_before_an_entry_does(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock, residency=(ResidencyRule("room/*", "site"),))
        await node.publish([("room", "air.co2", 1.0, 1.0), ("hall", "air.co2", 1.0, 1.0)])
        assert node.rows(Lane.SITE) == [("room", "air.co2", 1.0, 1.0)]
        assert node.rows(Lane.LOCAL) == [("hall", "air.co2", 1.0, 1.0)]
        assert [Stay(n) for n in node.journal.catalogue.stay_of] == [Stay.SITE, Stay.ANYWHERE]
        node.journal.close()

    live(body)


def test_entries_that_are_gone_leave_nothing_open(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.publish(every_second(30))
        await node.filter.drain()
        assert node.account().open == 30
        await node.publish(every_second(5))
        node.journal.close()
        again = Running(tmp_path, clock, rules=())
        await again.publish(every_second(1))
        await again.filter.once()
        assert again.account() == Filtered(35, 30, 0, 0, 5, 0, 0, 0, 0)
        assert len(again.rows(Lane.BULK)) == 1
        again.journal.close()

    live(body)


def test_rows_are_released_once_no_alert_should_need_them(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.publish(every_second(10))
        await node.filter.once()
        clock.advance(AROUND.before + HOLD_S - 1)
        await node.filter.once()
        assert node.journal.cursor(RELEASED, Lane.LOCAL) == 0
        clock.advance(35)
        await node.filter.once()
        assert node.journal.cursor(RELEASED, Lane.LOCAL) == 10
        node.journal.close()

    live(body)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_counted_twice_or_left_out_wherever_it_is_killed(tmp_path: Path, seed: int) -> None:
    """Readings in any order of time, repeated alerts, deaths between any two steps of the work."""

    async def body(clock: ManualClock) -> None:
        rng, node = Random(seed), Running(tmp_path, clock)
        await node.filter.once()
        sent, spans = [("room", "air.co2", 0.0, 1.0), ("hall", "air.co2", 0.0, 1.0)], list[tuple[str, float]]()
        await node.publish(sent)
        wanted = Counter((f"{device}/air.co2", 0.0) for device, *_ in sent)
        for turn in range(80):
            match rng.randrange(6):
                case 0 | 1:
                    rows = [
                        (rng.choice(("room", "hall")), "air.co2", float(max(0, turn * 5 - rng.randrange(40))), 1.0)
                        for _ in range(rng.randrange(1, 30))
                    ]
                    sent += rows
                    wanted.update((f"{device}/air.co2", at_s // 60 * 60) for device, _, at_s, _ in rows)
                    await node.publish(rows)
                case 2 if len(spans) < 7:
                    device, at_s = rng.choice(("room", "hall")), float(turn * 5)
                    spans.append((device, at_s))
                    await node.alert(device, "air.co2", at_s)
                case 3 | 4:
                    clock.advance(rng.randrange(8))
                    await node.filter.once()
                case _:
                    if rng.random() < 0.3:
                        await node.filter.drain()
                    node.journal.close()
                    node = Running(tmp_path, clock)
        clock.advance(3600)
        await node.filter.once()
        for _ in range(2):
            clock.advance(10)
            await node.filter.once()
        assert node.counted() == wanted
        inside = [row for row in sent if any(row[0] == d and at - 20 <= row[2] <= at + 30 for d, at in spans)]
        assert Counter(node.rows(Lane.BULK)) == Counter(inside)
        account = node.account()
        assert (account.kept, account.summarised, account.open) == (len(sent), len(sent), 0)
        found = saving(node.journal.counters())
        assert found is not None
        assert found.readings == len(sent)
        node.journal.close()

    live(body)
