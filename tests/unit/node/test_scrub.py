"""The scrub finds damage, and takes no more of a core than its share."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import numpy as np

from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.rows import place_of
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.node.scrub import STEP_GROUPS, Scrub
from holdfast.telemetry.happenings import Telemetry

GROUPS = 3 * STEP_GROUPS
PLENTY = 1 << 40


class SlowClock(ManualClock):
    """Each look at it finds a second passed: every step of work takes that long."""

    def monotonic(self) -> float:
        self.advance(1.0)
        return super().monotonic()


def with_journal(folder: Path, body: Callable[[Journal], Awaitable[None]]) -> None:
    async def run() -> None:
        journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), ManualClock())
        try:
            number = journal.catalogue.intern(Series("gw", "press", "temperature", "Cel", Kind.FLOAT))
            for ts in range(GROUPS):
                await journal.submit(partial(Transaction.append_readings, lane=Lane.BULK, batch=row(number, ts)))
            await body(journal)
        finally:
            journal.close()

    asyncio.run(run())


def row(series: int, ts: int) -> Batch:
    return Batch(np.array([series], np.int32), np.array([ts]), np.array([20.5]), np.zeros(1, np.uint8))


def test_a_flipped_bit_becomes_a_gap_within_a_round(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        def flip(tx: Transaction) -> None:
            place = (place_of(Lane.BULK, GROUPS - 1),)
            tx.db.execute("UPDATE groups SET ts_min = ts_min + 1 WHERE place = ?", place)

        await journal.submit(flip)
        scrub = Scrub(journal, ManualClock(), Telemetry(ManualClock()))
        await scrub.turn(PLENTY, 2.0)
        assert scrub.rounds == 1
        assert [(gap.first, gap.last) for gap in journal.damaged_gaps()] == [(GROUPS - 1, GROUPS - 1)]

    with_journal(tmp_path, body)


def test_it_looks_at_no_more_than_its_bytes_in_a_turn_and_goes_on_in_the_next(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        scrub = Scrub(journal, ManualClock(), Telemetry(ManualClock()))
        await scrub.turn(1, 2.0)
        assert scrub.verified_groups == STEP_GROUPS
        await scrub.turn(PLENTY, 2.0)
        assert scrub.verified_groups == GROUPS
        assert scrub.rounds == 1

    with_journal(tmp_path, body)


def test_where_groups_cost_much_time_a_turn_ends_before_its_share_of_a_core_is_passed(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        clock = SlowClock()
        scrub = Scrub(journal, clock, Telemetry(clock))
        await scrub.turn(PLENTY, 2.0)
        assert scrub.verified_groups == STEP_GROUPS

    with_journal(tmp_path, body)
