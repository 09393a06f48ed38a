"""A recording as a source: read at the pace it was made, or faster, and followed while it's written."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from holdfast.adapters.ble.advertisements import Heard
from holdfast.adapters.ble.btsnoop import MAGIC, Btsnoop
from holdfast.adapters.ble.errors import RecordInvalid
from holdfast.adapters.ble.hci import reports
from holdfast.adapters.ble.hexlines import HexLines
from holdfast.kernel.clock import NS_PER_S, Clock

_PIECE = 65_536
_LOOK_S = 0.25
_BATCH = 500
Take = Callable[[list[Heard]], Awaitable[None]]
"""Takes advertisements; returns when there's room for more."""


class Recording:
    """A file's advertisements, whatever its format."""

    def __init__(self) -> None:
        self._head = b""
        self._reader: Btsnoop | HexLines | None = None

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Those that are whole now.

        Raises:
            RecordInvalid: when it's no recording, or not any further.
        """
        if self._reader is None:
            self._head += data
            if len(self._head) < len(MAGIC) and MAGIC.startswith(self._head):
                return
            self._reader = Btsnoop() if self._head.startswith(MAGIC) else HexLines()
            data, self._head = self._head, b""
        if isinstance(self._reader, HexLines):
            yield from self._reader.feed(data)
            return
        for at_ns, event in self._reader.feed(data):
            yield from reports(event, at_ns)

    def end(self) -> Iterator[Heard]:
        """The file ends: a last line without its newline is one all the same."""
        if isinstance(self._reader, HexLines):
            yield from self._reader.feed(b"\n")
        elif self._head:
            yield from HexLines().feed(self._head + b"\n")


class Player:
    """Plays one recording."""

    def __init__(self, path: Path, speed: float, clock: Clock, *, follow: bool) -> None:
        self._path, self._speed, self._clock, self._follow = path, speed, clock, follow
        self._first_ns: int | None = None
        self._began = 0.0

    async def play(self, take: Take) -> None:
        """Give all of it to `take`; returns at the end, and never while it's followed.

        Raises:
            RecordInvalid: when it's no recording, or not any further.
            OSError: when it can't be read.
        """
        recording, at = Recording(), 0
        while True:
            data = await asyncio.to_thread(self._piece, at)
            if data is None:  # it began anew
                recording, at = Recording(), 0
                continue
            at += len(data)
            await self._give(list(recording.feed(data)), take)
            if not data and not self._follow:
                await self._give(list(recording.end()), take)
                return
            if not data:
                await asyncio.sleep(_LOOK_S)

    def _piece(self, at: int) -> bytes | None:
        """The next bytes; None when the file is shorter than what was read of it."""
        with self._path.open("rb") as file:
            if file.seek(0, 2) < at:
                return None
            file.seek(at)
            return file.read(_PIECE)

    async def _give(self, found: list[Heard], take: Take) -> None:
        due: list[Heard] = []
        for one in found:
            wait_s = self._wait_s(one)
            if due and (wait_s > 0 or len(due) >= _BATCH):
                await take(due)
                due = []
                wait_s = self._wait_s(one)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            due.append(one)
        if due:
            await take(due)

    def _wait_s(self, heard: Heard) -> float:
        """Seconds until it's its turn."""
        if self._follow or not self._speed:
            return 0.0
        if self._first_ns is None:
            self._first_ns, self._began = heard.at_ns, self._clock.monotonic()
        due = self._began + (heard.at_ns - self._first_ns) / NS_PER_S / self._speed
        return due - self._clock.monotonic()


def look(path: Path) -> tuple[int, int]:
    """(advertisements, devices) in a recording's first part, for trying it.

    Raises:
        RecordInvalid: when it's none.
        OSError: when it can't be read.
    """
    recording = Recording()
    with path.open("rb") as file:
        head = file.read(1 << 20)
    found = list(recording.feed(head))
    if not found and not head:
        raise RecordInvalid("the file is empty")
    return len(found), len({one.mac for one in found})
