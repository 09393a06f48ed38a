"""A reserve file beside the journal, given up when the file system is full so that the node can still write."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import NO_ROOM, sync_directory

BLOCK = 512  # the unit of st_blocks, whatever the file system's own is


class Ballast:
    """`size` bytes of real blocks at `path`: held while there is plenty of room, released in an emergency.

    It guards against a full file system, not against `journal.quota`: that one is the database's own bound.
    Overflow policy: it is made only where at least twice its size is free, so that it never causes the emergency.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    @property
    def held(self) -> bool:
        """Whether the whole reserve is on disk, in allocated blocks."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (
            stat.S_ISREG(found.st_mode)
            and self.size > 0
            and found.st_size >= self.size
            and found.st_blocks * BLOCK >= self.size
        )

    def hold(self) -> bool:
        """Make the reserve if it isn't there and there is room; whether it is held now.

        Raises:
            StorageUnusable: when the system refuses for another reason than room.
        """
        if self.held or self.size <= 0:
            return self.held
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)  # what an interrupted attempt left
            if free_bytes(self.path.parent) < 2 * self.size:
                return False
            self._allocate()
        except OSError as error:
            with suppress(OSError):
                self.path.unlink()
            if error.errno in NO_ROOM:
                return False
            raise StorageUnusable(f"the reserve {self.path} can't be made: {error.strerror}") from error
        return True

    def release(self) -> bool:
        """Give the blocks back to the file system; whether there was a reserve.

        Raises:
            StorageUnusable: when the system refuses.
        """
        try:
            self.path.unlink()
            sync_directory(self.path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnusable(f"the reserve {self.path} can't be released: {error.strerror}") from error
        return True

    def _allocate(self) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(handle, 0, self.size)
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_directory(self.path.parent)


def free_bytes(directory: Path) -> int:
    """What a process without privileges may still write to the file system of a directory, in bytes.

    Raises:
        OSError: when the directory can't be asked.
    """
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
