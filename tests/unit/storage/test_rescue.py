import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.storage.errors import KeyWrong, StorageDamaged, StorageFailed, StorageUnusable
from holdfast.storage.replace import RESCUE, building_path, complete_path, finish, promote
from holdfast.storage.rescue import (
    clear_poisoned,
    filesystem_of,
    is_poisoned,
    mark_poisoned,
    rescue,
    runtime_directories,
)
from holdfast.storage.sqlite import Connection, open_reader, open_writer, row

KEY = bytes(range(32))
keys = pytest.mark.parametrize("key", [None, KEY])


@pytest.fixture
def ram() -> Iterator[list[Path]]:
    """A directory in RAM, gone after the test."""
    home = Path(tempfile.mkdtemp(prefix="holdfast-", dir="/dev/shm"))
    yield [home / "flags"]
    shutil.rmtree(home)


def left_by_a_crash(tmp_path: Path, key: bytes | None, count: int = 20) -> Path:
    """A database whose last commits are only in its WAL."""
    live, path = tmp_path / "live.db", tmp_path / "journal.db"
    db = open_writer(live, key=key)
    db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x)")
    for _ in range(count):
        db.execute("INSERT INTO t (x) VALUES (zeroblob(3000))")
    for suffix in ("", "-wal"):
        path.with_name(path.name + suffix).write_bytes(live.with_name(live.name + suffix).read_bytes())
    db.close()
    live.unlink()
    return path


def counted(path: Path, key: bytes | None) -> object:
    db: Connection = open_reader(path, key)
    try:
        return row(db, "SELECT count(*), sum(length(x)) FROM t")
    finally:
        db.close()


def test_the_flag_lies_in_memory_and_is_one_per_database(tmp_path: Path, ram: list[Path]) -> None:
    assert not is_poisoned(tmp_path / "a.db", ram)
    flag = mark_poisoned(tmp_path / "a.db", ram)
    assert flag is not None
    assert filesystem_of(flag.parent) == "tmpfs"
    assert is_poisoned(tmp_path / "a.db", ram)
    assert not is_poisoned(tmp_path / "b.db", ram)
    clear_poisoned(tmp_path / "a.db", ram)
    clear_poisoned(tmp_path / "a.db", ram)
    assert not is_poisoned(tmp_path / "a.db", ram)


@pytest.fixture
def disk() -> Iterator[Path]:
    """A directory that isn't in memory, even where the tests' own are (scripts/in_ram.sh): /var/tmp outlives a boot."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        yield Path(home)


def test_a_directory_on_disk_or_of_someone_else_gets_no_flag(tmp_path: Path, disk: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/shm")
    (tmp_path / "file").write_text("")
    nowhere = [disk / "flags", tmp_path / "missing" / "deep", tmp_path / "link", tmp_path / "file" / "x"]
    assert mark_poisoned(tmp_path / "a.db", nowhere) is None
    assert not is_poisoned(tmp_path / "a.db", nowhere)
    clear_poisoned(tmp_path / "a.db", nowhere)


def test_the_session_directory_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert [str(d) for d in runtime_directories()] == ["/run/user/7/holdfast", "/run/holdfast", "/dev/shm/holdfast"]
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert len(runtime_directories()) == 2


@keys
def test_the_copy_holds_every_commit_and_the_flag_goes(tmp_path: Path, ram: list[Path], key: bytes | None) -> None:
    path = left_by_a_crash(tmp_path, key)
    old = path.stat().st_ino
    mark_poisoned(path, ram)
    rescue(path, key, ram)
    assert not is_poisoned(path, ram)
    assert path.stat().st_ino != old
    assert [p.name for p in tmp_path.iterdir()] == ["journal.db"]
    assert counted(path, key) == (20, 60_000)
    db = open_writer(path, key=key)
    assert (db.pragma("journal_mode"), db.pragma("auto_vacuum")) == ("wal", 2)
    db.execute("INSERT INTO t (x) VALUES (1)")


@keys
def test_a_rescue_cut_at_any_step_never_replays_the_old_wal_over_the_new_file(
    tmp_path: Path, ram: list[Path], key: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {name: getattr(os, name) for name in ("fsync", "rename", "replace", "unlink")}
    cut, finished, completed = 0, False, 0
    while not finished:
        home = tmp_path / str(cut)
        home.mkdir()
        path = left_by_a_crash(home, key, 3)
        mark_poisoned(path, ram)
        left = [cut]

        def cutting(name: str, left: list[int] = left) -> object:
            def call(*args: object, **kwargs: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(5, "power cut")
                return real[name](*args, **kwargs)

            return call

        old = path.stat().st_ino
        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, cutting(name))
            try:
                rescue(path, key, ram)
                finished = True
            except (StorageFailed, StorageUnusable):
                pass
        wal_is_there = path.with_name("journal.db-wal").exists()
        assert not (wal_is_there and path.stat().st_ino != old)
        assert finished or is_poisoned(path, ram)
        completed += finish(path) == RESCUE
        assert {p.name for p in home.iterdir()} <= {"journal.db", "journal.db-wal", "journal.db-shm"}
        assert counted(path, key) == (3, 9000)
        clear_poisoned(path, ram)
        cut += 1
    assert cut > 8
    assert completed >= 4


def test_a_start_after_a_clean_stop_has_nothing_to_finish(tmp_path: Path) -> None:
    path = left_by_a_crash(tmp_path, None)
    assert finish(path) is None
    assert path.with_name("journal.db-wal").exists()
    building_path(path, RESCUE).write_bytes(b"half")
    assert finish(path) is None
    assert not building_path(path, RESCUE).exists()
    assert counted(path, None) == (20, 60_000)


def test_the_mark_wins_over_the_old_file_and_its_wal(tmp_path: Path) -> None:
    path = left_by_a_crash(tmp_path, None)
    complete_path(path, RESCUE).write_bytes(b"")
    assert complete_path(path, RESCUE).name == "journal.db.rescued"
    assert finish(path) == RESCUE
    assert path.read_bytes() == b""
    assert [p.name for p in tmp_path.iterdir()] == ["journal.db"]


def test_a_copy_that_was_not_closed_is_not_promoted(tmp_path: Path) -> None:
    path = left_by_a_crash(tmp_path, None)
    building_path(path, RESCUE).write_bytes(b"")
    (tmp_path / "journal.db.rescue-wal").write_bytes(b"commits")
    with pytest.raises(StorageUnusable, match="not closed"):
        promote(path, RESCUE)
    assert counted(path, None) == (20, 60_000)


def test_what_cannot_be_rescued_keeps_its_flag(tmp_path: Path, ram: list[Path]) -> None:
    path = left_by_a_crash(tmp_path, KEY)
    mark_poisoned(path, ram)
    with pytest.raises(KeyWrong):
        rescue(path, None, ram)
    assert is_poisoned(path, ram)
    clear_poisoned(path, ram)
    with pytest.raises(StorageUnusable):
        rescue(tmp_path / "missing.db", None, ram)


def test_a_damaged_page_stops_the_rescue(tmp_path: Path, ram: list[Path]) -> None:
    path = left_by_a_crash(tmp_path, KEY)
    open_writer(path, key=KEY).close()
    with path.open("r+b") as file:
        file.seek(5 * 4096 + 1)
        file.write(b"?!")
    with pytest.raises(StorageDamaged):
        rescue(path, KEY, ram)
    assert path.exists()
