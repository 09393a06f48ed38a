import os
import random
from pathlib import Path

import pytest

from holdfast.journal.opening import Access, prepare
from holdfast.storage import replace
from holdfast.storage.convert import convert
from holdfast.storage.errors import KeyUnusable, KeyWrong, StorageDamaged, StorageFailed, StorageUnusable
from holdfast.storage.keys import new_key_file, parse_hex_key, read_key_file
from holdfast.storage.sqlite import Connection, is_plain, open_reader, open_writer, row, rows, translated

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SECRET = b"water level 4.20 m"


def filled(path: Path, key: bytes | None, count: int = 60) -> Connection:
    db = open_writer(path, key=key)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x); PRAGMA user_version = 7")
    for _ in range(count):
        db.execute("INSERT INTO t (x) VALUES (?)", (SECRET * 200,))
    return db


def content(path: Path, key: bytes | None) -> tuple[object, ...] | None:
    db = open_reader(path, key)
    try:
        return row(db, "SELECT count(*), sum(length(x)), (SELECT user_version FROM pragma_user_version) FROM t")
    finally:
        db.close()


def test_nothing_readable_reaches_the_disk_with_a_key(tmp_path: Path) -> None:
    db = filled(tmp_path / "a.db", KEY)
    assert SECRET not in (tmp_path / "a.db-wal").read_bytes()
    assert (db.pragma("journal_mode"), db.pragma("synchronous"), db.pragma("auto_vacuum")) == ("wal", 2, 2)
    assert content(tmp_path / "a.db", KEY) == (60, 60 * 200 * len(SECRET), 7)
    db.close()
    assert SECRET not in (tmp_path / "a.db").read_bytes()
    assert not is_plain(tmp_path / "a.db")


def test_a_wrong_or_missing_key_is_noticed_at_open(tmp_path: Path) -> None:
    filled(tmp_path / "a.db", KEY).close()
    filled(tmp_path / "plain.db", None).close()
    for opener in (open_writer, open_reader):
        with pytest.raises(KeyWrong, match="without a key"):
            opener(tmp_path / "a.db")
        with pytest.raises(KeyWrong, match="another one") as caught:
            opener(tmp_path / "a.db", key=OTHER)
        assert "key" in caught.value.hint
        with pytest.raises(KeyWrong, match="is not encrypted") as caught:
            opener(tmp_path / "plain.db", key=KEY)
        assert "encrypt it first" in caught.value.hint
    with pytest.raises(KeyUnusable, match="32 bytes, not 5"):
        open_writer(tmp_path / "a.db", key=b"short")


def test_a_flipped_bit_in_an_encrypted_page_is_an_error_and_never_data(tmp_path: Path) -> None:
    filled(tmp_path / "a.db", KEY).close()
    whole = (tmp_path / "a.db").read_bytes()
    expected = [(i + 1, SECRET * 200) for i in range(60)]
    rng = random.Random(1)
    damaged = 0
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        (tmp_path / "f.db").write_bytes(flipped)
        try:
            db = open_reader(tmp_path / "f.db", KEY)
            with translated():
                assert rows(db, "SELECT id, x FROM t") == expected  # pages the query doesn't need
        except (StorageDamaged, KeyWrong):  # KeyWrong: page 1 gives the same answer as a wrong key
            damaged += 1
    assert damaged > 280


def test_a_damaged_page_read_after_opening_is_named(tmp_path: Path) -> None:
    db = filled(tmp_path / "a.db", KEY)
    db.close()
    with (tmp_path / "a.db").open("r+b") as file:
        file.seek(10 * 4096 + 99)
        file.write(b"!")
    with pytest.raises(StorageDamaged, match="damaged") as caught, translated():
        rows(open_reader(tmp_path / "a.db", KEY), "SELECT x FROM t")
    assert "backup" in caught.value.hint


@pytest.mark.parametrize(("old", "new"), [(None, KEY), (KEY, OTHER), (KEY, None), (KEY, KEY)])
def test_a_file_is_converted_with_all_its_commits(tmp_path: Path, old: bytes | None, new: bytes | None) -> None:
    path = tmp_path / "odd name?#%.db"
    filled(path, old).close()
    convert(path, old, new)
    assert content(path, new) == (60, 60 * 200 * len(SECRET), 7)
    assert is_plain(path) == (new is None)
    assert (SECRET in path.read_bytes()) == (new is None)
    db = open_writer(path, key=new)
    assert db.pragma("auto_vacuum") == 2
    db.close()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_commits_that_are_only_in_the_wal_are_converted_too(tmp_path: Path) -> None:
    db = filled(tmp_path / "live.db", None)
    for suffix in ("", "-wal"):  # as a power cut leaves them
        (tmp_path / f"a.db{suffix}").write_bytes((tmp_path / f"live.db{suffix}").read_bytes())
    db.close()
    convert(tmp_path / "a.db", None, KEY)
    assert content(tmp_path / "a.db", KEY) == (60, 60 * 200 * len(SECRET), 7)


def test_an_open_database_is_not_converted(tmp_path: Path) -> None:
    db = filled(tmp_path / "a.db", None)
    with pytest.raises(StorageUnusable):
        convert(tmp_path / "a.db", None, KEY)
    with pytest.raises(StorageUnusable):
        convert(tmp_path / "none.db", None, KEY)
    db.close()
    assert content(tmp_path / "a.db", None) == (60, 60 * 200 * len(SECRET), 7)


def test_a_conversion_cut_at_any_step_leaves_the_old_or_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that changes the directory fails once, and everything after it, as after a power cut."""
    real = {name: getattr(os, name) for name in ("fsync", "rename", "replace", "unlink")}
    cut = 0
    seen = set()
    while True:
        path = tmp_path / f"{cut}.db"
        db = filled(path, None, 5)
        steps = iter(range(10_000))

        def cutting(name: str, limit: int = cut, steps: object = steps) -> object:
            def call(*args: object, **kwargs: object) -> object:
                if next(steps) >= limit:  # type: ignore[call-overload]
                    raise OSError(5, "power cut")
                return real[name](*args, **kwargs)

            return call

        db.close()
        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, cutting(name))
            try:
                convert(path, None, KEY)
                finished = True
            except StorageFailed:
                finished = False
        completed = replace.finish(path) == replace.CONVERT
        key = None if is_plain(path) else KEY
        assert content(path, key) == (5, 5 * 200 * len(SECRET), 7)
        assert not list(tmp_path.glob(f"{cut}.db.*"))
        seen.add((key is not None, completed))
        if finished:
            break
        cut += 1
    assert cut >= 8
    assert seen == {(False, False), (True, True), (True, False)}


def test_the_new_key_is_in_no_message_when_the_copy_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    filled(path, None).close()
    monkeypatch.setattr(replace, "building_path", lambda path, _purpose: path.parent / "missing" / "copy")
    with pytest.raises(StorageUnusable, match="can't be written") as caught:
        convert(path, None, KEY)
    found: BaseException | None = caught.value
    while found:
        assert KEY.hex() not in str(found)
        found = found.__cause__


def test_a_start_with_a_key_encrypts_a_plain_file_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert not prepare(Access(path, KEY)).rekeyed  # nothing there yet
    filled(path, None).close()
    assert prepare(Access(path, KEY)).rekeyed
    assert not prepare(Access(path, KEY)).rekeyed
    assert content(path, KEY) == (60, 60 * 200 * len(SECRET), 7)
    with pytest.raises(KeyWrong):
        open_reader(path, OTHER)


def test_a_half_built_copy_is_thrown_away(tmp_path: Path) -> None:
    filled(tmp_path / "a.db", None).close()
    replace.building_path(tmp_path / "a.db", replace.CONVERT).write_bytes(b"half")
    assert replace.finish(tmp_path / "a.db") is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]


def test_a_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "journal.key"
    key = new_key_file(path)
    assert read_key_file(path) == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnusable, match="not replaced"):
        new_key_file(path)
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="mode 640") as caught:
        read_key_file(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_key_file_holds_hex_digits_or_raw_bytes(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.touch(mode=0o600)
    path.write_bytes(KEY)
    assert read_key_file(path) == KEY
    path.write_text(KEY.hex().upper() + "\n")
    assert read_key_file(path) == KEY
    for wrong in (b"", b"\xff" * 31, b"ab" * 31, b"zz" * 32, b"ab " * 32):
        path.write_bytes(wrong)
        with pytest.raises(KeyUnusable):
            read_key_file(path)
    with pytest.raises(KeyUnusable, match="No such file"):
        read_key_file(tmp_path / "none")


def test_a_key_that_cannot_be_parsed_is_never_repeated_in_the_message() -> None:
    with pytest.raises(KeyUnusable) as caught:
        parse_hex_key("correct horse battery staple")
    assert "horse" not in str(caught.value)
    assert parse_hex_key(f" {KEY.hex()} ") == KEY
