"""What a support bundle says of the journal: file, pragmas, schema, tables, and whether it reads as it was written."""

import os
from typing import Any

from holdfast.cli.node_api import File
from holdfast.journal.integrity import Damage, Progress, scan
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.storage.errors import StorageError
from holdfast.storage.rescue import is_poisoned
from holdfast.storage.sqlite import library_version, rows, translated

PRAGMAS = (
    "journal_mode", "synchronous", "page_size", "page_count", "freelist_count", "max_page_count", "auto_vacuum",
    "encoding", "cache_size", "mmap_size", "user_version", "application_id", "wal_autocheckpoint", "foreign_keys",
)  # fmt: skip
SCAN_S = 20.0
"""A longer scan is for `holdfast journal scan`."""
MOST_DAMAGES = 50


def journal_piece(file: File) -> dict[str, Any]:
    """The file by its own account; only read."""
    path, db = file.access.path, file.access.reader()
    try:
        with translated():
            pragmas = {name: db.pragma(name) for name in PRAGMAS}
            tables = {
                str(name): int(count)
                for (name,) in rows(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
                for ((count,),) in (rows(db, f'SELECT count(*) FROM "{name}"'),)  # noqa: S608  # names of the schema's own
            }
            lanes = [list(one) for one in rows(db, "SELECT lane, head, cut FROM lanes ORDER BY lane")]
            starts = rows(
                db, "SELECT uuid, boot_id, started_ns, heads FROM incarnations ORDER BY started_ns DESC LIMIT 20"
            )
    finally:
        db.close()
    beside = [one for one in sorted(path.parent.iterdir()) if one.is_file()]
    return {
        "path": str(path),
        "is_encrypted": file.access.key is not None,
        "is_running": file.is_running,
        "is_poisoned": is_poisoned(path),
        "sqlite": ".".join(map(str, library_version())),
        "schema_version": pragmas["user_version"],
        "pragmas": pragmas,
        "rows_by_table": tables,
        "lanes": [{"lane": Lane(lane).name.lower(), "head": head, "cut": cut} for lane, head, cut in lanes],
        "newest_starts": [dict(zip(("uuid", "boot_id", "started_ns", "heads"), one, strict=True)) for one in starts],
        "files": [
            {"name": one.name, "bytes": one.stat().st_size, "mtime_ns": one.stat().st_mtime_ns} for one in beside
        ],
        "user": os.getuid(),
    }


def integrity_piece(file: File, clock: Clock) -> dict[str, Any]:
    """Groups verified within `SCAN_S`, newest last; SQLite's own quick check."""
    until, groups, damages, faults = clock.monotonic() + SCAN_S, 0, list[Damage](), list[str]()
    reader, is_whole = file.reader(), True
    try:
        for lane in Lane:
            last = 0
            try:
                for step in scan(reader, lane):
                    if isinstance(step, Progress):
                        last = step.groups
                    else:
                        damages.append(step)
                    if clock.monotonic() > until:
                        is_whole = False
                        break
            except StorageError as error:
                faults.append(f"{lane.name.lower()}: {error}")
            groups += last
    finally:
        reader.close()
    return {
        "groups_verified": groups,
        "looked_at_all": is_whole,
        "damages": len(damages),
        "first_damages": [
            {"lane": one.lane.name.lower(), "first": one.first, "last": one.last, "what": one.what}
            for one in damages[:MOST_DAMAGES]
        ],
        "faults": faults,
        "quick_check": _quick_check(file) if is_whole else ["not asked: the file is large"],
    }


def _quick_check(file: File) -> list[str]:
    db = file.access.reader()
    try:
        with translated():
            return [str(one) for (one,) in rows(db, "PRAGMA quick_check(20)")]
    except StorageError as error:
        return [str(error)]
    finally:
        db.close()
