"""The one thread that writes: takes every write queued since the last commit and commits them together.

Natural group commit: no linger when idle; while one commit is in flight the next ones gather. What happens when a
commit fails depends on who must act: no space -> the writes are kept and tried again until there is; anything else
below SQLite -> its outcome is unknown, so the journal is poisoned and nothing more is acked (DESIGN §5).
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from holdfast.journal.errors import JournalClosed, JournalPoisoned
from holdfast.journal.state import Draft
from holdfast.journal.transaction import Transaction
from holdfast.model.series import Catalogue
from holdfast.storage.errors import DiskFull, StorageError
from holdfast.storage.sqlite import Connection, translated

RETRY_FULL_S = 0.25
MAX_WRITES_PER_COMMIT = 256


class Condition(StrEnum):
    """May this journal take writes?"""

    OK = "ok"
    FULL = "full"
    POISONED = "poisoned"
    CLOSED = "closed"


class Write:
    """A submitted function and the future that is owed its result, after the commit."""

    __slots__ = ("error", "function", "future", "result")

    def __init__(self, function: Callable[[Transaction], Any], future: asyncio.Future[Any]) -> None:
        self.function = function
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


class Writer:
    """Owns the writing connection. `state` is replaced, never changed, so other threads may read it."""

    def __init__(
        self,
        db: Connection,
        state: Draft,
        catalogue: Catalogue,
        loop: asyncio.AbstractEventLoop,
        committed: Callable[[], None],
        changed: Callable[[Condition, str], None],
    ) -> None:
        self.state = state
        self.condition = Condition.OK
        self._db = db
        self._catalogue = catalogue
        self._loop = loop
        self._committed = committed
        self._changed = changed
        # Bounded by what its callers may have outstanding: intake one, ingest its credits, uplink and upkeep a few.
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(self, function: Callable[[Transaction], Any]) -> asyncio.Future[Any]:
        """Queue a write; loop thread only."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.condition in (Condition.POISONED, Condition.CLOSED):
            future.set_exception(self._refusal())
            return future
        self._queue.put(Write(function, future))
        return future

    def close(self) -> None:
        """Commit what is queued, then stop. Blocks until the thread has ended."""
        self._stop.set()
        self._queue.put(None)
        self._thread.join()

    def _refusal(self) -> Exception:
        if self.condition is Condition.POISONED:
            return JournalPoisoned("a commit failed and its outcome is unknown")
        return JournalClosed("the journal is closed")

    def _run(self) -> None:
        while True:
            writes = self._take()
            if writes:
                self._commit_until_done(writes)
            if self._stop.is_set() and self._queue.empty():
                self._enter(Condition.CLOSED, "")
                return

    def _take(self) -> list[Write]:
        taken = [self._queue.get()]
        while len(taken) < MAX_WRITES_PER_COMMIT and not self._queue.empty():
            taken.append(self._queue.get())
        return [w for w in taken if w is not None]

    def _commit_until_done(self, writes: list[Write]) -> None:
        while True:
            if self.condition is Condition.POISONED:
                self._answer(writes, self._refusal())
                return
            try:
                self._commit(writes)
            except DiskFull as full:
                self._roll_back()
                self._enter(Condition.FULL, str(full))
                if self._stop.wait(RETRY_FULL_S):
                    self._answer(writes, full)
                    return
            except StorageError as failed:
                self._roll_back()
                self._enter(Condition.POISONED, str(failed))
            else:
                self._enter(Condition.OK, "")
                self._answer(writes, None)
                return

    def _commit(self, writes: list[Write]) -> None:
        before = self.state
        with translated():
            self._db.execute("BEGIN IMMEDIATE")
            transaction = Transaction(self._db, before.copy(), self._catalogue)
            for write in writes:
                self._apply(write, transaction)
            transaction.store_series()
            transaction.store_counters(before.counters)
            self._db.execute("COMMIT")
        self.state = transaction.draft

    def _apply(self, write: Write, transaction: Transaction) -> None:
        """Run one write in its own savepoint, so that its failure hurts no other."""
        draft = transaction.draft.copy()
        write.result, write.error = None, None
        self._db.execute("SAVEPOINT one_write")
        try:
            with translated():
                write.result = write.function(transaction)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # the submitter's own bug or refusal: it gets it back, the rest commit
            self._db.execute("ROLLBACK TO one_write")
            transaction.draft = draft
            write.error = error
        self._db.execute("RELEASE one_write")

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with translated():
                self._db.execute("ROLLBACK")

    def _enter(self, condition: Condition, detail: str) -> None:
        if condition is not self.condition:
            self.condition = condition
            self._call(lambda: self._changed(condition, detail))

    def _answer(self, writes: list[Write], error: Exception | None) -> None:
        def resolve() -> None:
            for write in writes:
                failure = error or write.error
                if write.future.cancelled():
                    continue
                if failure is not None:
                    write.future.set_exception(failure)
                else:
                    write.future.set_result(write.result)
            if error is None:
                self._committed()

        self._call(resolve)

    def _call(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return
