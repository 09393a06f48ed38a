"""The one thread that writes: takes every write queued since the last commit and commits them together.

Natural group commit: no linger when idle; while one commit is in flight the next ones gather. What happens when a
commit fails depends on who must act: no space -> the writes are kept and tried again until there is; anything else
below SQLite -> its outcome is unknown, so the journal is poisoned and nothing more is acked (DESIGN §5).
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any

from holdfast.journal.errors import JournalClosed, JournalPoisoned
from holdfast.journal.store import Store
from holdfast.journal.transaction import Transaction
from holdfast.storage.errors import DiskFull, StorageError

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
    """Owns the store while the thread runs."""

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        committed: Callable[[], None],
        changed: Callable[[Condition, str], None],
    ) -> None:
        self.condition = Condition.OK
        self._store = store
        self._relief: Callable[[], bool] = _no_relief
        self._loop = loop
        self._committed = committed
        self._changed = changed
        self._begin()

    def _begin(self) -> None:
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
        self._enqueue(Write(function, future))
        return future

    def _enqueue(self, write: Write) -> None:
        self._queue.put(write)

    def on_full(self, relief: Callable[[], bool]) -> None:
        """Call `relief` on the writer thread when there is no room; True = try again at once."""
        self._relief = relief

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
                self._store.roll_back()
                if not self._relieve() and self._wait_for_space(full):
                    self._answer(writes, full)
                    return
            except StorageError as failed:
                self._poison(failed)
            else:
                return

    def _commit(self, writes: list[Write]) -> None:
        outcomes = self._store.commit([write.function for write in writes])
        for write, outcome in zip(writes, outcomes, strict=True):
            write.result, write.error = outcome.result, outcome.error
        self._enter(Condition.OK, "")
        self._answer(writes, None)

    def _wait_for_space(self, full: DiskFull) -> bool:
        """Pause before the next try; True = asked to stop meanwhile."""
        self._enter(Condition.FULL, str(full))
        return self._stop.wait(RETRY_FULL_S)

    def _relieve(self) -> bool:
        try:
            return self._relief()
        except DiskFull:
            self._store.roll_back()
            return False
        except StorageError as failed:
            self._poison(failed)
            return True  # the next turn answers the writes

    def _poison(self, failed: StorageError) -> None:
        self._store.mark_poisoned()
        with suppress(StorageError):
            self._store.roll_back()
        self._enter(Condition.POISONED, str(failed))

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


class InlineWriter(Writer):
    """Writes on the loop's own thread, at the end of the turn: for simulations, whose order must be the seed's."""

    def _begin(self) -> None:
        self._waiting: list[Write] = []
        self._is_due = False

    def close(self) -> None:
        """Commit what is queued."""
        self._turn()
        self._enter(Condition.CLOSED, "")

    def abandon(self) -> None:
        """Stop as a killed process does: what is queued is gone."""
        self._waiting.clear()
        self._enter(Condition.CLOSED, "")

    def _enqueue(self, write: Write) -> None:
        self._waiting.append(write)
        self._schedule(0.0)

    def _schedule(self, delay: float) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(delay, self._turn)

    def _turn(self) -> None:
        self._is_due = False
        while self._waiting:
            writes, self._waiting = self._waiting[:MAX_WRITES_PER_COMMIT], self._waiting[MAX_WRITES_PER_COMMIT:]
            try:
                self._commit(writes)
            except DiskFull as full:
                self._store.roll_back()
                self._waiting = writes + self._waiting
                if not self._relieve():
                    self._enter(Condition.FULL, str(full))
                    self._schedule(RETRY_FULL_S)
                    return
            except StorageError as failed:
                self._poison(failed)
                self._answer(writes, self._refusal())

    def _call(self, function: Callable[[], None]) -> None:
        function()


def _no_relief() -> bool:
    return False
