"""Keeps the journal inside its quota: what the parent holds goes first, then by value and age (DESIGN §5)."""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Literal

from holdfast.journal import filtered
from holdfast.journal.journal import Journal
from holdfast.journal.notices import wal_damaged
from holdfast.journal.parent import CONSUMER, SAFE
from holdfast.journal.pieces import HISTORY
from holdfast.journal.relief import Delivered, Freed, Level, expire, level_of, relieve
from holdfast.journal.state import Draft
from holdfast.journal.store import Store
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.node.foreign import held_back
from holdfast.node.happenings import (
    JournalDamageFound,
    JournalLevelChanged,
    JournalRekeyed,
    JournalRelieved,
    JournalRescued,
    JournalWalLarge,
)
from holdfast.node.scrub import Scrub
from holdfast.routes.service import Route
from holdfast.storage.ballast import Ballast
from holdfast.storage.errors import DiskFull
from holdfast.storage.space import Checkpointed, bound_growth, checkpoint, reclaim
from holdfast.storage.sqlite import WAL_LIMIT_BYTES
from holdfast.telemetry.happenings import Telemetry

EVERY_S = 2.0
RECLAIM_FROM_BYTES, RECLAIM_FROM_SHARE = 64_000_000, 0.25
RECLAIM_PAGES = 2_000
NAMES: dict[Level, Literal["green", "yellow", "orange", "red"]] = {
    Level.GREEN: "green",
    Level.YELLOW: "yellow",
    Level.ORANGE: "orange",
    Level.RED: "red",
}


class Upkeep:
    """Looks after the journal's space. `run` is its only task's body."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        *,
        has_parent: bool = True,
        has_files: bool = False,
        routes: Sequence[Route] = (),
    ) -> None:
        """has_files: readings become files (`history`), so the journal needn't keep what is in one."""
        self._routes = routes
        self._has_parent, self._has_files = has_parent, has_files
        self.level = Level.GREEN
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._settings = journal.settings
        self._ballast = Ballast(journal.folder / "ballast", journal.settings.ballast)
        self._emptied_at: Draft | None = None
        self._scrub = Scrub(journal, clock, telemetry)
        journal.on_full(self._relieve_now)
        self._is_wal_large = False
        # What the writer thread freed; told at the next look. Bounded by what can be freed in between.
        self._freed_at_once: deque[Freed] = deque()
        telemetry.gauge(
            "journal_level",
            "How scarce room in the journal is: 0 green, 1 yellow, 2 orange, 3 red.",
            lambda: int(self.level),
        )
        telemetry.gauge("journal_used_bytes", "What counts against journal.quota.", journal.used_bytes, slow=True)
        telemetry.gauge("journal_quota_bytes", "What journal.quota allows.", lambda: journal.settings.quota)
        telemetry.gauge("journal_wal_bytes", "Size of the write-ahead log on disk.", journal.wal_bytes)

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        await asyncio.to_thread(self._ballast.hold)
        while True:
            await self._rest()
            self._journal.require_in_place()
            await self.once()
            await self._reclaim()
            self._watch_wal()
            if self._journal.condition is Condition.OK:
                await asyncio.to_thread(self._ballast.hold)

    async def _rest(self) -> None:
        """Until the next look; the time of the scrub."""
        until = self._clock.monotonic() + EVERY_S
        if self._settings.scrub and self._journal.condition is Condition.OK:
            await self._scrub.turn(round(self._settings.scrub * EVERY_S), EVERY_S)
        await asyncio.sleep(max(0.0, until - self._clock.monotonic()))

    async def _reclaim(self) -> None:
        """Give free pages back to the filesystem once there are many; each moves a page, so not at every turn."""
        used = await asyncio.to_thread(self._journal.used_bytes)
        free = await asyncio.to_thread(self._journal.free_bytes)
        if free > max(RECLAIM_FROM_BYTES, used * RECLAIM_FROM_SHARE):
            await self._journal.submit(lambda tx: reclaim(tx.db, RECLAIM_PAGES))

    def _watch_wal(self) -> None:
        """A WAL past its bound means that somebody reads for so long that no checkpoint gets through."""
        size = self._journal.wal_bytes()
        is_large = size > 2 * WAL_LIMIT_BYTES
        if is_large and not self._is_wal_large:
            self._telemetry.emit(JournalWalLarge(wal_bytes=size))
        self._is_wal_large = is_large

    async def once(self) -> Freed:
        """Expire by age, then free space until below the first level or nothing may go."""
        freed = Freed()
        while self._freed_at_once:
            freed += self._freed_at_once.popleft()
        if any(lane.max_age for lane in (self._settings.bulk, self._settings.normal, self._settings.stay)):
            freed += await self._repeat(expire_with=True)
        freed += await self._repeat(expire_with=False)
        if freed:
            used = await asyncio.to_thread(self._journal.used_bytes)
            self._telemetry.emit(JournalRelieved(dropped_rows=freed.dropped, shed_rows=freed.shed, used_bytes=used))
        return freed

    async def _repeat(self, *, expire_with: bool) -> Freed:
        total = Freed()
        while True:
            level = await self._look()
            if not expire_with and level is Level.GREEN:
                return total
            now_ns, delivered, settings = self._clock.wall_ns(), self._delivered(), self._settings
            step = expire if expire_with else partial(relieve, level=level)
            freed = await self._journal.submit(partial(step, settings=settings, delivered=delivered, now_ns=now_ns))
            total += freed
            if not freed:
                return total

    async def _look(self) -> Level:
        level = level_of(await asyncio.to_thread(self._journal.used_bytes), self._settings)
        if level is not self.level:
            self.level = level
            self._telemetry.emit(JournalLevelChanged(now=NAMES[level]))
        return level

    def _delivered(self) -> Delivered:
        is_end = not self._has_parent and not self._has_files
        return held_back(self._by_parent_and_files(), self._routes, is_end=is_end)

    def _by_parent_and_files(self) -> Delivered:
        journal = self._journal
        filed = {lane: journal.cursor(HISTORY, lane) for lane in Lane}
        if self._has_files and not self._has_parent:  # other lanes hold events, too, which aren't in files
            only_bulk = {lane: filed[lane] if lane in (Lane.BULK, Lane.LOCAL) else 0 for lane in Lane}
            return Delivered(only_bulk, only_bulk, is_top=True)
        applied = {lane: journal.cursor(CONSUMER, lane) for lane in Lane}
        safe = {lane: journal.cursor(SAFE, lane) for lane in Lane}
        if self._has_files:  # under more pressure what the parent holds goes, in files here or not
            safe = {lane: min(safe[lane], filed[lane]) for lane in Lane}
            # What a filter keeps from the parent is held in files: it waits for nobody's ack.
            applied[Lane.LOCAL] = min(filed[Lane.LOCAL], journal.cursor(filtered.CONSUMER, Lane.LOCAL))
            safe[Lane.LOCAL] = min(filed[Lane.LOCAL], journal.cursor(filtered.RELEASED, Lane.LOCAL))
        return Delivered(applied, safe, is_top=not self._has_parent)

    def _relieve_now(self, store: Store) -> bool:
        """A commit found no room: make some, in the WAL first, then among the rows. Writer thread.

        Freeing rows takes room in the WAL, which is used anew from its start only once all of it has been moved into
        the main file. Where that has to grow for it, the reserve gives the room; and from then on the file grows no
        further than the disk has room for, so that the WAL can always be emptied and freed pages are used instead.
        """
        done = _empty_wal(store)
        if done is None and self._ballast.release():
            done = _empty_wal(store)
        if done is not None and done.busy:
            return False  # a reader is in the way: soon again
        if done is not None:
            may_grow = bound_growth(store.db, store.access.path, self._settings.quota)
            if may_grow or store.state is not self._emptied_at:  # else that was done since the last commit
                self._emptied_at = store.state
                return True
        return self._shed_now(store)

    def _shed_now(self, store: Store) -> bool:
        now_ns, delivered = self._clock.wall_ns(), self._delivered()
        try:
            (outcome,) = store.commit([lambda tx: relieve(tx, Level.RED, self._settings, delivered, now_ns)])
        except DiskFull:  # the disk itself is full: even deleting needs room in the WAL
            store.roll_back()
            return self._ballast.release()
        if outcome.error is not None:
            raise outcome.error
        if outcome.result:
            self._freed_at_once.append(outcome.result)
        return bool(outcome.result) or self._ballast.release()


def _empty_wal(store: Store) -> Checkpointed | None:
    """Move all of the WAL into the main file, so that it begins anew; None when there is no room for that."""
    try:
        return checkpoint(store.db, "restart")
    except DiskFull:
        return None


async def report_found(journal: Journal, clock: Clock, telemetry: Telemetry) -> None:
    """Tell what opening the journal found: to the log, and as an event to whoever watches."""
    found = journal.found
    if found.rescued:
        telemetry.emit(JournalRescued())
    if found.rekeyed:
        telemetry.emit(JournalRekeyed())
    if found.lost_transactions:
        event = wal_damaged(journal.node, found.lost_transactions, clock.wall_ns())

        def write(tx: Transaction) -> None:
            tx.append_events(Lane.CRITICAL, [event])
            tx.count("events_accepted")

        await journal.submit(write)
        telemetry.emit(JournalDamageFound(detail=event.message, rows=0))
