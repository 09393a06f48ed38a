"""A document's log and its merge, shared by the application's thread and those that talk to the node.

The application's own `Doc` is its thread's alone; this second one, the mirror, has what is on disk: it tells what the
node lacks, and catches edits that don't survive their own encoding before they are kept.
"""

import threading
from collections import deque
from pathlib import Path
from typing import Any

from pycrdt import Doc, merge_updates

from holdfast.sync.errors import DocumentBroken
from holdfast.sync.log import UpdateLog

MOST_ROWS = 256
EMPTY = b"\x00\x00"


class LocalReplica:
    """Thread-safe."""

    def __init__(self, file: Path, name: str) -> None:
        """Read the log, squashed. Raises like `UpdateLog`."""
        self._lock = threading.RLock()
        self._log = UpdateLog(file, name)
        self._mirror = self._merged()
        self._inbox: deque[bytes] = deque()  # bounded by what the node holds, and merged into one beyond MOST_ROWS
        self.changed = threading.Condition(self._lock)
        """Notified after a local edit, an arrival and when the node has taken something."""
        self._rows = self._log.count()
        self._squash(1)

    def whole(self) -> bytes:
        """Everything, as one update."""
        with self._lock:
            return self._mirror.get_update()

    def state(self) -> bytes:
        """The state vector of what is on disk."""
        with self._lock:
            return self._mirror.get_state()

    def keep(self, update: bytes, client: int, clock: int) -> None:
        """Store a local edit. client, clock: how far the application's `Doc` says that it has counted.

        Raises:
            DocumentBroken: the edit doesn't survive its encoding; it isn't stored.
            sqlite3.Error: the disk didn't take it.
        """
        with self.changed:
            self._mirror.apply_update(update)
            if clocks(self._mirror.get_state()).get(client, 0) != clock:
                self._mirror = self._merged()
                raise DocumentBroken("the edit can't be encoded; positions in a text count UTF-8 bytes, not letters")
            self._append(update, is_local=True)
            self.changed.notify_all()

    def arrived(self, update: bytes) -> None:
        """Store what the node sent, and hold it for the application."""
        if update == EMPTY:
            return
        with self.changed:
            self._mirror.apply_update(update)
            self._append(update, is_local=False)
            self._inbox.append(update)
            if len(self._inbox) > MOST_ROWS:
                self._inbox = deque([merge_updates(*self._inbox)])
            self.changed.notify_all()

    def inbox(self) -> list[bytes]:
        """What arrived since the last call."""
        with self._lock:
            found, self._inbox = list(self._inbox), deque()
            return found

    def has_arrivals(self) -> bool:
        """Is there anything in the inbox?"""
        with self._lock:
            return bool(self._inbox)

    def outbox(self) -> tuple[int, bytes] | None:
        """The next edits to send as one update, and their last id; None = the node has all."""
        with self._lock:
            found = self._log.unsent(MOST_ROWS)
            return (found[-1][0], merge_updates(*(data for _, data in found))) if found else None

    def lacking(self, state: bytes) -> tuple[int, bytes]:
        """What a node at `state` lacks, deletions included, and the last id that's in it."""
        with self._lock:
            return self._log.last(), self._mirror.get_update(state)

    def settle(self, last: int) -> None:
        """The node has every edit up to this id."""
        with self.changed:
            self._log.settle(last)
            self.changed.notify_all()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._log.close()

    def _append(self, update: bytes, *, is_local: bool) -> None:
        self._log.append(update, is_local=is_local)
        self._rows += 1
        self._squash(MOST_ROWS)

    def _squash(self, most: int) -> None:
        if self._rows > most:
            self._log.squash(self._mirror.get_update())
            self._rows = 1

    def _merged(self) -> Doc[Any]:
        doc: Doc[Any] = Doc()
        for update in self._log.updates():
            doc.apply_update(update)
        return doc


def clocks(state: bytes) -> dict[int, int]:
    """A state vector, as pycrdt makes it: client -> how many clocks of it are there."""
    numbers: list[int] = []
    value = shift = 0
    for byte in state:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return dict(zip(numbers[1::2], numbers[2::2], strict=True))
