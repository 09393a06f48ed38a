"""The past of a node as its files have it: the journal, and the lake when it keeps one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.history.lake.opening import open_lake
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.view import View, view
from holdfast.history.latest import Latest
from holdfast.history.query import History
from holdfast.journal.migrate import require_current
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.journal.store import load_catalogue
from holdfast.kernel.clock import SystemClock
from holdfast.model.series import Catalogue
from holdfast.storage.folder import DiskFolder
from holdfast.storage.sqlite import translated


@dataclass(frozen=True, slots=True)
class Files:
    """Where a node's files lie. history: with absolute paths; None = no lake."""

    node: str
    access: Access
    data: Path
    history: HistorySettings | None

    def reader(self) -> JournalReader:
        """Reads of the journal; close it.

        Raises:
            StorageError, JournalTooOld, JournalTooNew: when it can't be read.
        """
        db = self.access.reader()
        try:
            require_current(db)
        finally:
            db.close()
        return JournalReader(self.access)


@dataclass(frozen=True, slots=True)
class Past:
    """Opened files. folder: of the lake, None = there is none."""

    reader: JournalReader
    catalogue: Catalogue
    history: History
    latest: Latest
    folder: DiskFolder | None


@contextmanager
def opened(file: Files) -> Iterator[Past]:
    """Open the files of a node; it may run.

    Raises:
        StorageError, JournalTooOld, JournalTooNew: when they can't be read.
    """
    reader = file.reader()
    try:
        catalogue, settings = _catalogue(file), file.history
        if settings is None:
            yield Past(reader, catalogue, History(reader, catalogue), Latest(reader, catalogue), None)
            return
        folder = DiskFolder(file.data / settings.lake)
        lake = open_lake(folder.root, file.access.key, settings.cold, SystemClock())

        def memory(from_ns: int, to_ns: int) -> AbstractContextManager[View]:
            return view(lake, reader, catalogue.is_text, from_ns, to_ns)

        try:
            yield Past(reader, catalogue, History(reader, catalogue, memory), Latest(reader, catalogue, memory), folder)
        finally:
            lake.close()
    finally:
        reader.close()


def _catalogue(file: Files) -> Catalogue:
    db = file.access.reader()
    try:
        with translated():
            return load_catalogue(db)
    finally:
        db.close()
