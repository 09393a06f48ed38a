"""The open lake: its folder, and the readers that questions share."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from holdfast.history.errors import PieceDamaged
from holdfast.history.lake.cold import Cold
from holdfast.history.lake.files import FileReader
from holdfast.journal.pieces import PieceFile
from holdfast.storage.folder import Folder

if TYPE_CHECKING:
    from holdfast.history.lake.cipher import Cipher

OPEN_FILES = 24
"""Readers kept open between questions: a footer is read once, and a file descriptor and some 50 kB are held."""


class Lake:
    """Gives out readers, each to one thread at a time. Any thread."""

    def __init__(
        self,
        folder: Folder,
        open_files: int = OPEN_FILES,
        *,
        cipher: "Cipher | None" = None,
        cold: Cold | None = None,
    ) -> None:
        """cipher: of new files, and of those that turn out to be encrypted; cold: where files go from the folder."""
        self.folder, self.cipher, self.cold = folder, cipher, cold
        self.showing = Lock()
        """Held while the folder is made to show something else; whoever puts a file there by another way waits."""
        self.suspects: set[str] = set()
        """Files that somebody could not read; the scrub looks at them first."""
        self._most = open_files
        self._idle: OrderedDict[str, FileReader] = OrderedDict()
        self._lock = Lock()  # questions run on threads of their own

    @contextmanager
    def reader(self, file: PieceFile) -> Iterator[FileReader]:
        """Borrow a reader of a file.

        Raises:
            PieceGone, PieceAway, PieceDamaged, PieceLocked: when it can't be read.
            ObjectsUnreachable: when the cold store can't be had.
        """
        with self._lock:
            found = self._idle.pop(file.name, None)
        try:
            reader = FileReader(self.folder, file, self.cipher, self.cold) if found is None else found
        except PieceDamaged as error:
            self._note(error)
            raise
        try:
            yield reader
        except BaseException as error:
            reader.close()
            self._note(error)
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

    def _note(self, error: BaseException) -> None:
        if isinstance(error, PieceDamaged):
            self.suspects.add(error.name)
            if self.cold is not None:
                self.cold.forget(error.name)

    def _give_back(self, name: str, reader: FileReader) -> None:
        with self._lock:
            other = self._idle.pop(name, None)
            self._idle[name] = reader
            extra = [self._idle.popitem(last=False)[1] for _ in range(len(self._idle) - self._most)]
        for one in ([] if other is None else [other]) + extra:
            one.close()
