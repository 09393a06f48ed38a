"""Keeps a node's time honest: watches the clock, remembers it in the journal, mends rows once the clock is set.

Order of a restamp: the uplink is held from the moment a step is seen (`may_sync`), the kernel gets a while to confirm,
what had arrived before is stored, calls under way end; then one transaction moves the rows, begins or ends the doubt
and stores the event. A node that dies in between finds the doubt in its journal, and does it again from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from holdfast.intake.service import IntakeService
from holdfast.journal.journal import Journal
from holdfast.journal.restamp import Restamped
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.trust import PROGRAM_MADE_NS, Anchor, ClockWatch, Doubt, Step, Trust
from holdfast.model.lane import Lane
from holdfast.node import clock_record
from holdfast.node.clock_record import META, Move, Now
from holdfast.node.clock_settings import ClockSettings
from holdfast.node.happenings import ClockRestamped, ClockStepped
from holdfast.node.house_clock import HouseClock
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows, state_of

LOOK_EVERY_S = 1.0
RECORD_EVERY_NS = 60 * NS_PER_S
CONFIRM_NS = 10 * NS_PER_S
SAY_EVERY_NS = 60 * NS_PER_S
CONSUMER = "uplink"
Synchronised = Callable[[], bool | None]


async def _at_once() -> None:
    """Nothing is under way."""


_TRUST = "1 for what the wall clock is taken for: trusted, free-running or unset."


class Timekeeper:
    """Owns the watch and the house clock. Loop thread only, but for the clock."""

    def __init__(
        self,
        settings: ClockSettings,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        synchronised: Synchronised,
        *,
        has_parent: bool,
    ) -> None:
        """Look at the clock for the first time; a doubt is recorded before any row that may be subject to it."""
        self._settings, self._journal, self._telemetry = settings, journal, telemetry
        self._synchronised = synchronised
        stored = clock_record.read(journal.meta(META))
        same_boot = bool(stored.boot_id) and stored.boot_id == clock.boot_id()
        doubt = stored.doubt if same_boot else None
        if doubt is not None and doubt.trust is not Trust.UNSET and has_parent:
            doubt = None  # what the last process offered isn't known; its rows stay as they are
        floor_ns = PROGRAM_MADE_NS if settings.floor is None else max(PROGRAM_MADE_NS, settings.floor_ns)
        resumed = None if doubt is None else Anchor(doubt.trust, doubt.offset_ns)
        newest_ns = 0 if same_boot and doubt is None else stored.newest_ns
        step_ns, settle_ns = round(settings.step * NS_PER_S), round(settings.settle * NS_PER_S)
        self.watch = ClockWatch(step_ns, settle_ns, floor_ns, newest_ns, resumed)
        self.clock = HouseClock(clock, self.watch)
        self.synchronised: bool | None = None
        self.last_move: Restamped | None = None
        self._everything_stored: Callable[[], Awaitable[None]] = _at_once
        self._offered: Callable[[], Mapping[Lane, int] | None] = dict
        self._hold: Callable[[], Awaitable[None]] = _at_once
        self._release: Callable[[], Awaitable[None]] = _at_once
        self._jump_listeners: list[Callable[[Step], None]] = []
        self._step_listeners: list[Callable[[], None]] = []
        self._look_listeners: list[Callable[[int], None]] = []
        self._pending: Step | None = None
        self._pending_since_ns = 0
        self._recorded_ns = self._said_ns = -SAY_EVERY_NS
        self._unsaid = 0
        self._look()
        # A step that happened while no process looked ends the doubt that the last one recorded.
        self._is_doubted = self._in_doubt() or (resumed is not None and self.clock.has_stepped)
        if resumed is None or not self._is_doubted:
            journal.submit(clock_record.beginning(self._now(), in_doubt=self._is_doubted))
        telemetry.table("gauge", "clock_trust", _TRUST, ("trust",), self._trusts)

    def _trusts(self) -> Rows:
        return state_of(self.watch.trust.value, [trust.value for trust in Trust])

    def attach(
        self,
        everything_stored: Callable[[], Awaitable[None]],
        offered: Callable[[], Mapping[Lane, int] | None] | None = None,
    ) -> None:
        """What a restamp must wait for.

        everything_stored: ends when all that arrived before its call is committed
        offered:           how far each lane may have left this node; None = calls are under way, ask again
        """
        self._everything_stored = everything_stored
        if offered is not None:
            self._offered = offered

    def hold_through(self, hold: Callable[[], Awaitable[None]], release: Callable[[], Awaitable[None]]) -> None:
        """Wait for `hold` before rows move, and for `release` after."""
        self._hold, self._release = hold, release

    def on_jump(self, callback: Callable[[Step], None]) -> None:
        """Call back on the loop with each step."""
        self._jump_listeners.append(callback)

    def on_step(self, callback: Callable[[], None]) -> None:
        """Call back on the loop after each step."""
        self._step_listeners.append(callback)

    def on_look(self, callback: Callable[[int], None]) -> None:
        """Call back on the loop about once a second with the boot time, ns."""
        self._look_listeners.append(callback)

    def doubt(self) -> Doubt:
        """Which stamps of arrivals are doubtful now."""
        return self.watch.doubt

    def may_sync(self) -> bool:
        """May rows leave this node? Not while they may yet be moved."""
        if not self._settings.restamp:
            return True
        return not (self.is_unset or self._pending is not None or self.clock.has_stepped)

    @property
    def is_unset(self) -> bool:
        """Is the wall clock not to be believed?"""
        return self.watch.trust is Trust.UNSET

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            await self.once()
            await asyncio.sleep(LOOK_EVERY_S)

    async def once(self) -> None:
        """Look at the clock, and do what is due."""
        self._look()
        for step in self.clock.take_steps():
            await self._take(step)
        boot_ns = self.clock.boottime_ns()
        for callback in self._look_listeners:
            callback(boot_ns)
        if self._pending is not None:
            if self.watch.trust is Trust.TRUSTED or boot_ns - self._pending_since_ns >= CONFIRM_NS:
                await self._move(self._pending)
        elif self._in_doubt() != self._is_doubted:
            self._is_doubted = self._in_doubt()
            await self._journal.submit(clock_record.beginning(self._now(), in_doubt=self._is_doubted))
        elif boot_ns - self._recorded_ns >= RECORD_EVERY_NS:
            self._recorded_ns = boot_ns
            await self._journal.submit(clock_record.recording(self._now()))

    def _look(self) -> None:
        self.synchronised = self._synchronised()
        self.clock.look(self.synchronised)

    def _in_doubt(self) -> bool:
        return self.is_unset or (self.watch.trust is Trust.FREE and bool(self.watch.doubt.unverified_before))

    async def _take(self, step: Step) -> None:
        self._telemetry.emit(ClockStepped(step_s=step.offset_ns / NS_PER_S, was=step.was.value, trust=step.trust.value))
        self.last_move = None
        for tell in self._jump_listeners:
            tell(step)
        for callback in self._step_listeners:
            callback()
        if self._pending is not None:
            first = self._pending
            before = step.boot_ns + first.before_ns - first.boot_ns
            self._pending = Step(first.was, step.trust, before, step.after_ns, step.boot_ns)
        elif self._is_doubted and (step.was is Trust.UNSET or step.offset_ns > 0) and step.trust is not Trust.UNSET:
            self._pending, self._pending_since_ns = step, step.boot_ns
        else:
            await self._say(step)

    async def _say(self, step: Step) -> None:
        """A step that moves no rows: at most one event a minute, which tells how many there were."""
        self._unsaid += 1
        self._is_doubted = self._in_doubt()
        if step.boot_ns - self._said_ns < SAY_EVERY_NS:
            await self._journal.submit(clock_record.beginning(self._now(), in_doubt=self._is_doubted))
            return
        self._said_ns = step.boot_ns
        move = Move(self._journal.node, step, self._now(), in_doubt=self._is_doubted, unsaid=self._unsaid)
        self._unsaid = 0
        await self._journal.submit(clock_record.moving(move, CONSUMER))

    async def _move(self, step: Step) -> None:
        await self._everything_stored()
        offered = self._offered()
        if offered is None:
            return
        in_doubt = self._in_doubt()
        move = Move(
            node=self._journal.node,
            step=step,
            now=self._now(),
            offered=offered,
            max_rows=self._settings.restamp_rows if self._settings.restamp else 0,
            in_doubt=in_doubt,
            unsaid=1,
        )
        await self._hold()
        try:
            done = await self._journal.submit(clock_record.moving(move, CONSUMER))
        finally:
            await self._release()
        self._pending, self._is_doubted, self.last_move = None, in_doubt, done
        self.watch.settled()
        self._telemetry.emit(
            ClockRestamped(
                rows=sum(done.rows.values()),
                left_alone="; ".join(f"lane {int(lane)}: {why}" for lane, why in done.skipped.items()),
            )
        )

    def _now(self) -> Now:
        boot_ns = self.clock.boottime_ns()
        confirmed = bool(self.synchronised) and not self.is_unset
        return Now(self.clock.boot_id(), boot_ns + self.watch.offset_ns, boot_ns, self.watch.trust, confirmed)


def keep_time(keeper: Timekeeper, intake: IntakeService) -> None:
    """Have the rules follow when the clock is set."""
    keeper.attach(intake.everything_stored, None)
    keeper.hold_through(intake.hold, intake.release)
    jumped = intake.clock_set
    # Heard by the timeline that has ended: from this boot on, which is where it began, to its last moment.
    keeper.on_jump(lambda step: jumped(step.offset_ns, step.before_ns - step.boot_ns, step.before_ns))
