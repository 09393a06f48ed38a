"""Brings a database file to the newest schema: numbered SQL files, forward only, each in its own transaction."""

from importlib import resources

from holdfast.journal.errors import JournalTooNew, JournalTooOld
from holdfast.storage.sqlite import Connection


def migrations() -> list[tuple[int, str]]:
    """(number, SQL) of every migration, ascending."""
    folder = resources.files("holdfast.journal") / "schema"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(int(f.name.split("_")[0]), f.read_text(encoding="utf-8")) for f in files]


def migrate(db: Connection) -> int:
    """Apply what is missing; returns the schema version.

    Raises:
        JournalTooNew: when the file was written by a newer program.
    """
    found = int(db.pragma("user_version"))
    known = migrations()
    newest = known[-1][0]
    if found > newest:
        raise JournalTooNew(f"the journal has schema {found}, this program knows up to {newest}")
    for number, sql in known:
        if number > found:
            db.execute(f"BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {number}; COMMIT")
    return newest


def require_current(db: Connection) -> None:
    """Let a file be read as it lies, without migrating it.

    Raises:
        JournalTooNew, JournalTooOld: when another version of the program wrote it.
    """
    found, newest = int(db.pragma("user_version")), migrations()[-1][0]
    if found > newest:
        raise JournalTooNew(f"the journal has schema {found}, this program knows up to {newest}")
    if found < newest:
        raise JournalTooOld(f"the journal has schema {found}, this program reads {newest}")
