"""How much room a database takes, and how it gives some back: free pages, bounded shrinking, checkpoints."""

import sys
from pathlib import Path
from typing import Literal, NamedTuple

import apsw

from holdfast.storage.ballast import free_bytes
from holdfast.storage.sqlite import CHECKPOINT_PAGES, PAGE_SIZE, Connection, translated

CheckpointMode = Literal["passive", "full", "restart", "truncate"]
_MODES: dict[CheckpointMode, int] = {
    "passive": apsw.SQLITE_CHECKPOINT_PASSIVE,
    "full": apsw.SQLITE_CHECKPOINT_FULL,
    "restart": apsw.SQLITE_CHECKPOINT_RESTART,
    "truncate": apsw.SQLITE_CHECKPOINT_TRUNCATE,
}
INCREMENTAL = 2
ONE_COMMIT_BYTES = 1 << 20
FRAME_BYTES = PAGE_SIZE + 24
FEWEST_FRAMES = 64
FULL_WAL_BYTES = CHECKPOINT_PAGES * FRAME_BYTES + ONE_COMMIT_BYTES  # the commit that fills it may overshoot
MOST_PAGES = 0xFFFFFFFE  # SQLite's own bound


class Checkpointed(NamedTuple):
    """What a checkpoint did: frames in the WAL, how many are in the main file now, whether someone was in the way."""

    wal_frames: int
    moved_frames: int
    busy: bool


def free_pages(db: Connection) -> int:
    """Pages in the file that hold nothing."""
    with translated():
        return int(db.pragma("freelist_count"))


def reclaim(db: Connection, max_pages: int) -> int:
    """Give at most max_pages free pages back to the file system; the number given back.

    Each page moves at most one other one. The file itself shrinks at the next checkpoint. A file from before
    `enable_reclaim` gives nothing back.
    """
    if max_pages <= 0:
        return 0
    before = free_pages(db)
    with translated():
        db.execute(f"PRAGMA incremental_vacuum({max_pages:d})").fetchall()
    return before - free_pages(db)


def enable_reclaim(db: Connection) -> bool:
    """Make an older file able to shrink, by one VACUUM; whether that was needed.

    The VACUUM is one transaction: a power cut leaves the old form. It needs room for a second copy in the WAL, and
    keeps a temporary copy in memory (a file of it would hold plain text beside an encrypted database); for a
    file larger than the memory use `convert(path, key, key)` before opening, which needs neither.
    Rowids of tables without an INTEGER PRIMARY KEY may change.
    """
    with translated():
        if db.pragma("auto_vacuum") == INCREMENTAL:
            return False
        db.pragma("auto_vacuum", "incremental")
        db.execute("VACUUM")
        return True


def checkpoint(db: Connection, mode: CheckpointMode = "passive") -> Checkpointed:
    """Move the WAL's pages into the main file. A busy one did what it could without waiting further."""
    with translated():
        try:
            total, moved = db.wal_checkpoint(mode=_MODES[mode])
        except apsw.BusyError:
            total, moved = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            return Checkpointed(total, moved, busy=True)
        return Checkpointed(total, moved, busy=False)


def bound_growth(db: Connection, path: Path, quota_bytes: int) -> bool:
    """Divide what room the disk has between the main file and the WAL; whether the file may grow more than before.

    The WAL gets what a full one still lacks, at most half, and begins anew before it takes more. So it can always be
    emptied. The bounds hold until the next call; at its own the file is "full", as it is at the quota. Call it when
    the WAL is empty.
    """
    with translated():
        before = int(db.pragma("max_page_count"))
        wal, room = wal_bytes(path), free_bytes(path.parent)
        for_wal = min(max(ONE_COMMIT_BYTES, FULL_WAL_BYTES - wal), room // 2)
        frames = (wal + for_wal - ONE_COMMIT_BYTES) // FRAME_BYTES
        db.pragma("wal_autocheckpoint", min(CHECKPOINT_PAGES, max(FEWEST_FRAMES, frames)))
        most = min(quota_bytes or sys.maxsize, path.stat().st_size + room - for_wal) // PAGE_SIZE
        return int(db.pragma("max_page_count", min(most, MOST_PAGES))) > before


def wal_bytes(path: Path) -> int:
    """The size of the WAL beside a database; 0 when there is none."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0
