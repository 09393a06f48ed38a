"""The open lake: its folder, and the readers that questions share."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from holdfast.history.lake.files import FileReader
from holdfast.journal.pieces import PieceFile
from holdfast.storage.folder import Folder

OPEN_FILES = 24
"""Readers kept open between questions: a footer is read once, and a file descriptor and some 50 kB are held."""


class Lake:
    """Gives out readers, each to one thread at a time. Any thread."""

    def __init__(self, folder: Folder, open_files: int = OPEN_FILES) -> None:
        self.folder = folder
        self._most = open_files
        self._idle: OrderedDict[str, FileReader] = OrderedDict()
        self._lock = Lock()  # questions run on threads of their own

    @contextmanager
    def reader(self, file: PieceFile) -> Iterator[FileReader]:
        """Borrow a reader of a file.

        Raises:
            PieceGone, PieceDamaged: when it can't be read.
        """
        with self._lock:
            found = self._idle.pop(file.name, None)
        reader = FileReader(self.folder, file) if found is None else found
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        self._give_back(file.name, reader)

    def forget(self, name: str) -> None:
        """A file is about to go."""
        with self._lock:
            found = self._idle.pop(name, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        """Close the idle readers."""
        with self._lock:
            idle, self._idle = self._idle, OrderedDict()
        for reader in idle.values():
            reader.close()

    def _give_back(self, name: str, reader: FileReader) -> None:
        with self._lock:
            other = self._idle.pop(name, None)
            self._idle[name] = reader
            extra = [self._idle.popitem(last=False)[1] for _ in range(len(self._idle) - self._most)]
        for one in ([] if other is None else [other]) + extra:
            one.close()
