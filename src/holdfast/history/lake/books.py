"""What the catalogue says now, and the ways to change it, for those who keep, send and verify the lake's files."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from holdfast.history.errors import HistoryError
from holdfast.history.lake.compact import RowsMoved
from holdfast.history.lake.happenings import Doing, HistoryFailed
from holdfast.history.lake.lake import Lake
from holdfast.journal.errors import JournalError
from holdfast.journal.journal import Journal
from holdfast.journal.pieces import DAMAGED, Piece, Trash
from holdfast.journal.snapshot import snapshot
from holdfast.storage.errors import StorageError
from holdfast.telemetry.happenings import Telemetry

R = TypeVar("R")


class Books:
    """The pieces as of the last look. Used on the loop's thread; steps run on threads."""

    def __init__(self, journal: Journal, lake: Lake, telemetry: Telemetry) -> None:
        self.journal, self.lake = journal, lake
        self.pieces: tuple[Piece, ...] = ()
        self.trash_bytes = 0
        self._telemetry = telemetry
        self._trouble: dict[Doing, str] = {}

    @property
    def local_bytes(self) -> int:
        """Bytes of files on the local disk."""
        return sum(piece.size for piece in self.pieces) + self.trash_bytes

    def is_doubtful(self, piece: Piece) -> bool:
        """Is a file of it damaged, or did somebody fail to read one?"""
        return any(file.places & DAMAGED or file.name in self.lake.suspects for file in piece.files)

    async def look(self) -> None:
        """Read the catalogue anew."""
        found = await self.safely("tidy", self._catalogue)
        if found is not None:
            self.pieces, trash = found
            sizes = [self.lake.folder.size(f".trash/{one.name}") or 0 for one in trash]
            self.trash_bytes = sum(sizes)
            self.lake.suspects &= {file.name for piece in self.pieces for file in piece.files}

    def trash(self) -> list[Trash]:
        """Files that no piece has any more. Blocking."""
        with snapshot(self.journal) as moment:
            return moment.trash()

    async def commit(self, doing: Doing, write: Callable[..., object]) -> bool:
        """False when nothing was changed; files made for it are strays, and go with the next start or merge."""
        try:
            return await self.journal.submit(write) is not False
        except RowsMoved:
            return False
        except (JournalError, StorageError) as error:
            self._say(doing, error)
            return False

    async def safely(self, doing: Doing, step: Callable[[], R]) -> R | None:
        """Run a blocking step on a thread; a failure is told once, and the next turn tries again."""
        try:
            result = await asyncio.to_thread(step)
        except (HistoryError, JournalError, StorageError) as error:
            self._say(doing, error)
            return None
        self._trouble.pop(doing, None)
        return result

    def _catalogue(self) -> tuple[tuple[Piece, ...], list[Trash]]:
        with snapshot(self.journal) as moment:
            return tuple(moment.pieces()), moment.trash()

    def _say(self, doing: Doing, error: HistoryError | JournalError | StorageError) -> None:
        if self._trouble.get(doing) != str(error):
            self._trouble[doing] = str(error)
            self._telemetry.emit(HistoryFailed(at=doing, detail=str(error), hint=error.hint))
