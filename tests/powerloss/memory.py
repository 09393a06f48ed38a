"""The site's memory being kept while every write is recorded; and what must hold in whatever a power cut leaves.

Reading number n has the value n and a time of its own, so what must be there can be said without a model: every acked
reading exactly once, as it came or inside a step's count and mean.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tests.events import alert
from tests.powerloss.folder import PREFIX, FlatFolder
from tests.powerloss.images import Image, Variant
from tests.powerloss.vfs import Log, RecordingVfs

from holdfast.history.lake.lake import Lake
from holdfast.history.lake.service import Keeper
from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.history.lake.steps import put_right
from holdfast.history.lake.view import view
from holdfast.history.lake.workshop import LocalWorkshop
from holdfast.history.lake.writing import Target
from holdfast.history.query import History
from holdfast.journal.journal import Journal
from holdfast.journal.opening import Access
from holdfast.journal.settings import JournalSettings
from holdfast.journal.snapshot import snapshot
from holdfast.journal.writer import InlineWriter
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.telemetry.happenings import Telemetry

NS = 10**9
DAY_S = 86_400
START = 1_700_006_400 * NS
PERIOD_NS = 20 * NS
"""Twelve readings a minute of three series: steps are worth their bytes."""
FILE = "journal.db"
SETTINGS = HistorySettings(rows=400, keep=(KeepSettings("*", raw=1.5 * DAY_S, minutes=400 * DAY_S),), settle=60.0)


class Memories:
    """A journal with a memory. `told` is called with how many readings are acked."""

    settings, period_ns, first_name = SETTINGS, PERIOD_NS, 1

    def __init__(self, home: Path, lake: Lake, vfs: str, told: Callable[[int], None], synchronous: str) -> None:
        self.clock = ManualClock(START)
        self.told = told
        self.sent = 0
        names = (f"{n:032x}" for n in count(self.first_name))
        access = Access(home / FILE, None, vfs)
        self.journal = Journal(
            access, "gw", JournalSettings(), self.clock, writer=InlineWriter, new_id=lambda: next(names)
        )
        self.journal._store.db.pragma("wal_autocheckpoint", 30)  # more to cut through
        self.journal._store.db.pragma("synchronous", synchronous)
        for n in range(3):
            self.journal.catalogue.intern(Series("gw", f"d{n}", "m", "Cel", Kind.FLOAT))
        target = Target(lake.folder, self.journal.catalogue, lambda: next(names))
        workshop = LocalWorkshop(self.settings, self.journal, lake, target)
        telemetry = Telemetry(self.clock, lambda _line: None)
        self.keeper = Keeper(self.settings, self.journal, lake, workshop, self.clock, telemetry)

    async def run(self, rounds: int, seed: int) -> None:
        """Readings come, become files, files become fewer, old ones coarser."""
        rng = Random(seed)
        await self.keeper.tidy()
        for turn in range(rounds):
            for _ in range(rng.randrange(1, 4)):
                await self._send(rng.randrange(20, 200))
            await self.keeper.take_all()
            await self.keeper.merge_due()
            if turn % 3 == 2:
                self.clock.advance(DAY_S * rng.random())
                await self.keeper.retain()
        self.clock.advance(4 * DAY_S)
        await self.keeper.merge_due()
        await self.keeper.retain()
        await self._send(10)
        self.keeper.lake.close()
        self.journal.close()

    async def _send(self, count: int) -> None:
        numbers = np.arange(self.sent, self.sent + count)
        ts = START + numbers * self.period_ns // 3
        batch = Batch((numbers % 3).astype(np.int32), ts, numbers.astype(np.float64), np.zeros(count, np.uint8))

        def write(tx: Any) -> None:
            tx.append_readings(Lane.BULK, batch)
            tx.append_events(Lane.CRITICAL, [alert(self.sent, ts=int(ts[0]), device="d1")])
            tx.count("readings_accepted", count)

        await self.journal.submit(write)
        self.sent += count
        self.told(self.sent)


def record(home: Path, rounds: int, seed: int, synchronous: str = "full") -> Log:
    """Run it, and give what reached the disk."""
    log = Log()
    home.mkdir()
    with RecordingVfs(log) as vfs:

        async def body() -> None:
            memories = Memories(home, Lake(FlatFolder(home, log)), vfs.plain_name, log.mark, synchronous)
            await memories.run(rounds, seed)

        asyncio.run(body())
    return log


def check(folder: Path, image: Image) -> None:
    """Every acked reading is there once: for the node after its start, and for who reads the files meanwhile."""
    acked = image.marks[-1] if image.marks else 0
    if FILE not in image.files:
        assert not acked, "acked, and no journal is there"
        return
    if image.variant is Variant.KEPT:
        check_outside(folder)
    asyncio.run(_check_inside(folder, acked))


def check_outside(folder: Path) -> None:
    """Nobody who reads the visible files sees a reading twice, not even before the next start."""
    names = FlatFolder(folder).names("readings")
    values = [pq.read_table(folder / (PREFIX + n.replace("/", "%")), columns=["value"])["value"] for n in names]
    seen = [value for column in values for value in column.to_pylist()]
    assert len(set(seen)) == len(seen), "a reader of the files sees a reading twice"


@contextmanager
def opened(folder: Path, lake: Lake) -> Iterator[Journal]:
    """The journal of an image, and its lake put right, as a start does; inside a running loop."""
    journal = Journal(Access(folder / FILE), "gw", JournalSettings(), ManualClock(START), writer=InlineWriter)
    try:
        put_right(lake, journal)
        yield journal
    finally:
        lake.close()
        journal.close()


async def _check_inside(folder: Path, acked: int) -> None:
    lake = Lake(FlatFolder(folder))
    with opened(folder, lake) as journal:
        history = history_of(journal, lake)
        if len(journal.catalogue):
            _check_answers(history, journal.catalogue, acked)
        else:
            assert not acked, "acked, and no series is there"
        strays = set(lake.folder.names()) - _named(journal)
        assert not strays, f"strays are left: {strays}"


def history_of(journal: Journal, lake: Lake) -> History:
    catalogue = journal.catalogue
    return History(journal, catalogue, lambda low, high: view(lake, journal, catalogue.is_text, low, high))


def _named(journal: Journal) -> set[str]:
    with snapshot(journal) as moment:
        live = {file.name for piece in moment.pieces() for file in piece.files}
        return live | {f".trash/{one.name}" for one in moment.trash()}


def _check_answers(history: History, catalogue: Catalogue, acked: int) -> None:
    end = START + 60 * DAY_S * NS
    answer = history.query(["*"], START, end, 3600 * NS)
    damaged = [source for source in answer.sources if source.note]
    assert not damaged, damaged
    count = sum(sum(column.count or []) for column in answer.series)
    assert count >= acked, f"{acked} acked, {count} are there"
    for number, column in enumerate(answer.series):
        mine = np.arange(number, count, 3)
        total = sum(float(m or 0) * n for m, n in zip(column.mean or [], column.count or [], strict=True))
        assert sum(column.count or []) == len(mine), f"{column.series}: {sum(column.count or [])} of {len(mine)}"
        assert abs(total - mine.sum()) < 1e-6 * max(1.0, float(mine.sum())), f"{column.series}: another sum"
    points = history.query(["*"], START, end, None, limit=100_000)
    raw = [v for c in points.series for v, q in zip(c.value or [], c.quality or [], strict=True) if q == 0]
    assert len(set(raw)) == len(raw), "a reading is there twice"
