"""The journal without threads: opens the file, holds the committed state, runs one commit at a time.

`Journal` puts a writer thread in front of it; simulators and the power-loss harness drive it directly, so what they
prove is what runs.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from holdfast.journal.migrate import migrate
from holdfast.journal.opening import Access, Found, prepare
from holdfast.journal.settings import JournalSettings
from holdfast.journal.state import Draft
from holdfast.journal.stays import recall
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.storage.errors import StorageError, StorageFailed
from holdfast.storage.lock import FileLock
from holdfast.storage.rescue import mark_poisoned
from holdfast.storage.space import enable_reclaim
from holdfast.storage.sqlite import Connection, rows, translated

R = TypeVar("R")
FILE_NAME = "journal.db"
# 64 MB: rewriting that much at a start goes unnoticed.
SMALL_PAGES = 16_384
# What a start may take beyond the quota: a row of its own, now and then a page; a migration some more.
SPARE_PAGES = 256
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def random_id() -> str:
    """128 bits that never repeat, as 32 hex digits."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What became of one write of a commit: its result, or the error that undid it alone."""

    result: R | None = None
    error: Exception | None = None


class Store:
    """A node's journal file and its state as of the last commit. One thread at a time.

    `state` is replaced, never changed, so other threads may read it.
    """

    def __init__(
        self,
        access: Access,
        node: str,
        settings: JournalSettings,
        clock: Clock,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        """Open the file, migrate it, and commit a new incarnation before anything else is written.

        new_id: makes 128-bit ids that never repeat; given by simulators, whose chance must be seeded

        Raises:
            InUse: when another process writes to it.
            StorageError: when the file can't be used.
            JournalTooNew: when a newer Holdfast wrote it.
        """
        self.access = access
        self._lock = None if access.vfs else FileLock(access.path)
        self.node = node
        self.settings = settings
        self._clock, self._new_id = clock, new_id
        self.incarnation = new_id()
        self.timed: Callable[[float], None] = _untimed
        """Told how long each commit took, seconds, on the thread that made it."""
        try:
            self.found = Found() if access.vfs else prepare(access)
            self.db = access.writer(settings.quota)  # a file that fails here was made just now, and nothing promised
            self._begin_or_mark()
        except BaseException:
            self._unlock()
            raise

    def _begin_or_mark(self) -> None:
        try:
            self._begin()
        except StorageFailed:
            self.mark_poisoned()  # it may have been a sync: the next start must not trust what it reads back
            raise

    def _begin(self) -> None:
        """A journal that is full to its quota must start, too: only a running node can make room."""
        with translated(opening=self.access.path):
            quota = self.db.pragma("max_page_count")
            self.db.pragma("max_page_count", quota + SPARE_PAGES)
            self.schema_version = migrate(self.db)
            if self.db.pragma("page_count") <= SMALL_PAGES:
                enable_reclaim(self.db)  # a file from before schema 2 can't shrink; a large one is left as it is
            self.catalogue, self.state = load(self.db)
        with translated():
            self._store_incarnation(self.incarnation, self.state)
            self.db.pragma("max_page_count", quota)

    def mint(self, transaction: Transaction) -> str:
        """Begin a new incarnation inside a commit: rows written from here on belong to it (G3)."""
        fresh = self._new_id()
        self._store_incarnation(fresh, transaction.draft)
        self.incarnation = fresh
        return fresh

    def _store_incarnation(self, fresh: str, state: Draft) -> None:
        heads = msgspec.json.encode([state.heads[lane] for lane in Lane]).decode()
        boot = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""
        self.db.execute(
            "INSERT INTO incarnations (uuid, boot_id, started_ns, heads) VALUES (?, ?, ?, ?)",
            (fresh, boot, self._clock.wall_ns(), heads),
        )

    def commit(self, writes: Sequence[Callable[[Transaction], Any]]) -> list[Outcome[Any]]:
        """Run every write in its own savepoint and commit them together; one that raises is undone alone.

        Raises:
            DiskFull: nothing was committed.
            StorageError: what was committed is unknown.
        """
        before, began = self.state, self._clock.monotonic()
        with translated():
            self.db.execute("BEGIN IMMEDIATE")
            transaction = Transaction(self.db, before.copy(), self.catalogue)
            if len(writes) == 1:
                outcomes = [self._run_alone(writes[0], transaction)]
            else:
                outcomes = [self._run(write, transaction) for write in writes]
            transaction.store_series()
            transaction.store_counters(before.counters)
            self.db.execute("COMMIT")
        self.state = transaction.draft
        self.timed(self._clock.monotonic() - began)
        return outcomes

    def roll_back(self) -> None:
        """Leave a failed commit's transaction."""
        if self.db.in_transaction:
            with translated():
                self.db.execute("ROLLBACK")

    def mark_poisoned(self) -> None:
        """A commit's sync failed: the next start must copy the file before it believes it."""
        mark_poisoned(self.access.path)

    def close(self) -> None:
        """Close the file."""
        with translated():
            self.db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _run_alone(self, write: Callable[[Transaction], Any], transaction: Transaction) -> Outcome[Any]:
        """As `_run`, for the only write of a commit: the commit itself is undone, and begun anew."""
        try:
            with translated():
                return Outcome(write(transaction))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # as below
            self.db.execute("ROLLBACK")
            self.db.execute("BEGIN IMMEDIATE")
            transaction.draft = self.state.copy()
            return Outcome(error=error)

    def _run(self, write: Callable[[Transaction], Any], transaction: Transaction) -> Outcome[Any]:
        draft = transaction.draft.copy()
        self.db.execute("SAVEPOINT one_write")
        try:
            with translated():
                outcome: Outcome[Any] = Outcome(write(transaction))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # the submitter's own bug or refusal: it gets it back, the rest commit
            self.db.execute("ROLLBACK TO one_write")
            transaction.draft = draft
            outcome = Outcome(error=error)
        self.db.execute("RELEASE one_write")
        return outcome


def _untimed(_: float) -> None:
    """Nobody wants to know."""


def load_catalogue(db: Connection) -> Catalogue:
    """The catalogue stored in a journal file."""
    catalogue = Catalogue()
    for node, device, metric, unit, kind in db.execute(
        "SELECT node, device, metric, unit, kind FROM series ORDER BY id"
    ):
        catalogue.intern(Series(node, device, metric, unit, Kind(kind)))
    recall(db, catalogue)
    return catalogue


def load(db: Connection) -> tuple[Catalogue, Draft]:
    """Catalogue and state as committed."""
    catalogue = load_catalogue(db)
    state = Draft(series_stored=len(catalogue))
    for lane, head, chain in rows(db, "SELECT lane, head, chain FROM lanes"):
        state.heads[Lane(lane)] = head
        state.chains[Lane(lane)] = chain
    state.cursors = {(c, Lane(lane)): seq for c, lane, seq in rows(db, "SELECT consumer, lane, seq FROM cursors")}
    state.counters.update(dict(rows(db, "SELECT name, value FROM counters")))
    return catalogue, state
