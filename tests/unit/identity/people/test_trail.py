"""The trail on a real journal: before and after a change, and while there's no room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from holdfast.identity.people import trail as module
from holdfast.identity.people.errors import AuditWaits
from holdfast.identity.people.trail import MOST_OPEN, JournalTrail
from holdfast.identity.people.watch import ChainWatch
from holdfast.journal import audit_log
from holdfast.journal.audit_log import ASKED, DONE, FAILED, UNKNOWN, Line, Wanted
from holdfast.journal.journal import Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.storage.errors import DiskFull
from holdfast.telemetry.happenings import Telemetry

NOW = 1_700_000_000_000_000_000


class Full:
    """While set, the disk has no room."""

    def __init__(self, journal: Journal) -> None:
        self.is_full, self._journal = True, journal
        journal.submit(self._write).add_done_callback(lambda done: done.exception())

    def _write(self, _: Transaction) -> None:
        if self.is_full:
            raise DiskFull("no room")


@asynccontextmanager
async def opened(folder: Path, log: list[str]) -> AsyncIterator[tuple[Journal, JournalTrail]]:
    clock = ManualClock(NOW)
    journal = Journal(folder / "journal.db", "gw", JournalSettings(), clock)
    try:
        yield journal, JournalTrail(journal, clock, Telemetry(clock, log.append))
    finally:
        journal.close()


def lines(journal: Journal) -> list[tuple[str, str, int]]:
    found: list[Line] = journal.look(lambda db: audit_log.page(db, Wanted(), 99))
    return [(str(one.body["what"]), one.step, one.status) for one in reversed(found)]


def test_a_change_is_on_disk_as_asked_before_it_may_begin_and_then_with_its_end(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path, []) as (journal, trail):
            act = await trail.ask("ann", "one", "127.0.0.1", body="{}")
            assert lines(journal) == [("one", ASKED, 0)]
            await trail.ended(act, 201)
            assert lines(journal) == [("one", DONE, 201)]

    asyncio.run(run())


def test_what_a_life_left_open_is_unknown_in_the_next_before_anything_else(tmp_path: Path) -> None:
    async def run() -> None:
        log: list[str] = []
        async with opened(tmp_path, log) as (_, trail):
            await trail.ask("ann", "one", "")
        async with opened(tmp_path, log) as (journal, trail):
            await trail.ended(await trail.ask("ann", "two", ""), 200)
            assert lines(journal) == [("one", UNKNOWN, 0), ("two", DONE, 200)]
            stored = journal.look(lambda db: audit_log.stored(db, 0, 9))
            assert ['"of":1' in one.body for one in stored] == [False, True, False, False]
        assert sum("PersonAuditSettled changes=1" in line for line in log) == 1

    asyncio.run(run())


def test_without_room_a_change_is_refused_and_its_late_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.05)

    async def run() -> None:
        async with opened(tmp_path, []) as (journal, trail):
            early = await trail.ask("ann", "early", "")
            full = Full(journal)
            with pytest.raises(AuditWaits, match="put on record"):
                await trail.ask("ann", "refused", "")
            await trail.ended(early, 200)
            full.is_full = False
            for _ in range(2):  # the late line, then its end
                await journal.submit(lambda _: None)
            assert lines(journal) == [("early", DONE, 200), ("refused", FAILED, 503)]

    asyncio.run(run())


def test_only_so_many_changes_are_under_way_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path, []) as (_, trail):
            acts = [await trail.ask("ann", f"{n}", "") for n in range(MOST_OPEN)]
            with pytest.raises(AuditWaits, match=f"{MOST_OPEN} changes wait"):
                await trail.ask("ann", "more", "")
            await trail.ended(acts[0], 200)
            await trail.ask("ann", "more", "")

    asyncio.run(run())


def test_somebody_who_is_refused_again_and_again_fills_only_so_much_of_the_log(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path, []) as (journal, trail):
            for _ in range(70):
                await trail.failed("vera", "POST /api/v1/silences", "", 403)
            await trail.failed("otto", "POST /api/v1/people", "", 403)
            found = lines(journal)
            assert (len(found), found[-1]) == (61, ("POST /api/v1/people", "", 403))

    asyncio.run(run())


def test_the_watch_says_once_that_the_log_was_tampered_with_and_sees_an_end_cut_off(tmp_path: Path) -> None:
    async def run() -> None:
        log: list[str] = []
        async with opened(tmp_path, log) as (journal, trail):
            clock = ManualClock(NOW)
            watch = ChainWatch(journal.look, clock, Telemetry(clock, log.append))
            for n in range(3):
                await trail.write("ann", f"{n}", 200, "")
            assert (await watch.turn(0), watch.checked_ns) == (0, NOW)
            await journal.submit(lambda tx: tx.db.execute("DELETE FROM audit_log WHERE id = 3"))
            await trail.write("eve", "in its place", 200, "")
            assert (await watch.turn(0), await watch.turn(0), watch.broken_at) == (3, 3, 3)
        assert sum("AuditChainBroken line=3" in line for line in log) == 1

    asyncio.run(run())
