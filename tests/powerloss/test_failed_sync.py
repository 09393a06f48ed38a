"""Why a database whose sync failed is copied before it is used again (RELIABILITY §2.3), shown on the model."""

from pathlib import Path

import pytest
from tests.powerloss.images import Image, images
from tests.powerloss.vfs import Kind, Log, RecordingVfs

from holdfast.storage.errors import StorageFailed
from holdfast.storage.rescue import is_poisoned, mark_poisoned, rescue
from holdfast.storage.sqlite import open_writer, rows, translated

KEY = bytes(range(32))
FLAGS = [Path("/dev/shm/holdfast-tests")]  # the flag is named for the test's own path, and cleared
keys = pytest.mark.parametrize("key", [None, KEY])


def ids(path: Path, key: bytes | None) -> list[int]:
    db = open_writer(path, key=key)
    try:
        return [number for (number,) in rows(db, "SELECT id FROM t ORDER BY id")]
    finally:
        db.close()


def killed_after_a_failed_commit(home: Path, key: bytes | None) -> Log:
    """Commits 1 and 2 succeed, 3 fails in its sync, then kill -9: `home` is what the page cache shows."""
    live = home.with_name("live")
    live.mkdir()
    log = Log()
    with RecordingVfs(log) as vfs:
        db = open_writer(live / "a.db", key=key, vfs=vfs.cipher_name if key else vfs.plain_name)
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
        for number in (1, 2):
            db.execute("INSERT INTO t VALUES (?, 'x')", (number,))
            log.mark(number)
        vfs.fail_next_sync = True
        with pytest.raises(StorageFailed), translated():
            db.execute("INSERT INTO t VALUES (3, 'x')")
        vfs.log = Log()
        home.mkdir()
        for name in ("a.db", "a.db-wal"):
            (home / name).write_bytes((live / name).read_bytes())
        db.close()
    return log


def restarted(home: Path, log: Log, key: bytes | None) -> list[int]:
    """The node starts again and acks what it finds, then what is sent anew; what it found first."""
    with RecordingVfs(log) as vfs:
        db = open_writer(home / "a.db", key=key, vfs=vfs.cipher_name if key else vfs.plain_name)
        found = [number for (number,) in rows(db, "SELECT id FROM t ORDER BY id")]
        log.mark(found[-1])  # a resent record is a duplicate of one that is there: acked
        db.execute("INSERT INTO t VALUES (4, 'x')")
        log.mark(4)
        vfs.log = Log()
        db.close()
    return found


def losses(log: Log, home: Path, key: bytes | None) -> list[Image]:
    home.mkdir()
    found = []
    for image in images(log, seeds=range(3)):
        image.write_to(home)
        if image.marks and not set(image.marks) <= set(ids(home / "a.db", key)):
            found.append(image)
    return found


@keys
def test_a_failed_commit_reappears_and_a_restart_in_place_loses_what_it_acks(tmp_path: Path, key: bytes | None) -> None:
    log = killed_after_a_failed_commit(tmp_path / "cache", key)
    assert [event.kind for event in log.events][-1] is Kind.SYNC_FAILED
    assert restarted(tmp_path / "cache", log, key) == [1, 2, 3]
    assert losses(log, tmp_path / "disk", key)


@keys
def test_a_rescued_file_keeps_what_it_acks(tmp_path: Path, key: bytes | None) -> None:
    killed_after_a_failed_commit(tmp_path / "cache", key)
    path = tmp_path / "cache" / "a.db"
    assert mark_poisoned(path, FLAGS)
    rescue(path, key, FLAGS)
    assert not is_poisoned(path, FLAGS)
    log = Log()  # the copy is wholly on disk: present from the start
    assert restarted(tmp_path / "cache", log, key) == [1, 2, 3]
    assert not losses(log, tmp_path / "disk", key)
