"""The registry at work: asked by the decoder, fed with decoded batches, stored every few seconds. Loop thread only.

What a crash may take: counts of the last `store_every`, and of what was learned (intervals, hours of the refused share)
the last `LEARNED_EVERY_S`. A device itself is never lost: series that are stored under a name nobody has are a device.
Changes by people are on disk when they are answered.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.decoder import Decoded
from holdfast.codecs.devices import Ruling
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.times import NOT_TOLD
from holdfast.devices.beats import NEVER, Gap
from holdfast.devices.errors import DeviceUnknown
from holdfast.devices.happenings import (
    DeviceChanged,
    DevicesFound,
    DevicesNotFollowed,
    DevicesOverBudget,
    DevicesReturned,
    DevicesWentSilent,
)
from holdfast.devices.health import State, overlap_ns, states
from holdfast.devices.known import Known
from holdfast.devices.learned import pack
from holdfast.devices.origins import Heard, Origins
from holdfast.devices.roster import Change, Maker, Roster
from holdfast.devices.settings import DevicesSettings
from holdfast.devices.tally import Fate, Seen
from holdfast.journal import devices as rows
from holdfast.journal.devices import DeviceRow, GapRow
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.model.batch import Batch
from holdfast.telemetry.happenings import Telemetry

TURN_S = 1.0
LEARNED_EVERY_S = 300.0
_PILE, _PILE_BATCHES = 1024, 64  # worked up in a millisecond: while that's done an alert waits
_NAMED = 5
_UNJUDGED = 255
_BUDGET_FROM = 20
"""Messages of a day from which a share means something."""

Runs = Sequence[tuple[int, int]]
"""(messages, time of receipt in ns UTC) of each run of a decoded batch."""


class DeviceService:
    """The devices of one node."""

    def __init__(self, settings: DevicesSettings, journal: Journal, clock: Clock, telemetry: Telemetry) -> None:
        """Read what is stored. Blocking."""
        self.settings = settings
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self.started_boot = clock.boottime_ns()
        self.known = known = Known(settings, rows.stored(journal), clock.wall_ns(), self.started_boot)
        self.roster, self.tally, self.beats = known.roster, known.tally, known.beats
        self.origins = Origins()
        self._number_of = np.zeros(0, np.int32)
        self._pile: list[tuple[Decoded, NDArray[np.bool_], Runs]] = []
        self._piled = 0
        self._gaps: list[GapRow] = []
        self._fills: dict[int, dict[int, int]] = {}
        self._changing = asyncio.Lock()
        self._on_change: list[Callable[[], None]] = []
        self._on_news: list[Callable[[set[str]], None]] = []
        self._news: set[str] = set()
        self._states = np.zeros(0, np.uint8)
        self._over = np.zeros(0, np.bool_)
        self._stored_at = self._learned_at = clock.monotonic()
        self._has_said_overflow = False
        self._know_stored_series(clock.wall_ns())
        known.make_room()
        self._states = self._look()
        for state in State:
            telemetry.gauge("devices", "Devices by how they are.", partial(self.total, state), state=state.name.lower())

    def _know_stored_series(self, now_ns: int) -> None:
        """Devices that have series here but no row: stored by an earlier program, or just before a crash."""
        catalogue = self._journal.catalogue
        own = [i for i, (node, _) in enumerate(catalogue.device_names) if node == self._journal.node]
        read = np.ones(len(catalogue), np.bool_)
        read[[i for i in catalogue.made if i < len(read)]] = False  # pseudonyms are no devices
        for device in np.intersect1d(own, catalogue.device_of[read]).tolist():
            self.roster.know(catalogue.device_names[device][1], now_ns)

    # For the decoder and intake

    def ruling(self, hardware: str) -> Ruling:
        """`codecs.devices.Registry` of the hot path: discovers."""
        return self.roster.ruling(hardware, self._clock.wall_ns())

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back when rulings have changed."""
        self._on_change.append(callback)

    def on_news(self, callback: Callable[[set[str]], None]) -> None:
        """Call back at the end of a turn with the names of devices that are otherwise than before, or gone."""
        self._on_news.append(callback)

    def offer(self, decoded: Decoded, fresh: NDArray[np.bool_], runs: Runs) -> None:
        """Take a batch's messages; cheap. fresh: shape (messages,), False for repeats."""
        self._pile.append((decoded, fresh, runs))
        self._piled += len(decoded.keys)
        if self._piled >= _PILE or len(self._pile) >= _PILE_BATCHES:
            self.work_up()

    def heard(self, devices: NDArray[np.int32], runs: Sequence[Heard]) -> None:
        """Take where messages came from; cheap. See `Origins.heard`."""
        self.origins.heard(devices, runs)

    def stored_late(self, batch: Batch) -> None:
        """Readings of refused messages that were stored after all."""
        self.known.make_room()
        self._count_readings(batch.series)

    def work_up(self) -> None:
        """Count what was offered."""
        pile, self._pile, self._piled = self._pile, [], 0
        if not pile:
            return
        self.known.make_room()
        seen = _seen(pile)
        if len(seen.device):
            self.tally.take(seen, self._clock.boottime_ns())
            gaps, late = self.beats.take(seen)
            self._gaps += [self._judged(gap) for gap in gaps]
            self._changed(gap.device for gap in gaps)
            self.known.with_gaps.update(gap.device for gap in gaps)
            self._fill(late)
        self._count_readings(_readings(pile))

    def _count_readings(self, series: NDArray[np.int32]) -> None:
        """Count readings for the devices of their series."""
        names, own = self._journal.catalogue.device_names, self._journal.node
        if len(self._number_of) < len(names):
            new = [self.roster.number_of(name) if node == own else -1 for node, name in names[len(self._number_of) :]]
            self._number_of = np.append(self._number_of, np.array(new, np.int32))
        numbers = self._number_of[self._journal.catalogue.device_of[series]]
        self.tally.add_readings(numbers[numbers >= 0])

    def _changed(self, devices: Iterable[int]) -> None:
        self._news.update(row.name for row in map(self.roster.row, devices) if row is not None)

    def _judged(self, gap: Gap) -> GapRow:
        down_ns = overlap_ns(gap.from_ns, gap.to_ns, self.known.down)
        return GapRow(0, gap.device, gap.from_ns, gap.to_ns, gap.missing, 0, down_ns)

    def _fill(self, late: Seen) -> None:
        """Messages that are older than others of their device: do they fill a gap? Only asked where there are gaps."""
        for device, told in zip(late.device.tolist(), late.told.tolist(), strict=True):
            if device in self.known.with_gaps:
                times = self._fills.setdefault(device, {})
                times[told] = times.get(told, 0) + 1

    # For the node

    async def run(self) -> None:
        """Look and store, for ever."""
        storing: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(TURN_S)
            if storing is not None and storing.done():
                storing.result()
                storing = None
            if self.turn() and storing is None:  # a full disk holds a commit up, and must not hide who is silent
                storing = asyncio.create_task(self.store())

    def turn(self) -> bool:
        """Look at the devices once; is it time to store?"""
        self.work_up()
        self.known.make_room()
        self.tally.turn(self._clock.wall_ns(), self._clock.boottime_ns())
        self._say_changes()
        if self._news and self._on_news:
            news, self._news = self._news, set()
            for callback in self._on_news:
                callback(news)
        is_due = self._clock.monotonic() - self._stored_at >= self.settings.store_every
        return is_due or bool(self.roster.found)

    async def store(self, *, everything: bool = False) -> None:
        """Store what changed since the last call; `everything`: also what was learned, at once."""
        async with self._changing:
            self.work_up()
            now, wall_ns = self._clock.monotonic(), self._clock.wall_ns()
            self._stored_at = now
            found, counts = self.roster.take_found(), self.tally.take_changed()
            gaps, self._gaps = self._gaps, []
            fills, self._fills = self._fills, {}
            learned: list[tuple[int, bytes]] = []
            if everything or now - self._learned_at >= LEARNED_EVERY_S:
                self._learned_at = now
                learned = [(d, self._packed(d)) for d in self.beats.take_changed() if self.roster.row(d)]
            if found or counts or gaps or learned or fills:
                counts = [self._with_beat(one) for one in counts if self.roster.row(one.device)]

                def write(tx: Transaction) -> None:
                    rows.write_devices(tx, found)
                    rows.write_counts(tx, counts, wall_ns)
                    rows.write_learned(tx, learned, wall_ns)
                    rows.write_down(tx, self.known.down)
                    if gaps:
                        rows.add_gaps(tx, gaps)
                    for device, times in fills.items():
                        rows.fill_gaps(tx, device, list(times.items()))

                await self._journal.submit(write)
        self._say_found(found)

    def _with_beat(self, counts: rows.CountsRow) -> rows.CountsRow:
        last = self.beats.last(counts.device)
        return counts._replace(beat_ns=0 if last == NEVER else last)

    def _packed(self, device: int) -> bytes:
        return pack(*self.tally.hours(device), self.beats.state(device))

    def clock_stepped(self) -> None:
        """The wall clock was set."""
        self.work_up()
        self.beats.forget_times()

    # For people

    async def accept(self, names: Sequence[str]) -> list[Change]:
        """Take these devices' messages; patterns choose among those that are known.

        Raises:
            DeviceError: nothing has changed. So with the others.
        """
        now = self._clock.wall_ns()
        return await self._change(
            [partial(Roster.accept, name=name, now_ns=now) for name in self._chosen(names)], "accepted"
        )

    async def retire(self, names: Sequence[str]) -> list[Change]:
        """Take no more messages of these devices."""
        return await self._change([partial(Roster.retire, name=name) for name in self._chosen(names)], "retired")

    async def describe(self, names: Sequence[str], labels: Sequence[str] | None, note: str | None) -> list[Change]:
        """Give these devices labels or a note; None = as they are."""
        makers: list[Maker] = [
            partial(Roster.describe, name=name, labels=labels, note=note) for name in self._chosen(names)
        ]
        return await self._change(makers, "described")

    async def rename(self, name: str, to: str) -> list[Change]:
        """Store a device's readings under another name from now on."""
        now = self._clock.wall_ns()
        return await self._change([partial(Roster.rename, name=name, to=to, now_ns=now)], "renamed")

    async def replace(self, name: str, by: str) -> list[Change]:
        """Other hardware takes a device's place."""
        now = self._clock.wall_ns()
        return await self._change([partial(Roster.replace, name=name, by=by, now_ns=now)], "replaced")

    def _chosen(self, names: Sequence[str]) -> list[str]:
        """Patterns become the names of devices that are known; plain names stay as they are.

        Raises:
            DeviceUnknown: when a pattern fits none.
        """
        found: dict[str, None] = {}
        for name in names:
            fitting = [row.name for row in self.roster.matching([name])] if "*" in name else [name]
            if not fitting:
                raise DeviceUnknown(f"no device of this node fits {name[:80]!r}")
            found.update(dict.fromkeys(fitting))
        return list(found)

    async def _change(self, makers: Sequence[Maker], done: str) -> list[Change]:
        """Changes, each computed on what the one before left, stored in one commit; none, when one of them can't be."""
        async with self._changing:
            self.work_up()
            changes = self.roster.rehearse(makers)

            def write(tx: Transaction) -> None:
                for one in changes:
                    if one.merged is not None:
                        rows.remove(tx, one.merged.number, one.row.number)
                    rows.write_devices(tx, [one.row])
                    rows.write_names(tx, one.row.number, one.names)

            await self._journal.submit(write)
            for one in changes:
                self._take_over(one)
        for one in changes[:_NAMED]:
            self._telemetry.emit(
                DeviceChanged(done=done, device=one.row.name, detail=self.roster.hardware(one.row.number))
            )
        return changes

    def _take_over(self, change: Change) -> None:
        self.work_up()  # under the old numbers
        was = self.roster.row(change.row.number)
        self._news |= {row.name for row in (was, change.row, change.merged) if row is not None}
        twin, into = self.roster.apply(change), change.row.number
        self.known.make_room()
        for same in (twin, None if change.merged is None else change.merged.number):
            if same is not None:
                self.tally.merge(same, into)
                self._gaps = [gap._replace(device=into) if gap.device == same else gap for gap in self._gaps]
        self._number_of = np.zeros(0, np.int32)
        for callback in self._on_change:
            callback()

    # Looking

    def _look(self) -> NDArray[np.uint8]:
        n = min(len(self.tally.seen_boot), len(self.beats.interval))
        return states(self.settings, self.tally.seen_boot[:n], self.beats.interval[:n], self._clock.boottime_ns())

    def state(self, device: int) -> State:
        """How a device is, as of the last turn."""
        return State(int(self._states[device])) if device < len(self._states) else State.NEVER

    def total(self, state: State) -> int:
        """How many are in a state."""
        return sum(self.state(row.number) is state for row in self.roster if row.status != "retired")

    def _say_changes(self) -> None:
        was, now = self._states, self._look()
        n = len(was)
        self._states = now
        self._changed(np.flatnonzero(now != np.append(was, np.full(len(now) - n, _UNJUDGED, np.uint8))).tolist())
        went = np.flatnonzero((now[:n] == State.SILENT) & (was < State.SILENT)).tolist()
        came = np.flatnonzero((now[:n] < State.SILENT) & (was == State.SILENT)).tolist()
        for numbers, kind in ((went, DevicesWentSilent), (came, DevicesReturned)):
            known = [row for row in map(self.roster.row, numbers) if row is not None and row.status != "retired"]
            if known:
                self._telemetry.emit(kind(devices=len(known), names=_some(known)))
        self._say_budgets()
        if self.roster.has_overflown and not self._has_said_overflow:
            self._has_said_overflow = True
            self._telemetry.emit(DevicesNotFollowed(limit=self.settings.limit))

    def _say_budgets(self) -> None:
        over = self.tally.shares() > self.settings.refused_budget
        self._over = np.append(self._over, np.zeros(len(over) - len(self._over), np.bool_))
        fresh = np.flatnonzero(over & ~self._over).tolist()
        known = [r for r in map(self.roster.row, fresh) if r and self.tally.day(r.number).judged >= _BUDGET_FROM]
        over[[n for n in fresh if n not in {r.number for r in known}]] = False
        self._changed(np.flatnonzero(over != self._over).tolist())
        self._over = over
        if known:
            self._telemetry.emit(DevicesOverBudget(devices=len(known), names=_some(known)))

    def _say_found(self, found: Sequence[DeviceRow]) -> None:
        if found:
            waiting = len(found) if self.settings.accept == "listed" else 0
            self._telemetry.emit(DevicesFound(devices=len(found), names=_some(found), waiting=waiting))

    def is_over_budget(self, device: int) -> bool:
        """Were more of its messages refused in the last day than may be?"""
        return device < len(self._over) and bool(self._over[device])


def _some(devices: Sequence[DeviceRow]) -> str:
    more = f" and {len(devices) - _NAMED} more" if len(devices) > _NAMED else ""
    return ", ".join(row.name for row in devices[:_NAMED]) + more


def _readings(pile: Sequence[tuple[Decoded, NDArray[np.bool_], Runs]]) -> NDArray[np.int32]:
    """The series of each reading that was stored, of all batches together."""
    series = np.concatenate([decoded.batch.series for decoded, *_ in pile])
    if all(fresh.all() for _, fresh, _ in pile):
        return series
    kept: NDArray[np.bool_] = np.concatenate([fresh[decoded.message] for decoded, fresh, _ in pile])
    return series[kept]


def _seen(pile: Sequence[tuple[Decoded, NDArray[np.bool_], Runs]]) -> Seen:
    """Offered batches as one list of messages of followed devices."""
    held, before = (RejectReason.NEW_DEVICE, RejectReason.RETIRED), 0
    fate = np.where(np.concatenate([fresh for _, fresh, _ in pile]), Fate.ACCEPTED, Fate.REPEATED).astype(np.uint8)
    for decoded, *_ in pile:
        for one in decoded.rejected:
            fate[before + one.message] = Fate.HELD if one.reason in held else Fate.REFUSED
        before += len(decoded.keys)
    counts = [n for *_, runs in pile for n, _ in runs]
    received = np.repeat(np.array([at for *_, runs in pile for _, at in runs], np.int64), counts)
    lead = np.concatenate([decoded.lead for decoded, *_ in pile])
    told = np.where(lead == NOT_TOLD, received, received + np.where(lead == NOT_TOLD, 0, lead))
    device = np.concatenate([decoded.device for decoded, *_ in pile])
    size = np.concatenate([decoded.size for decoded, *_ in pile])
    seen = Seen(device, fate, size, received, told)
    return seen if device.min(initial=0) >= 0 else seen.take(device >= 0)
