"""What nobody is told of for a while: silences that people make, and works that are planned.

Both hold back what channels have to tell. Dispatches name what holds them by a number: a silence by its own, works by
theirs below zero.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from holdfast.journal import alerts, dispatches, maintenance
from holdfast.journal.alerts import Silence
from holdfast.journal.journal import Journal
from holdfast.journal.maintenance import Planned
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import Clock
from holdfast.model.event import Event
from holdfast.notify.checks import require_text
from holdfast.notify.choosing import Silencer
from holdfast.notify.errors import MaintenanceUnknown, NotifyBusy, RequestInvalid, SilenceUnknown
from holdfast.notify.filters import Filter, LabelsOf, no_labels
from holdfast.notify.happenings import MaintenanceChanged, SilenceChanged
from holdfast.notify.hours import Hours, require
from holdfast.notify.planned import MaintenanceSettings, Works
from holdfast.notify.ports import Also, nothing
from holdfast.telemetry.happenings import Telemetry

MOST = 1_000
"""Silences that last, and works that are planned: each is asked of every alert that is to be told."""
_KEEP = 10_000


class Quieting:
    """Silences and planned works of one node. Loop thread only, but for `works_at`."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        turn: asyncio.Lock,
        declared: Mapping[str, MaintenanceSettings],
        labels_of: LabelsOf = no_labels,
    ) -> None:
        """turn: held while dispatches change their state; declared: in node.yaml."""
        self._journal, self._clock, self._telemetry, self._turn = journal, clock, telemetry, turn
        self._declared, self._labels_of = declared, labels_of
        self._silences: tuple[Silencer, ...] = ()
        self._works: tuple[Works, ...] = ()
        self.wake: Callable[[], None] = lambda: None
        """Called when something isn't held back any more."""
        telemetry.gauge("silences", "Silences that last.", lambda: self._lasting_silences(clock.wall_ns()))
        telemetry.gauge("maintenance", "Planned works under way.", lambda: self._works_under_way(clock.wall_ns()))

    async def start(self) -> None:
        """Take up what an earlier life left, and what node.yaml says now."""
        now_ns = self._clock.wall_ns()
        wanted = [one.planned(name, now_ns) for name, one in self._declared.items()]

        def write(tx: Transaction) -> None:
            for number in maintenance.declare(tx, wanted, now_ns):
                dispatches.let_go(tx, -number, now_ns)
            maintenance.forget(tx, _KEEP)

        await self._journal.submit(write)
        await self._read()

    def lasting(self, now_ns: int) -> tuple[Silencer, ...]:
        """What holds alerts back now."""
        silences = (one for one in self._silences if one.until_ns > now_ns)
        works = ((one, one.now(now_ns)) for one in self._works)
        spans = (Silencer(-one.planned.id, span[1], one.means) for one, span in works if span is not None)
        return *silences, *spans

    def works_at(self, event: Event, now_ns: int) -> int:
        """The number of the works during which an alert is raised, 0 = none. Any thread."""
        found = (one for one in self._works if one.now(now_ns) is not None and one.means(event))
        return next((one.planned.id for one in found), 0)

    def is_quiet(self, event: Event, now_ns: int) -> bool:
        """Is an alert held back now? Any thread."""
        return any(one.means(event) for one in self.lasting(now_ns))

    async def silence(self, match: Filter, until_ns: int, by: str, why: str, also: Also = nothing) -> Silence:
        """Have nobody told of some alerts until a time. Returns when it's on disk. also: written in the same commit.

        Raises:
            RequestInvalid, NotifyBusy: nothing changed.
        """
        require_text("by", by)
        require_text("why", why)
        now_ns = self._clock.wall_ns()
        if until_ns <= now_ns:
            raise RequestInvalid("a silence that ends in the past silences nothing", "name a later time, or `for: 2h`")
        self._require_room(len(self._silences))
        new = Silence(0, msgspec.json.encode(match).decode(), by, why, now_ns, until_ns)

        def write(tx: Transaction) -> int:
            number = alerts.silence(tx, new)
            also(tx)
            return number

        async with self._turn:
            number = await asyncio.shield(self._journal.submit(write))
            await self._read()
        self._telemetry.emit(SilenceChanged(number, "made", by, why))
        return replace(new, id=number)

    async def unsilence(self, number: int, also: Also = nothing) -> None:
        """Take a silence back: what it held is told now, if it's still worth telling.

        Raises:
            SilenceUnknown, NotifyBusy: nothing changed.
        """
        self._require_journal()
        now_ns = self._clock.wall_ns()

        def write(tx: Transaction) -> bool:
            is_gone = alerts.unsilence(tx, number, now_ns)
            if is_gone:
                dispatches.let_go(tx, number, now_ns)
                also(tx)
            return is_gone

        async with self._turn:
            is_gone = await asyncio.shield(self._journal.submit(write))
            await self._read()
        if not is_gone:
            raise SilenceUnknown(f"there is no silence {number} that lasts")
        self._telemetry.emit(SilenceChanged(number, "taken back", "", ""))
        self.wake()

    async def plan(self, match: Filter, from_ns: int, to_ns: int, hours: Hours | None, by: str, why: str) -> Planned:
        """Plan works. hours: they come again and again, from `from_ns` until `to_ns` (0 = for ever).

        Raises:
            RequestInvalid, NotifyBusy: nothing changed.
        """
        require_text("by", by)
        require_text("why", why)
        now_ns = self._clock.wall_ns()
        _require_span(from_ns, to_ns, hours, now_ns)
        self._require_room(len(self._works))
        when = "" if hours is None else msgspec.json.encode(hours).decode()
        new = Planned(0, "", msgspec.json.encode(match).decode(), when, from_ns, to_ns, by, why, now_ns)
        async with self._turn:
            number = await asyncio.shield(self._journal.submit(lambda tx: maintenance.plan(tx, new)))
            await self._read()
        self._telemetry.emit(MaintenanceChanged(number, "planned", by, why))
        return replace(new, id=number)

    async def end(self, number: int) -> None:
        """End works, or don't begin them: what they held is told now, if it's still worth telling.

        Raises:
            MaintenanceUnknown, RequestInvalid, NotifyBusy: nothing changed.
        """
        self._require_journal()
        now_ns = self._clock.wall_ns()
        found = await asyncio.to_thread(self._journal.look, lambda db: maintenance.find(db, number))
        if found is None or found.gone_ns or Works.of(found).next(now_ns) is None:
            raise MaintenanceUnknown(f"there is no maintenance window {number} that isn't over")
        if found.name:
            raise RequestInvalid(
                f"window {number} is `maintenance.{found.name}` of node.yaml", "take it out there, and restart the node"
            )

        def write(tx: Transaction) -> None:
            maintenance.end(tx, number, now_ns)
            dispatches.let_go(tx, -number, now_ns)

        async with self._turn:
            await asyncio.shield(self._journal.submit(write))
            await self._read()
        self._telemetry.emit(MaintenanceChanged(number, "ended", "", ""))
        self.wake()

    async def _read(self) -> None:
        now_ns = self._clock.wall_ns()
        silences, planned = await asyncio.to_thread(
            self._journal.look, lambda db: (alerts.silences(db, now_ns), maintenance.page(db, now_ns))
        )
        self._silences = tuple(
            Silencer(one.id, one.until_ns, filter_of(one).compiled(self._labels_of)) for one in silences
        )
        self._works = tuple(Works.of(one, self._labels_of) for one in planned)

    def _lasting_silences(self, now_ns: int) -> int:
        return sum(one.until_ns > now_ns for one in self._silences)

    def _works_under_way(self, now_ns: int) -> int:
        return sum(one.now(now_ns) is not None for one in self._works)

    def _require_journal(self) -> None:
        if self._journal.condition is not Condition.OK:
            raise NotifyBusy(f"the journal is {self._journal.condition.value}")

    def _require_room(self, there: int) -> None:
        self._require_journal()
        if there >= MOST:
            raise RequestInvalid(f"there are {there} already", "end some: each is asked of every alert")


def filter_of(one: Silence) -> Filter:
    """What a stored silence silences."""
    return msgspec.json.decode(one.match, type=Filter)


def _require_span(from_ns: int, to_ns: int, hours: Hours | None, now_ns: int) -> None:
    if hours is not None:
        try:
            require(hours)
        except ValueError as error:
            raise RequestInvalid("`hours` can't be", str(error)) from error
    elif not to_ns:
        raise RequestInvalid("works that come once have an end", "name `to`, or `hours` for what comes again")
    if to_ns and to_ns <= max(now_ns, from_ns):
        raise RequestInvalid("works that end before they begin, or in the past, hold nothing", "name a later `to`")
