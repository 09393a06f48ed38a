"""Where spans and log lines stay: on disk in a roll, or the newest of them in memory."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from holdfast.storage.errors import StorageError
from holdfast.storage.rolls import Place, Roll

T = TypeVar("T", bound=msgspec.Struct)
WAITING_MOST = 5_000
"""Items that may wait for the next write to disk."""
IN_MEMORY = 2_000


class Kept(Generic[T]):
    """Items of one kind, oldest first. `add` on the loop; `store` and the readers on any thread.

    lost: items that went before anybody could keep or export them
    """

    def __init__(self, kind: type[T], roll: Roll | None) -> None:
        """roll: None = in memory only."""
        self._decoder = msgspec.json.Decoder(kind)
        self.roll = roll
        self._waiting: deque[T] = deque(maxlen=WAITING_MOST if roll is not None else IN_MEMORY)
        self.lost = 0

    def add(self, item: T) -> None:
        """Keep one more."""
        if self.roll is not None and len(self._waiting) == WAITING_MOST:
            self.lost += 1
        self._waiting.append(item)

    @property
    def waits(self) -> bool:
        """Is there anything to store?"""
        return self.roll is not None and bool(self._waiting)

    def store(self) -> None:
        """Write what waits to disk.

        Raises:
            StorageError: when that can't be done; what waited is lost, and counted.
        """
        if self.roll is None or not self._waiting:
            return
        items = list(self._waiting)
        try:
            self.roll.append([msgspec.json.encode(item) for item in items])
        except StorageError:
            self.lost += len(items)
            raise
        finally:
            for _ in items:
                self._waiting.popleft()

    def newest_first(self) -> Iterator[T]:
        """Everything. A line that was stored while this read may come twice; its reader knows it by its id."""
        yield from reversed(list(self._waiting))
        if self.roll is not None:
            yield from filter(None, map(self._decoded, self.roll.newest_first()))

    def after(self, place: Place, most_bytes: int) -> tuple[list[T], Place]:
        """The oldest behind a place on disk, and the place behind them."""
        if self.roll is None:
            return [], place
        lines, end = self.roll.after(place, most_bytes)
        return [item for item in map(self._decoded, lines) if item is not None], end

    def _decoded(self, line: bytes) -> T | None:
        try:
            return self._decoder.decode(line)
        except msgspec.MsgspecError:  # a disk that lies, or a newer Holdfast's: the other lines count
            return None


def newest(found: Iterator[T], wanted: Callable[[T], bool], limit: int, most_looked_at: int) -> list[T]:
    """The newest that are wanted, newest first; looks at so many at most."""
    kept = list[T]()
    for looked_at, item in enumerate(found):
        if looked_at >= most_looked_at or len(kept) >= limit:
            break
        if wanted(item):
            kept.append(item)
    return kept
