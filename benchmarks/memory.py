"""Bytes on disk per reading of the site's memory, on real data: fresh from the journal, and once its days are over.

`python -m benchmarks.memory`. All files count: readings, minutes and hours with their footers. It's what a node does:
readings become files, and a day's files are merged after its end.
"""

import asyncio
import json
import tempfile
import time
import uuid
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.data import Rows, nab, occupancy
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.service import Keeper
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.workshop import LocalWorkshop
from holdfast.history.lake.writing import Target
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.storage.folder import DiskFolder
from holdfast.telemetry.happenings import Telemetry

GROUP = 5_000
_FIRST_DAY = 19_700  # since 1970


async def measure(folder: Path, rows: Rows, *, aligned: bool) -> dict[str, float]:
    """aligned: move every series by whole days, so that all begin on one day, as the series of one site would."""
    clock = SystemClock()
    journal = Journal(folder / FILE_NAME, "gw", JournalSettings(quota=10_000_000_000), clock)
    lake = Lake(DiskFolder(folder / "lake"))
    settings = HistorySettings(rows=1_000_000)
    target = Target(lake.folder, journal.catalogue, lambda: uuid.uuid4().hex)
    workshop = LocalWorkshop(settings, journal, lake, target)
    keeper = Keeper(settings, journal, lake, workshop, clock, Telemetry(clock, lambda _line: None))
    await keeper.tidy()
    ids = np.array([journal.catalogue.intern(one) for one in rows.series], np.int32)
    batch = _aligned(rows) if aligned else rows.batch
    for at in range(0, len(rows), GROUP):
        part = batch.take(np.arange(at, min(at + GROUP, len(rows))))
        part = replace(part, series=ids[part.series])
        await journal.submit(partial(_append, batch=part))
    began = time.perf_counter()
    await keeper.take_all()
    took = time.perf_counter() - began
    fresh = sum(piece.size for piece in keeper.pieces)
    await keeper.merge_due()
    merged = sum(piece.size for piece in keeper.pieces)
    found = {
        "readings": len(rows),
        "fresh_bytes": round(fresh / len(rows), 2),
        "merged_bytes": round(merged / len(rows), 2),
        "pieces": len(keeper.pieces),
        "m_readings_per_s": round(len(rows) / took / 1e6, 2),
    }
    keeper.close()
    journal.close()
    return found


def _append(tx: Transaction, batch: Batch) -> None:
    tx.append_readings(Lane.BULK, batch)


def _aligned(rows: Rows) -> Batch:
    day = 86_400 * 10**9
    ts = rows.batch.ts.copy()
    for one in range(len(rows.series)):
        mine = rows.batch.series == one
        ts[mine] += (_FIRST_DAY - int(ts[mine].min()) // day) * day
    return replace(rows.batch, ts=ts)


def main() -> None:
    """Print one line a data set."""
    for name, rows in (("occupancy", occupancy()), ("nab", nab())):
        for aligned in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                figures = asyncio.run(measure(Path(folder), rows, aligned=aligned))
            print(name, "side by side" if aligned else "as recorded", json.dumps(figures))


if __name__ == "__main__":
    main()
