"""A real journal and a real lake in a folder, kept step by step."""

import asyncio
import math
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.history.answers import AGGREGATES, Aggregate, Answer
from holdfast.history.lake.cipher import Cipher
from holdfast.history.lake.cold import Cold
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.service import Keeper
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.view import view
from holdfast.history.lake.workshop import LocalWorkshop
from holdfast.history.lake.writing import Target
from holdfast.history.query import History
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.opening import Access
from holdfast.journal.pieces import Piece
from holdfast.journal.settings import JournalSettings
from holdfast.journal.writer import InlineWriter
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.storage.folder import DiskFolder
from holdfast.storage.objects import ObjectStore
from holdfast.telemetry.happenings import Telemetry

NS = 10**9
DAY = 86_400 * NS
START = 1_700_006_400 * NS
"""A midnight, UTC."""


class Site:
    """One node's journal, lake and keeper, with a manual clock; used inside a running loop."""

    def __init__(
        self,
        folder: Path,
        settings: HistorySettings | None = None,
        series: int = 6,
        *,
        key: bytes | None = None,
        cold: ObjectStore | None = None,
        may_leave: Callable[[Piece], bool] = lambda _piece: True,
    ) -> None:
        self.clock = ManualClock(START)
        self.lines: list[str] = []
        self.telemetry = Telemetry(self.clock, self.lines.append)
        self.settings = settings or HistorySettings(rows=300)
        self.journal = Journal(
            Access(folder / FILE_NAME, key), "gw", JournalSettings(), self.clock, writer=InlineWriter
        )
        for n in range(series):
            kind = (Kind.FLOAT, Kind.TEXT, Kind.BOOL, Kind.INT)[n % 4]
            self.journal.catalogue.intern(Series("gw", f"d{n}", "m", "Cel", kind))
        self.lake = Lake(
            DiskFolder(folder / "lake"),
            cipher=None if key is None else Cipher(key),
            cold=None if cold is None else Cold(cold, 8_000_000),
        )
        target = Target(self.lake.folder, self.journal.catalogue, lambda: uuid.uuid4().hex, self.lake.cipher)
        workshop = LocalWorkshop(self.settings, self.journal, self.lake, target)
        self.keeper = Keeper(
            self.settings, self.journal, self.lake, workshop, self.clock, self.telemetry, may_leave=may_leave
        )
        self.history = History(
            self.journal,
            self.journal.catalogue,
            lambda low, high: view(self.lake, self.journal, self.journal.catalogue.is_text, low, high),
        )

    async def send(self, batch: Batch, lane: Lane = Lane.BULK) -> None:
        """Commit readings."""

        def write(tx: Any) -> None:
            tx.append_readings(lane, batch)
            tx.count("readings_accepted", len(batch))

        await self.journal.submit(write)

    async def send_all(self) -> None:
        """What the sender does in a turn."""
        assert self.keeper.sender is not None
        await self.keeper.sender.turn()

    def close(self) -> None:
        self.lake.close()
        self.journal.close()


def readings(rows: Sequence[tuple[int, int, float, int]], is_text: Sequence[bool]) -> Batch:
    """(series, ts, value, quality) as a batch; the value of a text series becomes a word."""
    texts: list[str] = []
    values = []
    for series, _, value, _ in rows:
        if is_text[series] and not math.isnan(value):
            word = f"w{value:g}"
            if word not in texts:
                texts.append(word)
            values.append(float(texts.index(word)))
        else:
            values.append(value)
    return Batch(
        np.array([r[0] for r in rows], np.int32),
        np.array([r[1] for r in rows], np.int64),
        np.array(values, np.float64),
        np.array([r[3] for r in rows], np.uint8),
        tuple(texts),
    )


def ask(site: Site, from_ns: int, to_ns: int, step_ns: int | None, wanted: Sequence[Aggregate] = AGGREGATES) -> Answer:
    """Every series."""
    return site.history.query(["*"], from_ns, to_ns, step_ns, wanted, 100_000)


def run(body: Any) -> None:
    asyncio.run(body)
