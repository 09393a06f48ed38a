"""The journal: what must survive a power cut, in order.

On disk: one SQLite file in WAL mode with synchronous=FULL (schema/0001_spine.sql). Rows are stored as groups, a batch
per group, in three lanes, each its own dense sequence from 1. Everything that belongs together (rows, quarantine,
dedupe keys, counters, cursors, a child's watermark) changes in one transaction.

Recovery: SQLite's own; then heads, chains and counters are read back. Invariants: seqs of a lane are 1, 2, 3 … without
holes as written; `lanes.head` is the last of them even after delivered groups are deleted; a future returned by
`submit` resolves only after COMMIT returned.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from holdfast.journal.errors import JournalReplaced
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.journal.settings import JournalSettings
from holdfast.journal.store import FILE_NAME, Store, random_id
from holdfast.journal.store import load_catalogue as read_catalogue
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition, InlineWriter, Writer
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue
from holdfast.storage.space import wal_bytes

__all__ = ["FILE_NAME", "Journal", "load_catalogue"]
R = TypeVar("R")


class Journal(JournalReader):
    """A node's open journal. Open and close it on the event loop's thread."""

    def __init__(
        self,
        access: Access | Path,
        node: str,
        settings: JournalSettings,
        clock: Clock,
        *,
        writer: type[Writer] = Writer,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        """Open the file, migrate it, and commit a new incarnation before anything else is written.

        writer, new_id: simulations write on the loop's own thread and take their chance from a seed

        Raises:
            StorageError: when the file can't be used.
            JournalTooNew: when a newer Holdfast wrote it.
        """
        access = access if isinstance(access, Access) else Access(access)
        super().__init__(access)
        self.node = node
        self.settings = settings
        self.access = access
        self._file = access.path
        self._listeners: list[Callable[[], None]] = []
        self._watchers: list[Callable[[Condition, str], None]] = []
        self._store = Store(access, node, settings, clock, new_id)
        self._identity = _identity(access.path)
        self.found = self._store.found
        self.schema_version = self._store.schema_version
        self.catalogue = self._store.catalogue
        loop = asyncio.get_running_loop()
        self._writer = writer(self._store, loop, self._notify, self._condition_changed)

    @property
    def incarnation(self) -> str:
        """The id of this process start."""
        return self._store.incarnation

    async def mint(self) -> str:
        """Begin a new incarnation while running: this journal turned out to be a copy."""
        return await self.submit(self._store.mint)

    def submit(self, write: Callable[[Transaction], R]) -> asyncio.Future[R]:
        """Run `write` on the writer thread inside the next commit; loop thread only.

        The future resolves on the loop after the COMMIT, with what `write` returned. If `write` raises, its own changes
        are undone, the others commit, and the future has the exception. While the disk is full the future stays
        pending and the write is tried again, so `write` must be repeatable.
        """
        return self._writer.submit(write)

    def head(self, lane: Lane) -> int:
        """Last committed seq of a lane, 0 = none."""
        return self._store.state.heads[lane]

    def counters(self) -> dict[str, int]:
        """The committed ledger counters, from memory."""
        return dict(self._store.state.counters)

    def cursor(self, consumer: str, lane: Lane) -> int:
        """How far a consumer has said it is, from memory."""
        return self._store.state.cursors.get((consumer, lane), 0)

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back on the loop after each commit."""
        self._listeners.append(callback)

    def on_full(self, relief: Callable[[Store], bool]) -> None:
        """When a commit finds no room, call `relief` on the writer thread; True = it made some, try again."""
        self._writer.on_full(lambda: relief(self._store))

    def on_timed(self, listener: Callable[[float], None]) -> None:
        """Tell `listener` how long each commit took (s), on the writer's thread; one listener, quick."""
        self._store.timed = listener

    def on_condition(self, callback: Callable[[Condition, str], None]) -> None:
        """Call back on the loop when the journal becomes full, poisoned or well again."""
        self._watchers.append(callback)

    @property
    def condition(self) -> Condition:
        """May it take writes now?"""
        return self._writer.condition

    def size_bytes(self) -> int:
        """Bytes of the database and its WAL on disk."""
        return (self._file.stat().st_size if self._file.exists() else 0) + self.wal_bytes()

    def wal_bytes(self) -> int:
        """Bytes of the WAL on disk."""
        return wal_bytes(self._file)

    def require_in_place(self) -> None:
        """See that the file under the journal's name is the one that was opened.

        Raises:
            JournalReplaced: when somebody removed or replaced it: what is written goes to a file without a name.
        """
        if _identity(self._file) != self._identity:
            raise JournalReplaced(f"{self._file} was removed or replaced while the node ran")

    @property
    def folder(self) -> Path:
        """Where the file lies."""
        return self._file.parent

    def free_bytes(self) -> int:
        """Bytes of pages in the file that hold nothing. Blocking, any thread."""
        with self._connection() as db:
            return int(db.pragma("freelist_count")) * int(db.pragma("page_size"))

    def abandon(self) -> None:
        """Stop as a killed process does; only with an `InlineWriter`."""
        if isinstance(self._writer, InlineWriter):
            self._writer.abandon()
        super().close()
        self._store.close()

    def close(self) -> None:
        """Commit what is queued and close the file. Blocking."""
        self._writer.close()
        super().close()
        self._store.close()

    def _notify(self) -> None:
        for callback in self._listeners:
            callback()

    def _condition_changed(self, condition: Condition, detail: str) -> None:
        for callback in self._watchers:
            callback(condition, detail)


def load_catalogue(access: Access | Path) -> Catalogue:
    """The catalogue stored in a journal file, without opening it for writing."""
    reader = JournalReader(access)
    try:
        with reader._connection() as db:  # noqa: SLF001  # same room
            return read_catalogue(db)
    finally:
        reader.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
