"""Thirty days through a small quota: never a byte above it, what lies around alerts stays, errors are as stated.

    python -m benchmarks.quota [--rows 41000000] [--quota 200]

Real values (occupancy, NAB), one a second and series, never repeated as they are; the clock is a manual one. A thread
sums up every file of the data folder twenty times a second. At the end what was sent is made again and compared.
"""

import argparse
import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import nab, occupancy
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.service import Keeper
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.view import view
from holdfast.history.lake.workshop import LocalWorkshop
from holdfast.history.lake.writing import Target
from holdfast.history.query import History
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.pieces import AROUND_ALERTS, RAW
from holdfast.journal.settings import JournalSettings
from holdfast.journal.snapshot import snapshot
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.node.upkeep import Upkeep
from holdfast.storage.folder import DiskFolder
from holdfast.storage.sqlite import WAL_LIMIT_BYTES
from holdfast.telemetry.happenings import Telemetry

NS = 10**9
HOUR, DAY = 3600 * NS, 86_400 * NS
START = 1_700_006_400 * NS
DAYS = 30
WITHIN_S = 600
GOOD = 0


@dataclass
class Sent:
    """What is sent: the same rows whenever they are asked for."""

    series: int
    period_s: int
    sources: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = [occupancy(), nab()]
        for rows in found:
            for number in range(len(rows.series)):
                value = rows.batch.value[rows.batch.series == number]
                if len(value) > 1000 and np.unique(value).size > 50:
                    self.sources.append(value)

    def hour(self, hour: int) -> Batch:
        """One hour's rows, by time."""
        first = hour * 3600 // self.period_s
        n = np.arange(first, first + 3600 // self.period_s)
        columns = [self.values(s, n) for s in range(self.series)]
        ts = np.repeat(START + n * self.period_s * NS, self.series)
        ids = np.tile(np.arange(self.series, dtype=np.int32), len(n))
        return Batch(ids, ts, np.stack(columns, 1).ravel(), np.zeros(len(ids), np.uint8))

    def values(self, series: int, n: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values number n of a series: its source again and again, each time a little other."""
        source = self.sources[series % len(self.sources)]
        again, at = np.divmod(n + 977 * series, len(source))
        if series % 2:
            return np.asarray(source[at] * (1.0 + again * 0.000737), np.float64)
        return np.asarray(np.round(source[at] + 0.01 * again, 2), np.float64)


def alerts(series: int) -> list[tuple[int, str]]:
    """(ts, device): one a day, device after device."""
    return [(START + day * DAY + (day * 5021 % 80_000) * NS, f"d{day % series}") for day in range(DAYS)]


def alarm(ts: int, device: str) -> Event:
    """An alert as a rule raises it."""
    return Event(
        id=hashlib.sha256(f"{ts}{device}".encode()).hexdigest()[:32],
        ts=ts,
        kind="alert.raised",
        severity="critical",
        node="gw",
        device=device,
        rule="drill",
        message="drill",
        why={},
    )


class Watch(threading.Thread):
    """Sums up the folder, for ever; knows the most there ever was."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.most, self.most_files, self.samples, self.parts = 0, 0, 0, Counter[str]()
        self._folder, self.stopping = folder, threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(0.05):
            parts: Counter[str] = Counter()
            seen: set[int] = set()  # while a day is swapped its files have two names
            for where, _, names in os.walk(self._folder):  # passes over what goes meanwhile
                part = Path(where).relative_to(self._folder).parts
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        found = Path(where, name).stat()
                        parts[part[0] if part else name] += 0 if found.st_ino in seen else found.st_size
                        seen.add(found.st_ino)
            self.most_files = max(self.most_files, parts["lake"])
            self.samples += 1
            if parts.total() > self.most:
                self.most, self.parts = parts.total(), parts


class Drill:
    """A node's journal and memory without its doors."""

    def __init__(self, folder: Path, rows: int, quota: int) -> None:
        series = 16
        self.sent = Sent(series, max(1, round(DAYS * 86_400 * series / rows)))
        self.clock = ManualClock(START)
        self.telemetry = Telemetry(self.clock, lambda line: print(line) if "Failed" in line else None)
        without_wal = quota - WAL_LIMIT_BYTES
        limits = JournalSettings(quota=without_wal // 6, ballast=0)
        self.settings = HistorySettings(quota=without_wal - limits.quota, rows=500_000, around_alerts=float(WITHIN_S))
        print(f"history.quota {self.settings.quota / 1e6:.0f} MB, journal.quota {limits.quota / 1e6:.0f} MB, rest: WAL")
        self.journal = Journal(folder / FILE_NAME, "gw", limits, self.clock)
        for n in range(series):
            self.journal.catalogue.intern(Series("gw", f"d{n}", "m", "Cel", Kind.FLOAT))
        self.lake = Lake(DiskFolder(folder / "lake"))
        target = Target(self.lake.folder, self.journal.catalogue, lambda: uuid.uuid4().hex)
        shop = LocalWorkshop(self.settings, self.journal, self.lake, target)
        self.keeper = Keeper(self.settings, self.journal, self.lake, shop, self.clock, self.telemetry)
        self.upkeep = Upkeep(self.journal, self.clock, self.telemetry, has_parent=False, has_files=True)

    async def send(self) -> int:
        """Thirty days, hour by hour; returns the rows."""
        count, due = 0, alerts(self.sent.series)
        await self.keeper.tidy()
        for hour in range(24 * DAYS):
            batch = self.sent.hour(hour)
            begin = START + hour * HOUR
            raised = [alarm(ts, device) for ts, device in due if begin <= ts < begin + HOUR]
            await self.journal.submit(lambda tx: _write(tx, batch, raised))  # noqa: B023
            count += len(batch)
            self.clock.advance(3600)
            await self.keeper.turn()
            await self.upkeep.once()
        self.clock.advance(4 * 3600)
        await self.keeper.turn()
        return count

    def close(self) -> None:
        """Close the files."""
        self.keeper.close()
        self.journal.close()


def _write(tx: Transaction, batch: Batch, raised: list[Event]) -> None:
    tx.append_readings(Lane.BULK, batch)
    tx.count("readings_accepted", len(batch))
    if raised:
        tx.append_events(Lane.CRITICAL, raised)
        tx.count("events_accepted", len(raised))


def check_alerts(drill: Drill) -> tuple[int, int]:
    """(windows, readings) around alerts, each compared with what was sent; raises when one differs."""
    journal, catalogue = drill.journal, drill.journal.catalogue
    history = History(journal, catalogue, lambda a, b: view(drill.lake, journal, catalogue.is_text, a, b))
    rows = windows = 0
    for ts, device in alerts(drill.sent.series):
        low, high = max(START, ts - WITHIN_S * NS), min(START + DAYS * DAY, ts + WITHIN_S * NS + 1)
        period = drill.sent.period_s * NS
        n = np.arange(-(-(low - START) // period), -(-(high - START) // period))
        number = int(device[1:])
        (column,) = history.query([f"gw/{device}/m"], low, high, None, (), 100_000).series
        sent = list(zip((START + n * period).tolist(), drill.sent.values(number, n).tolist(), strict=True))
        got = zip(column.ts, column.value or [], column.quality or [], strict=True)
        as_they_came = [(at, value) for at, value, quality in got if quality == GOOD]  # steps are uncertain
        assert as_they_came == sent, f"{device} at {ts}"
        rows, windows = rows + len(n), windows + 1
    return windows, rows


def check_errors(drill: Drill) -> tuple[int, float]:
    """(files, the largest relative difference): the error a file of steps states, and that of the rows sent."""
    worst, files = 0.0, 0
    for piece in drill.keeper.pieces:
        for file in piece.files:
            if file.step <= 0:
                continue
            with drill.lake.reader(file) as reader:
                ids = reader.index.series.tolist()
            squares = count = 0.0
            for number in ids:
                n = (
                    np.arange(86_400 // drill.sent.period_s)
                    + (piece.day - START // DAY) * 86_400 // drill.sent.period_s
                )
                inside = n[
                    (START + n * drill.sent.period_s * NS >= piece.ts_min)
                    & (START + n * drill.sent.period_s * NS <= piece.ts_max)
                ]
                value = drill.sent.values(number, inside)
                _, step = np.unique(inside * drill.sent.period_s // file.step, return_inverse=True)
                mean = np.bincount(step, value) / np.bincount(step)
                squares, count = squares + float(((value - mean[step]) ** 2).sum()), count + len(value)
            wanted = (squares / count) ** 0.5
            worst, files = max(worst, abs(file.error - wanted) / max(wanted, 1e-300)), files + 1
    return files, worst


def account(drill: Drill, sent: int) -> Iterator[str]:
    """Where every reading is; raises when one isn't anywhere."""
    with snapshot(drill.journal) as moment:
        pieces, losses = moment.pieces(), moment.losses(0, 2**31)
    raw = sum(piece.rows for piece in pieces if piece.file(RAW) is not None)
    around = sum(file.rows for piece in pieces if (file := piece.file(AROUND_ALERTS)) is not None)
    coarse = sum(loss.rows for loss in losses if loss.step)
    gone = sum(loss.rows for loss in losses if not loss.step)
    waiting = drill.keeper.waiting()
    yield f"{sent:,} readings sent: {raw:,} as they came, {around:,} around alerts, {coarse:,} as steps,"
    yield f"  {gone:,} gone altogether, {waiting:,} waiting"
    assert raw + around + coarse + waiting == sent or gone, "a reading is nowhere"


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=41_000_000)
    parser.add_argument("--quota", type=int, default=200, help="MB of journal and history together")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="quota-"))
    began, quota = time.monotonic(), chosen.quota * 10**6
    drill, watch = Drill(folder, chosen.rows, quota), Watch(folder)
    watch.start()
    try:
        sent = await drill.send()
        watch.stopping.set()
        took = time.monotonic() - began
        print(f"{sent:,} readings in {took:.0f} s; most on disk {watch.most / 1e6:.1f} MB of {quota / 1e6:.0f} MB")
        print(f"  at that moment {dict(watch.parts)}; {watch.samples} samples")
        print(f"  files {watch.most_files / 1e6:.1f} MB at most, of history.quota {drill.settings.quota / 1e6:.1f} MB")
        for line in account(drill, sent):
            print(line)
        print("around alerts: {} windows, {:,} readings, each as sent".format(*check_alerts(drill)))
        print("stated errors: {} files of steps, off by {:.1e} of the error at most".format(*check_errors(drill)))
        assert watch.most_files <= drill.settings.quota, "more in files than history.quota allows"
        assert watch.most <= quota, "more on disk than the quotas allow"
    finally:
        drill.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    asyncio.run(main())
