"""The service on a real journal; time is turned by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from holdfast.journal import register
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane, Stay
from holdfast.model.series import Kind, Series
from holdfast.residency.leaving import Leaving, store
from holdfast.residency.report import report
from holdfast.residency.rules import Policy
from holdfast.residency.service import Residency
from holdfast.residency.settings import Leave, ResidencyRule
from holdfast.telemetry.happenings import Telemetry

START = 1_700_000_100 * NS_PER_S  # a whole number of 100 s
AGGREGATE = Leave(aggregate="mean", step=100.0, grace=10.0, min_group=3, as_="floor/n.mean")
RULES = (ResidencyRule("badge-*/*", "site", (AGGREGATE,)),)
KEY = b"k" * 32


class Running:
    """A node's journal and residency, until it is killed."""

    def __init__(self, folder: Path, clock: ManualClock, rules: Sequence[ResidencyRule] = RULES) -> None:
        self.clock, self.log = clock, list[str]()
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), clock)
        self.policy = Policy(rules, "gw", "")
        self.journal.catalogue.rule_by(self.policy.stay)
        self.leaving = Leaving(self.policy, self.journal.catalogue, KEY, clock.wall_ns)
        self.service = Residency(self.policy, KEY, self.journal, clock, Telemetry(clock, self.log.append))

    async def publish(self, devices: int, at_s: float, value: float = 1.0) -> None:
        ids = [self.journal.catalogue.intern(Series("gw", f"badge-{n}", "n", "", Kind.FLOAT)) for n in range(devices)]
        ts = np.full(devices, START + round(at_s * NS_PER_S), np.int64)
        found = self.leaving.sort(
            Batch(np.array(ids, np.int32), ts, np.full(devices, value), np.zeros(devices, np.uint8))
        )

        def write(tx: object) -> None:
            store(tx, found)  # type: ignore[arg-type]
            tx.count("readings_accepted", devices)  # type: ignore[attr-defined]

        await self.journal.submit(write)

    def left(self) -> list[tuple[float, float]]:
        """(step's start in s, value) of every aggregate that left."""
        batches = [decode_readings(g.blob) for g in self.journal.read(Lane.NORMAL, 0, 10**6)]
        return [((int(t) - START) / NS_PER_S, v) for b in batches for t, v in zip(b.ts, b.value.tolist(), strict=True)]


def live(body: Callable[[ManualClock], Awaitable[None]]) -> None:
    asyncio.run(body(ManualClock(wall_ns=START)))  # type: ignore[arg-type]


def test_a_step_leaves_once_after_its_end_and_grace_and_only_with_enough_devices(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.service.apply()
        await node.publish(3, at_s=5, value=4.0)
        await node.publish(2, at_s=105)
        clock.advance(109)
        assert await node.service.once() == 0
        clock.advance(1)
        assert await node.service.once() == 1
        clock.advance(100)
        assert await node.service.once() == 1
        assert await node.service.once() == 0
        assert node.left() == [(0.0, 4.0)]
        counts = node.journal.counters()
        assert (counts["residency_rows.aggregated"], counts["residency_rows.suppressed_too_few"]) == (3, 2)
        assert balance(node.journal.accounts(CONSUMER, count=True), has_parent=False).balanced
        node.journal.close()

    live(body)


def test_a_restart_goes_on_where_it_was_and_repeats_nothing(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        for at in (5, 105, 405):
            await node.publish(3, at_s=at)
        clock.advance(250)
        assert await node.service.once() == 2
        node.journal.close()
        clock.advance(1000)
        again = Running(tmp_path, clock)
        assert await again.service.once() == 1
        assert [start for start, _ in again.left()] == [0.0, 100.0, 400.0]
        again.journal.close()

    live(body)


def test_a_day_that_is_over_joins_the_chain(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        await node.service.apply()
        await node.publish(3, at_s=5)
        clock.advance(86_400)
        await node.service.once()
        found = report(node.journal, node.journal.catalogue, node.policy)
        sealed = [(one.rule, one.counts["stayed"]) for one in found.days if one.sealed]
        assert sealed == [("badge-*/*", 3)]
        assert found.is_good
        node.journal.close()

    live(body)


def test_rules_that_change_are_noted_and_series_are_kept_or_freed_from_then_on(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        first = Running(tmp_path, clock, rules=())
        await first.service.apply()
        await first.publish(3, at_s=5)
        assert first.journal.head(Lane.BULK) == 3
        first.journal.close()
        kept = Running(tmp_path, clock)
        await kept.service.apply()
        assert any("ResidencyRuleLate" in line and "series=3" in line for line in kept.log)
        await kept.publish(3, at_s=6)
        assert (kept.journal.head(Lane.BULK), kept.journal.head(Lane.SITE)) == (3, 3)
        audit = report(kept.journal, kept.journal.catalogue, kept.policy)
        assert [(one.series, one.rows, one.waiting) for one in audit.misplaced] == [
            (f"gw/badge-{n}/n", 1, 1) for n in range(3)
        ]
        kept.journal.close()
        freed = Running(tmp_path, clock, rules=())
        await freed.service.apply()
        assert freed.journal.catalogue.freed == {0, 1, 2}
        await freed.publish(3, at_s=7)
        assert freed.journal.head(Lane.BULK) == 6
        entries, _ = freed.journal.register()
        assert [(one.kind, one.body["series_kept_from_now"], one.body["series_freed"]) for one in entries] == [
            ("rules", 3, 0),
            ("rules", 0, 3),
        ]
        freed.journal.close()
        last = Running(tmp_path, clock, rules=())
        await last.service.apply()
        assert len(last.journal.register()[0]) == 2
        assert last.journal.catalogue.may_leave(last.journal.catalogue[0]) is Stay.ANYWHERE
        last.journal.close()

    live(body)


def test_a_row_of_the_register_that_was_changed_is_found(tmp_path: Path) -> None:
    async def body(clock: ManualClock) -> None:
        node = Running(tmp_path, clock)
        for n in range(3):
            await node.journal.submit(partial(register.write, now_ns=START, kind="rules", body={"series_freed": n}))
        assert report(node.journal, node.journal.catalogue, node.policy).broken_at == 0
        await node.journal.submit(lambda tx: tx.db.execute("UPDATE residency_log SET body = '{}' WHERE id = 2"))
        assert report(node.journal, node.journal.catalogue, node.policy).broken_at == 2
        await node.journal.submit(lambda tx: tx.db.execute("DELETE FROM residency_log WHERE id = 2"))
        assert report(node.journal, node.journal.catalogue, node.policy).broken_at == 3
        node.journal.close()

    live(body)
