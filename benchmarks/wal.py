"""What a WAL file says about its commits: frames each, and whose tables their pages are (SQLite file format §4)."""

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import apsw

_HEADER, _FRAME_HEADER = 32, 24


@dataclass(frozen=True, slots=True)
class WalStory:
    """Frames of the WAL's current run, from its start to its last valid commit."""

    commits: int
    frames: int
    frame_bytes: int
    by_table: dict[str, float]
    """Frames per commit by table."""


def read_wal(database: Path) -> WalStory:
    """Read it while a node has it open, or after a kill; nothing is changed."""
    data = database.with_name(database.name + "-wal").read_bytes()
    if len(data) < _HEADER:
        return WalStory(0, 0, 0, {})
    page_size, salt = struct.unpack_from(">I", data, 8)[0], data[16:24]
    size = page_size + _FRAME_HEADER
    pages: list[int] = []
    commits = counted = 0
    for at in range(_HEADER, len(data) - size + 1, size):
        page, database_pages = struct.unpack_from(">II", data, at)
        if data[at + 8 : at + 16] != salt:
            break
        pages.append(page)
        if database_pages:
            commits, counted = commits + 1, len(pages)
    owner = _owners(database)
    tables = Counter(owner.get(page, "free") for page in pages[:counted])
    return WalStory(commits, counted, size, {t: round(n / max(1, commits), 2) for t, n in tables.most_common()})


def _owners(database: Path) -> dict[int, str]:
    db = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return dict(db.execute("SELECT pageno, name FROM dbstat"))
    except apsw.SQLError:
        return {}
    finally:
        db.close()
