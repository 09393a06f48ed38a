"""What a node knows of its artifacts, and one that is being read."""

import os
import threading
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from holdfast.storage.errors import DiskFull, StorageUnusable
from holdfast.storage.files import NO_ROOM

How = Literal["put", "fetched"]
Seen = tuple[int, int, int, int]


class Note(msgspec.Struct, frozen=True):
    """What is remembered of an artifact. how: was it put here, or fetched?"""

    name: str = ""
    pinned: bool = False
    how: How = "fetched"
    stored_ns: int = 0


class Entry(msgspec.Struct, frozen=True):
    """An artifact of this node. used_ns: when it was last asked for, ns UTC."""

    digest: str
    bytes: int
    name: str
    pinned: bool
    how: How
    stored_ns: int
    used_ns: int


class Opened:
    """A whole file to be read; it may be removed meanwhile. Blocking; close it."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self.size, self.name = file, size, name
        self._closing = threading.Lock()  # a number of a closed file may be another file's by the time it's read

    def read(self, start: int, end: int) -> bytes:
        """These bytes. Raises OSError, ValueError once it's closed."""
        with self._closing:
            return os.pread(self._file.fileno(), end - start, start)

    def close(self) -> None:
        """Let go."""
        with self._closing:
            self._file.close()


def disk(path: Path, error: OSError) -> StorageUnusable | DiskFull:
    """Our error for the system's."""
    sentence = f"{path} can't be written: {error.strerror}"
    return DiskFull(sentence) if error.errno in NO_ROOM else StorageUnusable(sentence)


def seen_of(file: BinaryIO) -> Seen:
    """By what it's known to be unchanged: inode, size, and its two times."""
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def changed_ns(path: Path) -> int:
    """When a file was written last; 0 when it has gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def size_of(path: Path) -> int:
    """Bytes of a file; 0 when it has gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
