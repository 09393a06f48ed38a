from pathlib import Path

import apsw
import pytest

from holdfast.storage.errors import DiskFull
from holdfast.storage.space import bound_growth, checkpoint, enable_reclaim, free_pages, reclaim, wal_bytes
from holdfast.storage.sqlite import PAGE_SIZE, Connection, open_reader, open_writer, row, translated


def emptied(path: Path, key: bytes | None = None) -> Connection:
    db = open_writer(path, key=key)
    db.execute("CREATE TABLE IF NOT EXISTS t (x)")
    with db:
        for _ in range(100):
            db.execute("INSERT INTO t VALUES (zeroblob(4000))")
    db.execute("DELETE FROM t WHERE rowid % 10")
    return db


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_the_file_shrinks_in_bounded_steps(tmp_path: Path, key: bytes | None) -> None:
    db = emptied(tmp_path / "a.db", key)
    checkpoint(db, "truncate")
    before, free = (tmp_path / "a.db").stat().st_size, free_pages(db)
    assert free > 80
    assert reclaim(db, 0) == 0
    assert reclaim(db, 30) == 30
    assert free_pages(db) == free - 30
    assert reclaim(db, 1000) == free - 30
    assert reclaim(db, 1000) == 0
    assert checkpoint(db, "truncate").busy is False
    assert before - (tmp_path / "a.db").stat().st_size == free * 4096
    assert row(db, "SELECT count(*) FROM t") == (10,)
    assert db.pragma("integrity_check") == "ok"


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_an_older_file_learns_to_shrink(tmp_path: Path, key: bytes | None) -> None:
    old = apsw.Connection(str(tmp_path / "a.db"))
    if key:
        old.pragma("cipher", "chacha20")
        old.pragma("key", f"raw:{key.hex()}")
    old.execute("CREATE TABLE t (x)")
    old.close()
    db = emptied(tmp_path / "a.db", key)
    assert reclaim(db, 1000) == 0
    assert enable_reclaim(db)
    assert not enable_reclaim(db)
    assert db.pragma("auto_vacuum") == 2
    db.execute("DELETE FROM t")
    assert reclaim(db, 1000) > 5
    db.close()
    assert open_writer(tmp_path / "a.db", key=key).pragma("auto_vacuum") == 2


def test_a_checkpoint_tells_what_it_moved_and_who_was_in_the_way(tmp_path: Path) -> None:
    assert wal_bytes(tmp_path / "a.db") == 0
    db = open_writer(tmp_path / "a.db")
    db.set_busy_timeout(0)
    db.execute("CREATE TABLE t (x)")
    db.execute("INSERT INTO t VALUES (1)")
    assert wal_bytes(tmp_path / "a.db") > 4096
    reader = open_reader(tmp_path / "a.db")
    rows_seen = reader.execute("SELECT x FROM t")
    db.execute("INSERT INTO t VALUES (2)")
    busy = checkpoint(db, "truncate")
    assert busy.busy
    assert 0 <= busy.moved_frames < busy.wal_frames
    rows_seen.fetchall()
    passive = checkpoint(db)
    assert passive.moved_frames == passive.wal_frames > 0
    assert checkpoint(db, "truncate") == (0, 0, False)
    assert wal_bytes(tmp_path / "a.db") == 0


def test_growth_is_bounded_by_the_room_and_by_the_quota_and_the_bound_follows_both(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = open_writer(path, 400 * PAGE_SIZE)
    db.execute("CREATE TABLE t (x)")
    assert not bound_growth(db, path, 100 * PAGE_SIZE)
    with pytest.raises(DiskFull), translated():
        db.execute("INSERT INTO t VALUES (zeroblob(?))", (200 * PAGE_SIZE,))
    assert bound_growth(db, path, 400 * PAGE_SIZE)
    db.execute("INSERT INTO t VALUES (zeroblob(?))", (200 * PAGE_SIZE,))
    checkpoint(db, "restart")
    assert not bound_growth(db, path, PAGE_SIZE)
    with pytest.raises(DiskFull), translated():
        db.execute("INSERT INTO t VALUES (zeroblob(?))", (200 * PAGE_SIZE,))
    db.close()
