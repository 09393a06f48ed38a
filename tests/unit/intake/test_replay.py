"""Refused messages replayed with mended profiles, over a real journal."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from holdfast.codecs.loading import load_profiles
from holdfast.codecs.profiles import Profile
from holdfast.intake.replay import MESSAGES_PER_COMMIT, ORIGIN, Quarantine, judge
from holdfast.intake.seen import SeenKeys
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.records import QuarantineRow
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane

RECEIVED_NS = 1_795_187_068 * 10**9
EVERYTHING = QuarantineFilter()


def profiles(folder: Path, stale_after: str) -> list[Profile]:
    file = folder / f"profile-{stale_after}.yaml"
    file.write_text(
        f"profiles:\n  press:\n    topic: plant/{{device}}\n    version: 1\n    time: {{field: ts, unit: s}}\n"
        f"    id: id\n    stale_after: {stale_after}\n    fields:\n"
        "      t: {metric: temperature, unit: Cel}\n      s: {metric: state, type: text, optional: true}\n"
    )
    return list(load_profiles([file]))


def message(number: int, age_s: float = 600, **more: object) -> QuarantineRow:
    payload = {"id": number, "ts": RECEIVED_NS / 1e9 - age_s, "t": float(number), **more}
    return QuarantineRow(0, RECEIVED_NS, "c", "plant/press-1", "stale", "old", json.dumps(payload).encode())


class Site:
    def __init__(self, folder: Path, stale_after: str) -> None:
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), ManualClock(RECEIVED_NS))
        self.seen = SeenKeys(10_000)
        for keys in self.journal.dedupe_keys():
            self.seen.admit(np.frombuffer(keys, "<u8"))
        self.told: list[Batch] = []
        self.quarantine = Quarantine(self.journal, profiles(folder, stale_after), self.seen, self.told.append)

    async def refuse(self, *rows: QuarantineRow) -> None:
        def write(transaction: object) -> None:
            transaction.quarantine(rows, 100_000)  # type: ignore[attr-defined]
            for row in rows:
                transaction.count("messages_received")  # type: ignore[attr-defined]
                transaction.count(f"messages_rejected.{row.reason}")  # type: ignore[attr-defined]

        await self.journal.submit(write)

    def values(self) -> list[float]:
        groups = self.journal.read(Lane.BULK, 0, 10**6)
        assert {g.origin for g in groups} <= {ORIGIN.peer}
        return sorted(float(v) for g in groups for v in decode_readings(g.blob).value)

    def is_balanced(self) -> bool:
        return balance(self.journal.accounts(CONSUMER, count=True), has_parent=False).balanced


def at_site(folder: Path, stale_after: str, body: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        site = Site(folder, stale_after)
        try:
            await body(site)
        finally:
            site.journal.close()

    asyncio.run(run())


def test_messages_that_decode_now_become_readings_and_leave_the_quarantine(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.refuse(message(1), message(2), message(3, age_s=7200))
        done = await site.quarantine.replay(EVERYTHING, dry_run=False)
        assert (done.replayed, done.readings, done.still_rejected) == (2, 2, {"stale": 1})
        assert site.values() == [1.0, 2.0]
        assert [float(v) for b in site.told for v in b.value] == [1.0, 2.0]
        assert [r.id for r in site.journal.quarantined(10)] == [3]
        counters = site.journal.counters()
        assert counters["quarantine_replayed.stale"] == counters["messages_accepted"] == 2
        assert counters["messages_rejected.stale"] == 1
        assert site.is_balanced()

    at_site(tmp_path, "1h", body)


def test_replaying_twice_stores_nothing_twice_also_after_a_restart(tmp_path: Path) -> None:
    async def first(site: Site) -> None:
        await site.refuse(message(1), message(2))
        both = await asyncio.gather(*(site.quarantine.replay(EVERYTHING, dry_run=False) for _ in range(2)))
        assert sorted(done.replayed for done in both) == [0, 2]

    async def second(site: Site) -> None:
        assert (await site.quarantine.replay(EVERYTHING, dry_run=False)).replayed == 0
        await site.refuse(message(2))  # the device sent it once more, and it was refused under the old profile
        done = await site.quarantine.replay(EVERYTHING, dry_run=False)
        assert (done.replayed, done.repeats) == (0, 1)
        assert site.values() == [1.0, 2.0]
        assert site.journal.counters()["messages_rejected.duplicate"] == 1
        assert site.is_balanced()

    at_site(tmp_path, "1h", first)
    at_site(tmp_path, "1h", second)


def test_a_dry_run_foretells_the_replay_and_changes_nothing(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.refuse(message(1), message(1), message(2, t="warm"))
        counters = site.journal.counters()
        told = await site.quarantine.replay(EVERYTHING, dry_run=True)
        assert (told.replayed, told.readings, told.repeats, told.still_rejected) == (1, 1, 1, {"wrong_type": 1})
        assert len(site.journal.quarantined(10)) == 3
        assert (site.journal.counters(), len(site.journal.catalogue)) == (counters, 0)
        done = await site.quarantine.replay(EVERYTHING, dry_run=False)
        assert (done.replayed, done.repeats, done.still_rejected) == (told.replayed, told.repeats, told.still_rejected)

    at_site(tmp_path, "1h", body)


def test_a_message_refused_for_another_reason_now_says_the_new_one(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.refuse(message(1, t="warm"))
        await site.quarantine.replay(EVERYTHING, dry_run=False)
        (row,) = site.journal.quarantined(10)
        assert row.reason == "wrong_type"
        assert "Expected" in row.detail
        counters = site.journal.counters()
        assert (counters["messages_rejected.stale"], counters["messages_rejected.wrong_type"]) == (0, 1)
        assert counters["quarantine_moved.stale"] == 1
        assert site.is_balanced()

    at_site(tmp_path, "1h", body)


def test_only_the_wanted_messages_are_replayed_however_many_there_are(tmp_path: Path) -> None:
    many = 2 * MESSAGES_PER_COMMIT + 10

    async def body(site: Site) -> None:
        await site.refuse(*(message(n) for n in range(1, many + 1)))
        assert (await site.quarantine.replay(QuarantineFilter(ids=(3, 5)), dry_run=False)).replayed == 2
        assert (await site.quarantine.replay(QuarantineFilter(reason="malformed"), dry_run=False)).replayed == 0
        assert (await site.quarantine.replay(EVERYTHING, dry_run=False)).replayed == many - 2
        assert site.values() == [float(n) for n in range(1, many + 1)]
        assert site.is_balanced()

    at_site(tmp_path, "1h", body)


def test_a_caller_that_goes_away_does_not_stop_a_replay_half_way(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.refuse(*(message(n) for n in range(1, 1001)))
        caller = asyncio.ensure_future(site.quarantine.replay(EVERYTHING, dry_run=False))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await site.quarantine.replay(EVERYTHING, dry_run=False)  # waits for the first
        assert len(site.values()) == 1000

    at_site(tmp_path, "1h", body)


def test_the_verdict_tells_the_readings_or_why_not(tmp_path: Path) -> None:
    good = judge(message(7, s="on"), profiles(tmp_path, "1h"), "gw")
    assert good.decodes
    assert [(r.series, r.value, r.unit, r.quality) for r in good.readings] == [
        ("gw/press-1/temperature", 7.0, "Cel", "good"),
        ("gw/press-1/state", "on", "", "good"),
    ]
    bad = judge(message(7), profiles(tmp_path, "1s"), "gw")
    assert (bad.decodes, bad.reason, bad.readings) == (False, "stale", [])
    assert bad.detail
