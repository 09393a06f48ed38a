"""Whole files in a folder tree: written once, then renamed, linked, swapped or removed; never changed in place.

What a power cut leaves: a file whose name was kept by `keep` is there whole; any other step may be undone.
"""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from holdfast.storage.errors import DiskFull, StorageUnusable
from holdfast.storage.files import NO_ROOM, make_directory, sync_directory

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_libc = ctypes.CDLL(None, use_errno=True)


class Folder(Protocol):
    """A tree of immutable files. Names are relative, with `/`; blocking, any thread.

    Every method raises StorageUnusable or DiskFull when the system refuses.
    """

    def create(self, name: str) -> BinaryIO:
        """A new file to be written, replacing one that a crash left; its directory is made."""
        ...

    def keep(self, name: str, file: BinaryIO) -> None:
        """Close a new file and make its bytes and its name survive a power cut."""
        ...

    def open(self, name: str) -> BinaryIO:
        """An existing file to be read.

        Raises:
            FileNotFoundError: when it isn't there.
        """
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, durably, replacing what bore it."""
        ...

    def link(self, old: str, new: str) -> None:
        """Give a file a second name; not durable before `sync`."""
        ...

    def exchange(self, one: str, other: str) -> None:
        """Swap two names atomically, durably: who lists either sees the one content or the other, never both."""
        ...

    def sync(self, name: str) -> None:
        """Make the names inside a directory, and its own, survive a power cut; nothing happens when it isn't there."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, or a directory with all in it; nothing happens when it isn't there."""
        ...

    def names(self, under: str = "") -> Iterator[str]:
        """The names of all files below a directory, hidden ones too, in order."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file; None when it isn't there."""
        ...


class DiskFolder:
    """A folder on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, name: str) -> BinaryIO:
        """See `Folder.create`."""
        path = self.root / name
        try:
            make_directory(self.root)
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")
        except OSError as error:
            raise _refusal(path, "made", error) from error

    def keep(self, name: str, file: BinaryIO) -> None:
        """See `Folder.keep`."""
        path = self.root / name
        try:
            file.flush()
            os.fsync(file.fileno())
            file.close()
            self._sync_upwards(path.parent)
        except OSError as error:
            raise _refusal(path, "written", error) from error

    def open(self, name: str) -> BinaryIO:
        """See `Folder.open`."""
        path = self.root / name
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _refusal(path, "read", error) from error

    def rename(self, old: str, new: str) -> None:
        """See `Folder.rename`."""
        target = self.root / new
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.root / old).replace(target)
            self._sync_upwards(target.parent)
        except OSError as error:
            raise _refusal(target, "renamed", error) from error

    def link(self, old: str, new: str) -> None:
        """See `Folder.link`."""
        target = self.root / new
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.hardlink_to(self.root / old)
        except OSError as error:
            raise _refusal(target, "linked", error) from error

    def exchange(self, one: str, other: str) -> None:
        """See `Folder.exchange` (renameat2(2), RENAME_EXCHANGE)."""
        paths = [self.root / one, self.root / other]
        first, second = (os.fsencode(path) for path in paths)
        if _libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE) != 0:
            number = ctypes.get_errno()
            raise StorageUnusable(f"{paths[0]} and {paths[1]} can't be swapped: {os.strerror(number)}")
        for path in paths:
            sync_directory(path.parent)

    def sync(self, name: str) -> None:
        """See `Folder.sync`."""
        path = self.root / name
        if not path.is_dir():
            return
        try:
            self._sync_upwards(path)
        except OSError as error:
            raise _refusal(path, "synced", error) from error

    def remove(self, name: str) -> None:
        """See `Folder.remove`."""
        path = self.root / name
        try:
            if path.is_dir() and not path.is_symlink():
                for inside in sorted(path.rglob("*"), reverse=True):
                    if inside.is_dir():
                        inside.rmdir()
                    else:
                        inside.unlink()
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _refusal(path, "removed", error) from error

    def names(self, under: str = "") -> Iterator[str]:
        """See `Folder.names`."""
        start = self.root / under
        if not start.is_dir():
            return
        for path in sorted(start.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.root).as_posix()

    def size(self, name: str) -> int | None:
        """See `Folder.size`."""
        try:
            return (self.root / name).stat().st_size
        except FileNotFoundError:
            return None

    def _sync_upwards(self, directory: Path) -> None:
        """Sync a directory and those above it: one that was made just now is no safer than its own name."""
        for one in (directory, *directory.parents):
            sync_directory(one)
            if one == self.root:
                return


def _refusal(path: Path, verb: str, error: OSError) -> StorageUnusable | DiskFull:
    if error.errno in NO_ROOM:
        return DiskFull(f"{path} can't be {verb}: {error.strerror}")
    return StorageUnusable(f"{path} can't be {verb}: {error.strerror}")
