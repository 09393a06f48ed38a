"""Whole objects under a name, in a folder elsewhere (a NAS) or in an object store: the seam, and the folder.

What a crash leaves: an object is there whole or not at all; a put that was cut off can be done again.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from holdfast.storage.errors import ObjectsUnreachable, StorageError
from holdfast.storage.folder import DiskFolder, Folder

_NEW = ".new-"


class ObjectStore(Protocol):
    """Objects by name, with `/`. Blocking, any thread.

    Every method raises ObjectsUnreachable when the store can't be had.
    """

    def put(self, name: str, parts: Iterable[bytes]) -> bool:
        """Store an object, replacing what bore the name; seen whole or not at all.

        Returns whether the store itself confirmed what it holds by a checksum over the bytes that were given.
        What iterating raises is passed on, and nothing is stored.
        """
        ...

    def get(self, name: str, start: int, end: int) -> bytes:
        """The bytes [start, end) of an object; fewer where it ends.

        Raises:
            FileNotFoundError: when it isn't there.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove an object, and what a put that was cut off left of it, so that a power cut brings neither back.

        Nothing happens when it isn't there.
        """
        ...

    def names(self) -> Iterator[tuple[str, int]]:
        """Every object with its bytes, in order of the names."""
        ...


class FolderObjects:
    """Objects as files below `root/prefix`. `root` is never made: nothing is stored while a NAS isn't mounted there."""

    def __init__(self, root: Path, prefix: str = "") -> None:
        self._root = root
        self._folder: Folder = DiskFolder(root / prefix)

    def put(self, name: str, parts: Iterable[bytes]) -> bool:
        """See `ObjectStore.put`; a folder confirms nothing, so read it again."""
        self._require_root()
        beside = _beside(name)
        try:
            file = self._folder.create(beside)
            with file:
                for part in parts:
                    file.write(part)
                self._folder.keep(beside, file)
            self._folder.rename(beside, name)
        except BaseException as error:
            with suppress(StorageError, OSError):
                self._folder.remove(beside)
            if isinstance(error, (StorageError, OSError)):
                raise _unreachable(self._root, error) from error
            raise
        return False

    def get(self, name: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get`."""
        try:
            with self._folder.open(name) as file:
                file.seek(start)
                found = bytearray()
                while len(found) < end - start and (more := file.read(end - start - len(found))):
                    found += more
                return bytes(found)
        except FileNotFoundError:
            self._require_root()
            raise
        except (StorageError, OSError) as error:
            raise _unreachable(self._root, error) from error

    def remove(self, name: str) -> None:
        """See `ObjectStore.remove`."""
        self._require_root()
        try:
            for one in (_beside(name), name):
                self._folder.remove(one)
            self._folder.sync(name.rpartition("/")[0])
        except (StorageError, OSError) as error:
            raise _unreachable(self._root, error) from error

    def names(self) -> Iterator[tuple[str, int]]:
        """See `ObjectStore.names`."""
        self._require_root()
        try:
            for name in self._folder.names():
                if not any(part.startswith(".") for part in name.split("/")):
                    yield name, self._folder.size(name) or 0
        except (StorageError, OSError) as error:
            raise _unreachable(self._root, error) from error

    def _require_root(self) -> None:
        if not self._root.is_dir():
            missing = ObjectsUnreachable(f"the folder {self._root} isn't there")
            missing.hint = (
                "mount it, or make it once: Holdfast doesn't, lest files land beside a NAS that isn't mounted"
            )
            raise missing


def _beside(name: str) -> str:
    """Where an object is written before it's whole."""
    directory, slash, base = name.rpartition("/")
    return f"{directory}{slash}{_NEW}{base}"


def _unreachable(root: Path, error: Exception) -> ObjectsUnreachable:
    return ObjectsUnreachable(f"{root}: {error.strerror if isinstance(error, OSError) else error}")
