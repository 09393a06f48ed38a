"""Readings that a filter keeps here wait for files and for the filter, not for the parent's ack."""

import asyncio
from pathlib import Path

import numpy as np

from holdfast.journal.filtered import CONSUMER as FILTER
from holdfast.journal.filtered import RELEASED
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.pieces import HISTORY
from holdfast.journal.relief import Level, level_of
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.node.upkeep import Upkeep
from holdfast.residency.leaving import Leaving, store
from holdfast.residency.rules import Policy
from holdfast.telemetry.happenings import Telemetry

ROWS = 1_000


async def fill_to_yellow(journal: Journal) -> None:
    journal.catalogue.keep_by(lambda series: series.metric == "n")
    leaving = Leaving(Policy((), "gw"), journal.catalogue)
    one = journal.catalogue.intern(Series("gw", "press", "n", "", Kind.FLOAT))
    rng = np.random.default_rng(1)
    while level_of(journal.used_bytes(), journal.settings) is Level.GREEN:
        ts = np.arange(ROWS) + journal.head(Lane.LOCAL)
        found = leaving.sort(Batch(np.full(ROWS, one, np.int32), ts, rng.normal(size=ROWS), np.zeros(ROWS, np.uint8)))

        def write(tx: Transaction) -> None:
            store(tx, found)  # noqa: B023  # committed in this turn
            tx.count("readings_accepted", ROWS)

        await journal.submit(write)


def test_rows_go_once_they_are_in_files_and_no_window_needs_them_though_no_parent_ever_acks(tmp_path: Path) -> None:
    async def body() -> None:
        clock = ManualClock()
        settings = JournalSettings(quota=2_000_000)
        journal = Journal(tmp_path / FILE_NAME, "gw", settings, clock)
        upkeep = Upkeep(journal, clock, Telemetry(clock, lambda _: None), has_parent=True, has_files=True)
        await fill_to_yellow(journal)
        head = journal.head(Lane.LOCAL)
        assert not await upkeep.once()  # in no file yet
        await journal.submit(lambda tx: tx.set_cursor(HISTORY, Lane.LOCAL, head))
        assert not await upkeep.once()  # in files, but an alert may want them
        await journal.submit(lambda tx: tx.set_cursor(FILTER, Lane.LOCAL, head))
        await journal.submit(lambda tx: tx.set_cursor(RELEASED, Lane.LOCAL, head - ROWS))
        assert (await upkeep.once()).dropped > 0
        assert journal.cut(Lane.LOCAL)[0] <= head - ROWS
        assert not journal.gaps()
        ledger = balance(journal.accounts(CONSUMER, count=True), has_parent=True)
        assert ledger.lanes[Lane.LOCAL].kept == head
        assert ledger.lanes[Lane.LOCAL].residual == 0
        journal.close()

    asyncio.run(body())
