"""Encrypts, decrypts or re-keys a database file that nobody has open.

Protocol: see `storage.replace`. The new file is written whole beside the old one by `VACUUM INTO` (which reads
through the WAL, so every acked commit is in it), then swapped in. Until the rename to `.converted` the old file with
the old key is the truth; after it the new file with the new key is, and `replace.finish` at the next start completes
the swap. So the caller stores the new key before it calls `convert`, and calls it again at a start that finds a plain
file.

Costs: room for a second copy; rowids of tables without an INTEGER PRIMARY KEY may change; the new file has
incremental auto-vacuum. The old blocks are freed, not erased: a flash chip may hold their plain text until it
reuses them, so a key is best set before the first start.
"""

from pathlib import Path
from urllib.parse import quote

import apsw

from holdfast.storage import replace
from holdfast.storage.sqlite import CIPHER, READ_WRITE, connect, key_text, translated


def convert(path: Path, old_key: bytes | None, new_key: bytes | None) -> None:
    """Rewrite the database under another key; None means plain. Equal keys are fine: the file is compacted.

    Raises:
        KeyWrong: when the old key doesn't fit.
        DiskFull: when there is no room for a second copy; the old file is untouched.
        StorageUnusable: when the file is missing or in use.
    """
    replace.finish(path)
    half = replace.building_path(path, replace.CONVERT)
    with translated(opening=path):
        existing = READ_WRITE & ~apsw.SQLITE_OPEN_CREATE
        db = connect(path, old_key, flags=existing | apsw.SQLITE_OPEN_URI)
        try:
            _lock(db)
            db.pragma("auto_vacuum", "incremental")
            _copy(db, half, new_key)
        finally:
            db.close()
        _check(half, new_key)
    replace.promote(path, replace.CONVERT)


def _lock(db: apsw.Connection) -> None:
    # A commit made by someone else after the copy would be lost with the old file: hold it alone or fail as busy.
    db.set_busy_timeout(0)
    db.pragma("locking_mode", "exclusive")
    db.execute("BEGIN EXCLUSIVE; COMMIT")


def _copy(db: apsw.Connection, half: Path, key: bytes | None) -> None:
    try:
        db.execute("VACUUM INTO ?", (_target(half, key),))
    except apsw.CantOpenError:
        # SQLite's own sentence repeats the name it was given, key and all.
        raise apsw.CantOpenError(f"{half} can't be written") from None


def _target(path: Path, key: bytes | None) -> str:
    # An explicit empty key, or the new file would inherit the old file's cipher.
    cipher = f"cipher={CIPHER}&key={key_text(key)}" if key is not None else "key="
    return f"file:{quote(str(path))}?{cipher}"


def _check(path: Path, key: bytes | None) -> None:
    db = connect(path, key)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchall()
        if found != [("ok",)]:
            raise apsw.CorruptError(f"the converted copy: {found[0][0]}")
    finally:
        db.close()
