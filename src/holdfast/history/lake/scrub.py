"""Reads the lake's files again, slowly and for ever; what is damaged is said, and made again from the cold store."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from holdfast.history.errors import PieceDamaged, PieceGone
from holdfast.history.lake.books import Books
from holdfast.history.lake.cold import CHUNK, Cold
from holdfast.history.lake.files import open_checked
from holdfast.history.lake.happenings import HistoryDamageFound, HistoryFileHealed
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.layout import day_name, hidden
from holdfast.journal.notices import file_damaged
from holdfast.journal.pieces import COLD, DAMAGED, WARM, Piece, PieceFile, put_file, read_pieces
from holdfast.journal.snapshot import snapshot
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Telemetry

EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A file on local disk that was read to its end, or to its first damage. what: empty = whole."""

    piece: Piece
    file: PieceFile
    what: str = ""


class Scrub:
    """Verifies some bytes a turn, file after file. `run` is its only task's body."""

    def __init__(self, budget: int, books: Books, clock: Clock, telemetry: Telemetry) -> None:
        """budget: bytes a second; 0 = only files that somebody could not read."""
        self.verified_bytes = self.rounds = 0
        self._budget, self._books, self._clock, self._telemetry = budget, books, clock, telemetry
        self._walk = self._round()
        telemetry.counter(
            "history_scrubbed_bytes", "Bytes of files read again and verified.", lambda: self.verified_bytes
        )

    async def run(self) -> None:
        """Verify for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.turn(round(self._budget * EVERY_S))

    async def turn(self, budget: int) -> None:
        """Verify what is in doubt, then about `budget` bytes of the rest."""
        suspects = set(self._books.lake.suspects)
        if suspects:
            doubtful = [piece for piece in self._books.pieces if any(file.name in suspects for file in piece.files)]
            await self._settle(await asyncio.to_thread(self._judge, doubtful))
            self._books.lake.suspects -= suspects
        if budget:
            await self._settle(await asyncio.to_thread(self._look, budget))

    async def _settle(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            is_marked = bool(verdict.file.places & DAMAGED)
            if verdict.what and not is_marked:
                await self._say(verdict)
            if verdict.what and verdict.file.places & COLD:
                await self._heal(verdict)
            elif not verdict.what and is_marked:  # the disk gave wrong bytes, and now gives the right ones
                await self._mark(verdict, 0)
        if verdicts:
            await self._books.look()

    async def _say(self, verdict: Verdict) -> None:
        """Once: the mark and the event are one transaction."""
        if await self._mark(verdict, DAMAGED):
            file = verdict.file
            self._telemetry.emit(HistoryDamageFound(file=file.name, detail=verdict.what, rows=file.rows))

    async def _mark(self, verdict: Verdict, mark: int) -> bool:
        piece, file, now_ns = verdict.piece, verdict.file, self._clock.wall_ns()
        node, what = self._books.journal.node, verdict.what

        def write(tx: Transaction) -> bool:
            held = read_pieces(tx.db, "WHERE id = ?", (piece.id,))
            now = held[0].file(file.step) if held else None
            if now is None or now.name != file.name or (mark and now.places & mark):
                return False
            put_file(tx.db, piece.id, replace(now, places=now.places & ~DAMAGED | mark))
            if mark:
                event = file_damaged(node, file.name, day_name(piece.day), file.rows, what, now_ns)
                tx.append_events(Lane.CRITICAL, [event])
                tx.count("events_accepted")
            return True

        return await self._books.commit("scrub", write)

    async def _heal(self, verdict: Verdict) -> None:
        lake, file = self._books.lake, verdict.file
        cold = lake.cold
        if cold is None or not await self._books.safely("scrub", lambda: heal(lake, cold, file, self._is_wanted)):
            return
        await self._mark(verdict, 0)
        self._telemetry.emit(HistoryFileHealed(file=file.name))

    def _judge(self, pieces: Sequence[Piece]) -> list[Verdict]:
        return [step for step in self._files(pieces) if isinstance(step, Verdict) and _matters(step)]

    def _look(self, budget: int) -> list[Verdict]:
        found: list[Verdict] = []
        while budget > 0:
            step = next(self._walk, None)
            if step is None:
                self._walk = self._round()
                self.rounds += 1
                return found
            if isinstance(step, int):
                budget -= step
            elif _matters(step):
                found.append(step)
        return found

    def _round(self) -> Iterator[int | Verdict]:
        # The books are looked at when the round begins, after the last one's findings were written into them.
        yield from self._files(self._books.pieces)

    def _files(self, pieces: Sequence[Piece]) -> Iterator[int | Verdict]:
        for piece in pieces:
            for file in piece.files:
                if file.places & WARM:
                    yield from self._file(piece, file)

    def _file(self, piece: Piece, file: PieceFile) -> Iterator[int | Verdict]:
        try:
            for size in blocks(self._books.lake, file):
                self.verified_bytes += size
                yield size
        except PieceGone:
            if self._books.lake.folder.size(file.name) is None and self._is_current(file):
                yield Verdict(piece, file, "the file is gone")
        except (PieceDamaged, OSError) as error:
            yield Verdict(piece, file, getattr(error, "what", str(error)))
        else:
            yield Verdict(piece, file)

    def _is_wanted(self, file: PieceFile) -> bool:
        """Does the catalogue want this file on local disk now? Blocking."""
        with snapshot(self._books.journal) as moment:
            return any(one.name == file.name and one.places & WARM for p in moment.pieces() for one in p.files)

    def _is_current(self, file: PieceFile) -> bool:
        return any(file in piece.files for piece in self._books.pieces)


def blocks(lake: Lake, file: PieceFile) -> Iterator[int]:
    """Read a local file to its end; yields the bytes of each step.

    Raises:
        PieceDamaged, PieceGone, OSError: when it isn't what was written.
    """
    with closing(open_checked(lake.folder, replace(file, places=WARM), None)) as source:
        while part := source.read(CHUNK):
            yield len(part)


def heal(lake: Lake, cold: Cold, file: PieceFile, is_wanted: Callable[[PieceFile], bool]) -> bool:
    """Write the local copy anew from the cold one, whose every block is checked; False when it's not wanted any more.

    It's written under a name of its own, which nobody who shows files takes for the file itself. Its place is taken
    while nobody else changes the folder: a merge in the same day builds the day's directory anew, and a file that has
    gone meanwhile must not come back.

    Raises:
        PieceDamaged, PieceGone, ObjectsUnreachable, StorageError: when it can't be; then nothing is changed here.
    """
    name = f"{hidden(file.name)}.healed"
    target = lake.folder.create(name)
    try:
        with closing(cold.copy(file)) as copy:
            while part := copy.read(CHUNK):
                target.write(part)
        lake.folder.keep(name, target)
        with lake.showing:
            is_healed = is_wanted(file)
            if is_healed:
                lake.folder.rename(name, file.name)
    except BaseException:
        target.close()
        lake.folder.remove(name)
        raise
    if not is_healed:
        lake.folder.remove(name)
    lake.forget(file.name)
    return is_healed


def _matters(verdict: Verdict) -> bool:
    return bool(verdict.what) or bool(verdict.file.places & DAMAGED)
