"""Backups of a journal in use, and what children may forget because of them."""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.unit.node.pair import SETTINGS, Pair, values, with_pair

from holdfast.journal.journal import FILE_NAME
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.journal.relief import Delivered, Level, relieve
from holdfast.kernel.clock import ManualClock
from holdfast.model.lane import Lane
from holdfast.node.backup import Backups, BackupSettings, newest_ns
from holdfast.storage.backup import back_up
from holdfast.storage.errors import KeyWrong, StorageError
from holdfast.telemetry.happenings import Telemetry

KEY = bytes(range(32))


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
