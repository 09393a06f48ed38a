from pathlib import Path

import pytest

from holdfast.storage.errors import DiskFull, StorageFailed, StorageTooOld, StorageUnusable
from holdfast.storage.sqlite import (
    library_version,
    open_reader,
    open_writer,
    require_safe_library,
    row,
    rows,
    translated,
)


def test_the_writer_is_durable_and_says_so_when_asked(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "deep" / "a.db")
    assert (db.pragma("journal_mode"), db.pragma("synchronous")) == ("wal", 2)


def test_an_old_sqlite_is_refused() -> None:
    require_safe_library(library_version())
    with pytest.raises(StorageTooOld, match=r"3\.51\.2.*3\.51\.3"):
        require_safe_library((3, 51, 2))


def test_a_reader_sees_what_was_committed_and_cannot_write(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "a.db")
    db.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)")
    reader = open_reader(tmp_path / "a.db")
    assert rows(reader, "SELECT x FROM t ORDER BY x") == [(1,), (2,)]
    assert row(reader, "SELECT x FROM t WHERE x = ?", (9,)) is None
    with pytest.raises(StorageUnusable), translated():
        reader.execute("INSERT INTO t VALUES (3)")


def test_the_quota_answers_full(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "a.db", quota_bytes=1)
    db.execute("CREATE TABLE t (x)")
    with pytest.raises(DiskFull, match="no space"), translated():
        db.execute("INSERT INTO t VALUES (zeroblob(1000000))")


def test_other_faults_have_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, however long the text may be " * 40)
    with pytest.raises(StorageUnusable, match="can't be used"):
        open_writer(tmp_path / "text.db")
    with pytest.raises(StorageUnusable):
        open_reader(tmp_path / "missing.db")
    with pytest.raises(StorageFailed), translated():
        open_writer(tmp_path / "b.db").execute("no such statement")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="can't be used"):
        open_writer(tmp_path / "file" / "c.db")
