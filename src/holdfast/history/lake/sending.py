"""Finished days go to the cold store: said in the catalogue, sent, verified, and said again; then they may go here.

A crash leaves a file marked `SENDING`, and perhaps an object under the file's name, which never means another file: it
is sent again, or, when the piece has gone meanwhile, removed with the trash.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from holdfast.history.errors import PieceDamaged
from holdfast.history.lake.books import Books
from holdfast.history.lake.cold import Cold
from holdfast.history.lake.files import open_checked
from holdfast.history.lake.happenings import HistoryPieceSent
from holdfast.history.lake.layout import DAY_NS, day_name
from holdfast.history.lake.publish import forget
from holdfast.history.lake.settings import ColdSettings, HistorySettings
from holdfast.history.lake.sums import BLOCK
from holdfast.journal.pieces import COLD, SENDING, WARM, Piece, PieceFile, empty_trash, put_file, read_pieces
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.kernel.scalars import zone
from holdfast.storage.errors import ObjectsUnreachable
from holdfast.telemetry.happenings import Telemetry

LOOK_EVERY_S = 5.0
_NS = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sender:
    """Sends and removes, one file at a time. `run` is its only task's body."""

    def __init__(
        self,
        settings: HistorySettings,
        books: Books,
        clock: Clock,
        telemetry: Telemetry,
        *,
        may_leave: Callable[[Piece], bool],
        trash_before: Callable[[], int],
    ) -> None:
        """may_leave: False for a piece that has to stay at the site. trash_before: ns UTC; newer trash is needed."""
        self._settings, self._books, self._clock, self._telemetry = settings, books, clock, telemetry
        self._may_leave, self._trash_before = may_leave, trash_before
        self._stopping = threading.Event()
        telemetry.gauge("history_cold_bytes", "Size of the files in the cold store.", self._cold_bytes)
        telemetry.gauge(
            "history_cold_waiting_bytes",
            "Size of finished files that aren't in the cold store yet.",
            self._waiting_bytes,
        )
        telemetry.gauge("history_cold_up", "1 unless the cold store didn't answer just now.", self._is_reachable)

    async def run(self) -> None:
        """Send for ever."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                await self.turn()
        finally:
            self._stopping.set()

    async def turn(self) -> None:
        """Send what's due, oldest first, until the store can't be had; then remove what nobody needs there."""
        cold = self._books.lake.cold
        tried: set[int] = set()
        while cold is not None and (piece := self._next(tried)) is not None:
            tried.add(piece.id)
            if not await self._send(cold, piece) and not self._books.is_doubtful(piece):
                return
        if cold is not None:
            await self._remove(cold)

    def _next(self, tried: set[int]) -> Piece | None:
        held = [piece for piece in self._books.pieces if not self._books.is_doubtful(piece)]
        waiting = due(held, self._settings, self._clock.wall_ns())
        return next((piece for piece in waiting if piece.id not in tried and self._may_leave(piece)), None)

    async def _send(self, cold: Cold, piece: Piece) -> bool:
        began = self._clock.monotonic()
        marked = replace(piece, files=tuple(_marked(file, SENDING, 0) for file in piece.files))
        if marked != piece and not await self._books.commit("upload", lambda tx: change(tx, piece, marked)):
            await self._books.look()
            return True
        waiting = unsent(marked)
        for file in waiting:
            if not await self._books.safely("upload", partial(self._send_file, cold, file)):
                await self._books.look()
                return False
        sent = replace(marked, files=tuple(_marked(file, COLD, SENDING) for file in marked.files))
        is_done = await self._books.commit("upload", lambda tx: change(tx, marked, sent))
        await self._books.look()
        if is_done:
            size, took = sum(file.size for file in waiting), round(self._clock.monotonic() - began, 3)
            day = day_name(piece.day)
            self._telemetry.emit(HistoryPieceSent(day=day, files=len(waiting), bytes=size, seconds=took))
        return True

    def _send_file(self, cold: Cold, file: PieceFile) -> bool:
        if not cold.store.put(file.name, self._parts(file)):
            verify(cold, file)
        return True

    def _parts(self, file: PieceFile) -> Iterator[bytes]:
        rate = 0.0 if self._settings.cold is None else self._settings.cold.rate
        with closing(open_checked(self._books.lake.folder, file, None)) as source:
            while part := source.read(BLOCK):
                if self._stopping.wait(8 * len(part) / rate if rate else 0.0):
                    raise ObjectsUnreachable("the node stops")
                yield part

    async def _remove(self, cold: Cold) -> None:
        before, books = self._trash_before(), self._books
        for one in await asyncio.to_thread(books.trash):
            if not one.places & (COLD | SENDING) or one.at_ns > before:
                continue
            if await books.safely("upload", partial(_remove, cold, books, one.name)) is None:
                return
            await books.commit("upload", partial(_forget, one.name))

    def _cold_bytes(self) -> int:
        return sum(file.size for piece in self._books.pieces for file in piece.files if file.places & COLD)

    def _waiting_bytes(self) -> int:
        return sum(file.size for piece in self._books.pieces if piece.is_sealed for file in unsent(piece))

    def _is_reachable(self) -> int:
        cold = self._books.lake.cold
        return 0 if cold is None or cold.trouble() else 1


def due(pieces: Sequence[Piece], settings: HistorySettings, now_ns: int) -> list[Piece]:
    """Finished pieces that should go now, the oldest days first. Pure."""
    cold = settings.cold
    if cold is None or not _is_time(pieces, settings, cold, now_ns):
        return []
    before = now_ns - round(cold.after * _NS)
    ready = [piece for piece in pieces if piece.is_sealed and unsent(piece) and (piece.day + 1) * DAY_NS <= before]
    return sorted(ready, key=lambda piece: (piece.day, piece.id))


def unsent(piece: Piece) -> list[PieceFile]:
    """Its files that are here only."""
    return [file for file in piece.files if file.places & WARM and not file.places & COLD]


def change(tx: Transaction, old: Piece, new: Piece) -> bool:
    """Say where the piece's files are, in the caller's transaction; False when it has changed meanwhile."""
    if read_pieces(tx.db, "WHERE id = ?", (old.id,)) != [old]:
        return False
    for file in new.files:
        if file not in old.files:
            put_file(tx.db, new.id, file)
    return True


def verify(cold: Cold, file: PieceFile) -> None:
    """Read the object back, every byte of it.

    Raises:
        ObjectsUnreachable: when it isn't what was sent, or can't be read.
    """
    try:
        with closing(cold.copy(file)) as copy:
            while copy.read(BLOCK):
                pass
    except PieceDamaged as error:
        raise ObjectsUnreachable(f"the cold store gives back other bytes than it was sent: {error}") from error


def _remove(cold: Cold, books: Books, name: str) -> bool:
    cold.store.remove(name)
    cold.forget(name)
    forget(books.lake.folder, [name])
    return True


def _forget(name: str, tx: Transaction) -> None:
    empty_trash(tx.db, [name])


def _marked(file: PieceFile, added: int, taken: int) -> PieceFile:
    if not file.places & WARM or file.places & COLD:
        return file
    return replace(file, places=file.places & ~taken | added)


def _is_time(pieces: Sequence[Piece], settings: HistorySettings, cold: ColdSettings, now_ns: int) -> bool:
    if cold.when is None and cold.at is None:
        return True
    only_here = sum(file.size for piece in pieces for file in unsent(piece))
    if cold.when is not None and only_here >= cold.when * settings.quota:
        return True
    return cold.at is not None and _is_inside(cold.at, cold.timezone, now_ns)


def _is_inside(hours: tuple[int, int], timezone: str, now_ns: int) -> bool:
    local = (_EPOCH + timedelta(microseconds=now_ns // 1000)).astimezone(zone(timezone))
    minute, (start, end) = 60 * local.hour + local.minute, hours
    return start <= minute < end if start < end else minute >= start or minute < end
