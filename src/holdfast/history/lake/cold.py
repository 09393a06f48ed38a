"""Files of the lake in the cold store, read a chunk at a time; what was read is kept in memory for a while."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from holdfast.history.errors import PieceGone
from holdfast.history.lake.settings import ColdSettings
from holdfast.history.lake.sums import CheckedFile
from holdfast.journal.pieces import PieceFile
from holdfast.kernel.clock import Clock
from holdfast.storage.objects import FolderObjects, ObjectStore
from holdfast.storage.patience import Patience
from holdfast.storage.s3 import Bucket, S3Objects, read_credentials

CHUNK = 1 << 19
"""Bytes asked for at once: a request costs a round trip, whatever it asks for."""


class Cold:
    """The cold store with its cache. Any thread."""

    def __init__(self, store: ObjectStore, cache_bytes: int, trouble: Callable[[], str] = lambda: "") -> None:
        """trouble: why the store can't be had now."""
        self.store, self.trouble = store, trouble
        self._most = max(1, cache_bytes // CHUNK)
        self._chunks: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = Lock()  # questions run on threads of their own

    def open(self, name: str, size: int) -> "ColdFile":
        """A file to be read; nothing is asked yet."""
        return ColdFile(self, name, size)

    def copy(self, file: PieceFile) -> CheckedFile:
        """The file as the store has it now: past the cache, and every block checked when it's read.

        Raises:
            PieceDamaged: when the catalogue's sums can't belong to a file of that size.
        """
        return CheckedFile(Cold(self.store, CHUNK).open(file.name, file.size), file.name, file.size, file.sums)

    def chunk(self, name: str, number: int, size: int) -> bytes:
        """The bytes of [number * CHUNK, +CHUNK) of a file of `size` bytes.

        Raises:
            PieceGone: when the store hasn't got the file.
            ObjectsUnreachable: when it can't be had.
        """
        key = (name, number)
        with self._lock:
            found = self._chunks.get(key)
            if found is not None:
                self._chunks.move_to_end(key)
                return found
        begin = number * CHUNK
        try:
            found = self.store.get(name, begin, min(size, begin + CHUNK))
        except FileNotFoundError as error:
            raise PieceGone(name) from error
        with self._lock:
            self._chunks[key] = found
            while len(self._chunks) > self._most:
                self._chunks.popitem(last=False)
        return found

    def forget(self, name: str) -> None:
        """Read this file anew the next time."""
        with self._lock:
            for key in [key for key in self._chunks if key[0] == name]:
                del self._chunks[key]


class ColdFile:
    """One file of the cold store. One thread."""

    def __init__(self, cold: Cold, name: str, size: int) -> None:
        self._cold, self._name, self._size = cold, name, size
        self._at = 0

    def seek(self, offset: int, /) -> int:
        """Go there."""
        self._at = offset
        return offset

    def read(self, size: int, /) -> bytes:
        """Bytes from there on; fewer at the end.

        Raises:
            PieceGone, ObjectsUnreachable: when there are none to be had.
        """
        end = min(self._size, self._at + size)
        if end <= self._at:
            return b""
        first, last = self._at // CHUNK, (end - 1) // CHUNK
        parts = [self._cold.chunk(self._name, number, self._size) for number in range(first, last + 1)]
        begin = self._at - first * CHUNK
        found = b"".join(parts)[begin : begin + end - self._at]
        self._at = end
        return found

    def close(self) -> None:
        """Nothing is held."""


def open_cold(settings: ColdSettings, clock: Clock) -> Cold:
    """The cold store of resolved settings; no connection is made.

    Raises:
        StorageError: when its key or the package it needs isn't there.
    """
    patient = Patience(_store(settings), settings.timeout, clock)
    return Cold(patient, settings.cache, lambda: patient.trouble)


def _store(settings: ColdSettings) -> ObjectStore:
    s3, prefix = settings.s3, settings.prefix or ""
    if s3 is None:
        return FolderObjects(Path(settings.folder), prefix)
    key = read_credentials(Path(s3.key_file)) if s3.key_file else None
    return S3Objects(Bucket(s3.bucket, prefix, s3.endpoint, s3.region, key), settings.timeout)
