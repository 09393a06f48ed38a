"""What to do after a failed commit: a flag that a reboot erases, and a copy that makes the file true again.

Once an fsync has failed, Linux marks the pages clean: the file reads back as if it had been written, while the disk
holds something else, and the next fsync says "fine" (Rebello et al., "Can Applications Recover from fsync
Failures?", ATC 2020). A node that restarts on such a file would read a commit that failed, call a resent record a
duplicate, ack it, and lose it at the next power cut. So the node stops, and leaves a flag in a RAM-backed
directory: it lives as long as the page cache that may be lying, and a reboot erases both.

With the flag set, the next start doesn't open the database in place (a checkpoint would trust the same cache). It
copies everything it can read to a new file, whose every block is written anew and synced; what the copy holds is on
disk by then, whether its commit had failed or not. The steps and their crash points: see `storage.replace`; there
also why the old WAL must never lie beside the new file.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import apsw

from holdfast.storage import replace
from holdfast.storage.errors import StorageUnusable
from holdfast.storage.sqlite import connect, set_key, translated

RAM_FILESYSTEMS = {"tmpfs", "ramfs"}
MOUNTS = Path("/proc/self/mounts")
COPY_PAGES = 4096


def runtime_directories() -> list[Path]:
    """Where the flag may lie, best first."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    first = [Path(session) / "holdfast"] if session else []
    return [*first, Path("/run/holdfast"), Path("/dev/shm/holdfast")]


def mark_poisoned(path: Path, directories: Sequence[Path] | None = None) -> Path | None:
    """Note that a sync of this database has failed since boot; the flag's path.

    None means that no RAM-backed directory can be written: then nothing marks the file, and the caller should ask
    for a reboot. It never raises: the process is about to stop anyway.
    """
    for directory in runtime_directories() if directories is None else directories:
        flag = directory / _flag_name(path)
        try:
            if not _usable(directory):
                continue
            flag.write_text(f"{path.absolute()}\n")
        except OSError:
            continue
        return flag
    return None


def is_poisoned(path: Path, directories: Sequence[Path] | None = None) -> bool:
    """Whether a sync of this database has failed since boot, in any of the directories."""
    candidates = runtime_directories() if directories is None else directories
    return any((directory / _flag_name(path)).exists() for directory in candidates)


def rescue(path: Path, key: bytes | None = None, directories: Sequence[Path] | None = None) -> None:
    """Replace a poisoned database by a synced copy of all that can be read from it, then clear the flag.

    Nobody else may have it open. It needs room for a second copy. Interrupted, it starts again or is completed by
    `replace.finish` at the next start: a power cut erases the flag, and the mark on disk survives it. The flag is
    cleared last, so after a mere crash this runs once more, which is harmless.

    Raises:
        DiskFull: when there is no room for the copy; the old file is untouched.
        KeyWrong: when the key doesn't fit.
        StorageDamaged: when what is on disk by now is no whole database; restore a backup.
        StorageFailed: when the disk still fails.
        StorageUnusable: when the system refuses.
    """
    replace.finish(path)
    half = replace.building_path(path, replace.RESCUE)
    with translated(opening=path):
        _copy(path, half, key)
    replace.promote(path, replace.RESCUE)
    clear_poisoned(path, directories)


def clear_poisoned(path: Path, directories: Sequence[Path] | None = None) -> None:
    """Remove the flag.

    Raises:
        StorageUnusable: when the system refuses.
    """
    for directory in runtime_directories() if directories is None else directories:
        flag = directory / _flag_name(path)
        try:
            flag.unlink(missing_ok=True)
        except NotADirectoryError:
            continue
        except OSError as error:
            raise StorageUnusable(f"the flag {flag} can't be removed: {error.strerror}") from error


def _copy(path: Path, half: Path, key: bytes | None) -> None:
    # Read-only, and no checkpoint on close: the file in doubt is not written to, not even by its last reader.
    source = connect(path, key, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        source.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        target = apsw.Connection(str(half))
        try:
            set_key(target, key)
            target.pragma("page_size", source.pragma("page_size"))
            with target.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(COPY_PAGES)
        finally:
            target.close()
        _check(half, key)
    finally:
        source.close()


def _check(half: Path, key: bytes | None) -> None:
    copy = connect(half, key)
    try:
        found = copy.execute("PRAGMA quick_check(1)").fetchall()
        if found != [("ok",)]:
            raise apsw.CorruptError(f"what could be read: {found[0][0]}")
        copy.pragma("journal_mode", "wal")  # a no-op where the copied header already says so
    finally:
        copy.close()


def _flag_name(path: Path) -> str:
    return f"poisoned-{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:32]}"


def _usable(directory: Path) -> bool:
    """Ours alone, writable, and in RAM: a flag on disk would outlive the reboot, and /dev/shm is everybody's."""
    if not directory.parent.is_dir():
        return False
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    is_ours = directory.is_dir() and not directory.is_symlink() and found.st_uid == os.geteuid()
    return is_ours and os.access(directory, os.W_OK) and filesystem_of(directory) in RAM_FILESYSTEMS


def filesystem_of(directory: Path) -> str:
    """The type of the file system a directory is on, from the kernel's list of mounts; "" when it can't be told."""
    best, kind = -1, ""
    real = directory.resolve()
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        mount, found = line.split(" ")[1:3]
        where = Path(mount.replace("\\040", " "))
        if real.is_relative_to(where) and len(where.parts) >= best:
            best, kind = len(where.parts), found
    return kind
