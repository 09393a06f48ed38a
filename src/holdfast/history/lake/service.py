"""Keeps the site's memory: readings become files, files become fewer, old ones go. The room's only await.

Every step is: make files that nobody sees, commit, show them. It runs on a thread of its own, one step at a time, so a
node's memory holds one step's rows at most; a crash anywhere leaves the catalogue right and some strays, which the
next start removes.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from holdfast.history.lake import compact, letting_go, merge, steps
from holdfast.history.lake.books import Books
from holdfast.history.lake.happenings import (
    HistoryPieceLeft,
    HistoryPiecesMerged,
    HistoryRowsMoved,
    HistoryTidied,
)
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.layout import day_name
from holdfast.history.lake.publish import forget
from holdfast.history.lake.retention import Deed, Step, by_age, by_quota
from holdfast.history.lake.scrub import Scrub
from holdfast.history.lake.sending import Sender
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.workshop import Workshop
from holdfast.journal.journal import Journal
from holdfast.journal.pieces import COLD, HISTORY, LANES, SENDING, Piece, empty_trash
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Telemetry

LOOK_EVERY_S = 2.0
RETAIN_EVERY_S = 60.0
"""At most: whoever has files made every second wants old ones gone soon, too."""
TRASH_S = 120.0
"""A file stays for those who may still read it."""
BYTES_A_ROW = 8
"""What a reading may take as a fresh file, at most, for keeping within the quota."""
MERGE_ROOM = 1.5
"""What a merge may take beside the files it merges: their rows again, and their steps."""
_NS = 10**9


class Keeper:
    """Makes, merges and lets go. `run` is its only task's body."""

    def __init__(
        self,
        settings: HistorySettings,
        journal: Journal,
        lake: Lake,
        workshop: Workshop,
        clock: Clock,
        telemetry: Telemetry,
        *,
        may_take: Callable[[], bool] = lambda: True,
        backed_up_ns: Callable[[], int | None] = lambda: None,
        may_leave: Callable[[Piece], bool] = lambda _piece: True,
    ) -> None:
        """Nothing is touched before `tidy` or `run`.

        may_take: False while times of stored rows may still be set right
        backed_up_ns: when the newest backup was made; None = there are to be none, 0 = there is none yet
        may_leave: False for a piece with readings that have to stay at the site; it's never sent to the cold store
        """
        self.settings, self.lake = settings, lake
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self._may_take, self._backed_up_ns = may_take, backed_up_ns
        self._workshop = workshop
        self._took_at = self._retained_at = clock.monotonic()
        self._books = books = Books(journal, lake, telemetry)
        self.scrub = Scrub(settings.scrub, books, clock, telemetry)
        self.sender: Sender | None = None
        if lake.cold is not None:
            before = partial(self._trash_before, TRASH_S)
            self.sender = Sender(settings, books, clock, telemetry, may_leave=may_leave, trash_before=before)
        telemetry.gauge("history_bytes", "Size of the site's memory on local disk.", lambda: books.local_bytes)
        telemetry.gauge("history_quota_bytes", "What history.quota allows on local disk.", lambda: settings.quota)
        telemetry.gauge("history_pieces", "Files of the site's memory, here and cold.", lambda: len(books.pieces))
        telemetry.gauge(
            "history_readings", "Readings in files, here and cold.", lambda: sum(piece.rows for piece in books.pieces)
        )
        telemetry.gauge("history_waiting_rows", "Rows in the journal that are in no file yet.", self.waiting)
        telemetry.gauge(
            "history_damaged_pieces",
            "Files of the site's memory that can't be read.",
            lambda: sum(map(books.is_doubtful, books.pieces)),
        )

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What the catalogue held at the last look."""
        return self._books.pieces

    @property
    def local_bytes(self) -> int:
        """Bytes of files on the local disk, those that wait to be removed included."""
        return self._books.local_bytes

    def waiting(self) -> int:
        """Rows of the journal that aren't in files yet."""
        journal = self._journal
        return sum(journal.head(lane) - journal.cursor(HISTORY, lane) for lane in LANES)

    async def run(self) -> None:
        """Keep for ever."""
        await self.tidy()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(), name="history keep")
            tasks.create_task(self.scrub.run(), name="history scrub")
            if self.sender is not None:
                tasks.create_task(self.sender.run(), name="history send")

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(min(LOOK_EVERY_S, self.settings.every))
            await self.turn()

    def close(self) -> None:
        """End the process that makes files, and close them. Blocking."""
        self._workshop.rest()
        self.lake.close()

    async def tidy(self) -> None:
        """Put right what a crash left."""
        removed = await self._books.safely("tidy", lambda: steps.put_right(self.lake, self._journal))
        if removed:
            self._telemetry.emit(HistoryTidied(files_removed=removed))
        await self._books.look()

    async def turn(self) -> None:
        """Do what's due."""
        now = self._clock.monotonic()
        if not self._may_take():
            return
        if self.waiting() >= self.settings.rows or now - self._took_at >= self.settings.every:
            self._took_at = now
            await self.take_all()
            await self.merge_due()
        if now - self._retained_at >= min(RETAIN_EVERY_S, 10 * self.settings.every):
            self._retained_at = now
            await self.retain()
        await asyncio.to_thread(self._workshop.rest)

    async def take_all(self) -> None:
        """Make files of all that waits, step by step."""
        while self.waiting():
            before = self._taken()
            await self._make_room(min(self.waiting(), self.settings.rows) * BYTES_A_ROW)
            began = self._clock.monotonic()
            made = await self._books.safely("compact", self._workshop.take)
            if made is None or not await self._books.commit("compact", partial(compact.commit, made=made)):
                return
            await self._show(made.pieces)
            size = sum(piece.size for piece in made.pieces)
            took = round(self._clock.monotonic() - began, 3)
            self._telemetry.emit(HistoryRowsMoved(rows=made.rows, pieces=len(made.pieces), bytes=size, seconds=took))
            if self._taken() == before:  # a damaged group is in the way; the scrub makes it a gap
                return

    def _taken(self) -> int:
        return sum(self._journal.cursor(HISTORY, lane) for lane in Lane)

    async def merge_due(self) -> None:
        """Merge what has become many."""
        whole = [piece for piece in self._books.pieces if not self._books.is_doubtful(piece)]
        for pieces, seals in steps.due_merges(whole, self.settings, self._clock.wall_ns()):
            await self._make_room(round(MERGE_ROOM * sum(piece.size for piece in pieces)))
            await self._merge(pieces, seals=seals)

    async def _merge(self, pieces: Sequence[Piece], *, seals: bool) -> None:
        began = self._clock.monotonic()
        merged = await self._books.safely("merge", lambda: self._workshop.merge(pieces, seals=seals))
        now_ns = self._clock.wall_ns()
        if merged is None or not await self._books.commit("merge", lambda tx: merge.commit(tx, merged, now_ns)):
            return
        await self._show((*merged.old, *merged.new))
        self._telemetry.emit(
            HistoryPiecesMerged(
                day=day_name(pieces[0].day),
                pieces=len(pieces),
                rows=sum(piece.rows for piece in merged.new),
                bytes=sum(piece.size for piece in merged.new),
                seconds=round(self._clock.monotonic() - began, 3),
            )
        )

    async def retain(self) -> None:
        """Let go of what is too old, then of what is too much, then of the trash."""
        for step in list(by_age(self._books.pieces, self.settings, self._clock.wall_ns())):
            await self._let_go(step)
        await self._make_room(0)
        await self._empty_trash(min_age_s=TRASH_S)

    async def _make_room(self, wanted: int) -> None:
        """Stay inside the quota before anything more is written."""
        if self._books.local_bytes + wanted > self.settings.quota and self._books.trash_bytes:
            await self._empty_trash(min_age_s=0.0)
        steps_due = list(by_quota(self._books.pieces, self.settings, wanted + self._books.trash_bytes))
        for step in steps_due:
            await self._let_go(step)
        if steps_due:
            await self._empty_trash(min_age_s=0.0)

    async def _let_go(self, step: Step) -> None:
        ready = await self._books.safely("retain", lambda: self._workshop.prepare(step))
        now_ns = self._clock.wall_ns()
        if ready is None or not await self._books.commit("retain", lambda tx: letting_go.commit(tx, ready, now_ns)):
            return
        await self._show((step.piece,))
        if step.deed is Deed.EVICT:  # an open file would keep its bytes on the disk
            for file in step.files:
                self.lake.forget(file.name)
        rows = sum(file.rows for file in step.files)
        self._telemetry.emit(
            HistoryPieceLeft(
                deed=step.deed.value,
                reason="age" if step.reason == "age" else "disk",
                day=day_name(step.piece.day),
                rows=rows,
                bytes=step.frees,
            )
        )

    async def _empty_trash(self, min_age_s: float) -> None:
        """Remove what nobody may need: with backups, a file outlives the newest one that still names it."""
        before = self._trash_before(min_age_s)
        old = [one for one in await asyncio.to_thread(self._books.trash) if one.at_ns <= before]
        if not old:
            return
        gone = [one.name for one in old]
        for name in gone:
            self.lake.forget(name)
        await self._books.safely("retain", lambda: forget(self.lake.folder, gone))
        only_here = [one.name for one in old if not one.places & (COLD | SENDING)]  # the others are the sender's
        await self._books.commit("retain", lambda tx: empty_trash(tx.db, only_here))
        await self._books.look()

    def _trash_before(self, min_age_s: float) -> int:
        newest = self._backed_up_ns()
        before = self._clock.wall_ns() - round(min_age_s * _NS)
        return before if newest is None else min(before, newest)

    async def _show(self, pieces: Sequence[Piece]) -> None:
        directories = steps.directories_of(pieces)
        await self._books.safely("tidy", lambda: steps.show(self.lake, self._journal, directories))
        await self._books.look()
