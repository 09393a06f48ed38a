"""Backups of a journal in use, and what children may forget because of them."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from holdfast.ingest.service import IngestService
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.opening import Access
from holdfast.journal.parent import CONSUMER, SAFE
from holdfast.journal.reader import JournalReader
from holdfast.journal.relief import Delivered, Level, relieve
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock, SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.node.backup import Backups, BackupSettings, newest_ns
from holdfast.sim.tree.link import SimLink, Weather
from holdfast.storage.backup import back_up
from holdfast.storage.errors import KeyWrong, StorageError
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.service import UplinkService
from holdfast.uplink.settings import ParentSettings

KEY = bytes(range(32))
CALM = Weather(latency=0.0)
SETTINGS = JournalSettings(quota=100_000_000)


class Pair:
    """A hub that keeps backups, and a gateway below it, both real, on one loop."""

    def __init__(self, folder: Path, hub_key: bytes | None = None) -> None:
        self.folder, self.hub_key = folder, hub_key
        self.log: list[str] = []
        self.gateway = Journal(folder / "gw" / FILE_NAME, "gw", SETTINGS, SystemClock())
        self.link = SimLink("gw", CALM, Random(1))
        self.start_hub()
        parent = ParentSettings("https://hub", "ca", "token", linger=0.0, backoff_max=0.2, check_in=0.2)
        self.uplink = UplinkService(
            parent, self.gateway, self.link, SystemClock(), Telemetry(SystemClock(), self.log.append), Random(1)
        )
        self.task = asyncio.create_task(self.uplink.run())

    def start_hub(self) -> None:
        telemetry = Telemetry(SystemClock(), self.log.append)
        self.hub = Journal(Access(self.folder / "hub" / FILE_NAME, self.hub_key), "hub", SETTINGS, SystemClock())
        self.link.parent = IngestService(self.hub, telemetry, ChildrenSettings(), SystemClock(), keeps_backups=True)
        settings = BackupSettings("unused", keep=2)
        self.backups = Backups(settings, self.folder / "copies", self.hub, SystemClock(), telemetry)

    async def publish(self, values: range) -> None:
        def write(tx: Transaction) -> None:
            series = tx.catalogue.intern(Series("gw", "d", "m", "Cel", Kind.FLOAT))
            n = len(values)
            ts = np.full(n, 1, np.int64)
            batch = Batch(np.full(n, series, np.int32), ts, np.array(values, np.float64), np.zeros(n, np.uint8))
            tx.append_readings(Lane.BULK, batch)
            tx.count("readings_accepted", n)

        await self.gateway.submit(write)

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not what():  # noqa: ASYNC110  # the journals have no event for this
                await asyncio.sleep(0.01)

    def safe(self) -> tuple[int, int]:
        return self.gateway.cursor(CONSUMER, Lane.BULK), self.gateway.cursor(SAFE, Lane.BULK)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.gateway.close()
        self.hub.close()


def with_pair(folder: Path, body: Callable[[Pair], Awaitable[None]], hub_key: bytes | None = None) -> None:
    async def run() -> None:
        pair = Pair(folder, hub_key)
        try:
            await body(pair)
        finally:
            await pair.close()

    asyncio.run(run())


def values(reader: JournalReader) -> list[float]:
    return [v for g in reader.read(Lane.BULK, 0, 10**9) for v in decode_readings(g.blob).value.tolist()]


def test_children_keep_what_is_in_no_backup_of_the_hub_and_a_restored_hub_gets_it_again(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        await pair.publish(range(100))
        await pair.until(lambda: pair.safe()[0] == 100)
        assert pair.safe() == (100, 0)
        await pair.backups.once()
        await pair.publish(range(100, 150))
        await pair.until(lambda: pair.safe() == (150, 100))
        delivered = Delivered({Lane.BULK: 150}, {Lane.BULK: 100})
        freed = await pair.gateway.submit(lambda tx: relieve(tx, Level.YELLOW, SETTINGS, delivered, 1))
        assert freed.dropped == 100

        pair.link.parent = None
        pair.hub.close()
        (copy,) = pair.backups.files()
        shutil.copyfile(copy, tmp_path / "hub" / FILE_NAME)
        pair.start_hub()
        assert values(pair.hub) == [float(n) for n in range(100)]
        await pair.until(lambda: values(pair.hub) == [float(n) for n in range(150)])
        await pair.until(lambda: any("UplinkRewound" in line and "rows=50" in line for line in pair.log))

    with_pair(tmp_path, body)


def test_an_encrypted_journals_backup_has_its_key(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        await pair.publish(range(10))
        await pair.until(lambda: pair.safe()[0] == 10)
        await pair.backups.once()
        (copy,) = pair.backups.files()
        assert values(JournalReader(Access(copy, KEY))) == [float(n) for n in range(10)]
        with pytest.raises(KeyWrong):
            JournalReader(copy).heads()

    with_pair(tmp_path, body, KEY)


def test_a_copy_is_one_commit_of_a_journal_that_is_being_written(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        stop = asyncio.Event()

        async def write() -> None:
            at = 0
            while not stop.is_set():
                await pair.publish(range(at, at + 10))
                at += 10

        writing = asyncio.create_task(write())
        for n in range(5):
            target = tmp_path / f"{n}.db"
            await asyncio.to_thread(back_up, pair.gateway.access.path, target)
            copied = JournalReader(target)
            found = values(copied)
            assert found == [float(n) for n in range(len(found))]
            assert copied.counters().get("readings_accepted", 0) == len(found)
        stop.set()
        await writing
        assert found

    with_pair(tmp_path, body)


def test_the_oldest_backups_go_and_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        for stamp in ("20250101T000000Z", "20250102T000000Z"):
            (tmp_path / "copies").mkdir(exist_ok=True)
            (tmp_path / "copies" / f"hub-{stamp}.db").write_bytes(b"old")
        await pair.backups.once()
        assert next(file.name[:12] for file in pair.backups.files()) == "hub-20250102"
        assert len(pair.backups.files()) == 2
        (tmp_path / "file").write_text("not a folder")
        broken = Backups(
            BackupSettings("x"), tmp_path / "file", pair.hub, ManualClock(), Telemetry(ManualClock(), pair.log.append)
        )
        await broken.once()
        assert any("BackupFailed" in line for line in pair.log)

    with_pair(tmp_path, body)


def test_no_half_a_copy_is_left_where_the_source_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        back_up(tmp_path / "nothing.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_the_newest_backup_is_known_by_its_name_and_foreign_files_are_not_taken_for_one() -> None:
    assert newest_ns([Path("hub-20250102T030405Z.db"), Path("hub-mine.db")]) == 1_735_787_045 * 10**9
    assert newest_ns([Path("hub-mine.db")]) == 0
