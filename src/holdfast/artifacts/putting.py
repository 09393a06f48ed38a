"""A file on its way into a node's artifacts."""

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from holdfast.artifacts.entries import Entry, Note, disk
from holdfast.artifacts.errors import ArtifactWrong
from holdfast.storage.files import make_directory

if TYPE_CHECKING:
    from holdfast.artifacts.store import ArtifactStore


class Putting:
    """A put under way: `write` all, then `keep`; without it nothing stays. Blocking."""

    def __init__(self, store: "ArtifactStore", name: str, *, pinned: bool) -> None:
        """See `ArtifactStore.putting`."""
        self._store, self._note = store, Note(name, pinned, "put")
        self._path = store.root / "new" / uuid4().hex
        self._hash, self._size = sha256(), 0
        try:
            make_directory(self._path.parent)
            self._file = self._path.open("xb")
        except OSError as error:
            raise disk(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """More of it.

        Raises:
            ArtifactTooLarge: that's too much.
            StorageUnusable, DiskFull: the disk refuses.
        """
        self._size += len(piece)
        if self._size > self._store.settings.largest:
            raise self._store.too_large(self._size)
        self._hash.update(piece)
        try:
            self._file.write(piece)
        except OSError as error:
            raise disk(self._path, error) from error

    def keep(self, expected: str = "") -> Entry:
        """It's whole.

        Raises:
            ArtifactWrong: it isn't what was expected.
            ArtifactsFull: there's no room for it.
            StorageUnusable, DiskFull: the disk refuses.
        """
        found = self._hash.hexdigest()
        if expected and found != expected:
            raise ArtifactWrong(f"what came is {found}, not {expected}")
        if self._store.entry(found) is None:
            self._store.make_room(self._size)
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._store.keep(self._path, found, self._size, self._note)
        except OSError as error:
            raise disk(self._path, error) from error
