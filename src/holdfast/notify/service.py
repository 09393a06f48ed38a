"""Keeps the book of alerts and has channels tell what is in it.

    journal, lanes 0 and 1 ──events──▶ book (alerts, dispatches, steps) ──▶ one task a channel ──▶ people

Events are taken with the cursor that says so, in one commit: an alert is in the book once, whatever is killed. What
stays in a region or at the site (residency) lies in lanes that aren't read here: a message to people is a way out.

Timers are wall-clock times in the journal. When the wall clock is set, what waits is moved along with it; at a start
nothing waits longer than it was to wait in the first place.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from holdfast.journal import alert_labels, alerts, blobs, dispatches
from holdfast.journal.alert_labels import Label, Labelled
from holdfast.journal.alerts import Alert, Silence, groups_of_events
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.journal import Journal
from holdfast.journal.records import Group
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.notify import labelling
from holdfast.notify.acknowledging import acknowledged, labelled
from holdfast.notify.book import CURSOR, Book, acknowledge
from holdfast.notify.choosing import Silencer
from holdfast.notify.delivery import ChannelStatus, Delivery, Shared
from holdfast.notify.errors import AlertOver, AlertUnknown, ChannelUnknown, NotifyBusy, RequestInvalid, SilenceUnknown
from holdfast.notify.filters import Filter
from holdfast.notify.happenings import AlertAcknowledged, AlertLabelled, AlertsUnreadable, SilenceChanged
from holdfast.notify.messages import Message
from holdfast.notify.ports import Acknowledged, OnLabel, RuleNotices, Way
from holdfast.notify.routing import CLEARED, RAISED, Routing
from holdfast.notify.settings import AlertSettings, ChannelSettings, Escalation
from holdfast.notify.trial import trial
from holdfast.telemetry.happenings import Telemetry

LANES = (Lane.CRITICAL, Lane.NORMAL)
GROUPS_AT_ONCE = 50
BETWEEN_S = 0.05
"""Between two looks at the journal: lane 0 may get a thousand commits a second, of which few hold alerts."""
LOOK_EVERY_S = 1.0
"""For timers; events wake the task."""
STEPS_AT_ONCE = 500
STEPPED_NS = 2 * NS_PER_S
"""A smaller move of the wall clock is left alone: NTP slews it all the time."""
MOST_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """What node.yaml says."""

    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    escalations: Mapping[str, Escalation] = field(default_factory=dict)
    alerts: AlertSettings = field(default_factory=AlertSettings)


class NotifyService:
    """Alerts to people, of one node. Loop thread only, but for what is said to block."""

    def __init__(
        self,
        settings: NotifySettings,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        *,
        ways: Mapping[str, Way],
        notices: RuleNotices = lambda _: (),
        lane_of: Callable[[Event], Lane] = lambda event: event.lane,
        on_acknowledged: Acknowledged = lambda _: None,
        on_label: OnLabel = lambda _: None,
    ) -> None:
        """Take what it needs.

        ways:            by channel
        notices:         what a rule does to have people told
        lane_of:         where an event that is made here may lie: it may have to stay, or the parent may not know it
        on_acknowledged: told of every acknowledgement made here
        on_label:        told of every label made here, and at the start of those that weren't understood yet
        """
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self._lane_of, self._on_acknowledged, self._on_label = lane_of, on_acknowledged, on_label
        routing = Routing(journal.node, settings.channels, settings.escalations, notices)
        self._book = Book(routing, settings.alerts.keep)
        self._shared = Shared(journal, self._book, clock, telemetry, asyncio.Lock(), set())
        self.channels = {name: Delivery(name, one, ways[name], self._shared) for name, one in settings.channels.items()}
        self._at = {lane: journal.cursor(CURSOR, lane) for lane in LANES}
        self._wake = asyncio.Event()
        self._offset_ns: int | None = None
        self._trouble = ""
        self.revision = 0
        """Grows with every change of an alert that can be read."""
        journal.on_commit(self._on_commit)
        telemetry.gauge("alerts_open", "Alerts that aren't cleared", lambda: journal.look(alerts.counts)[0])
        telemetry.gauge(
            "alerts_unacknowledged", "Of those, that nobody deals with", lambda: journal.look(alerts.counts)[1]
        )
        telemetry.gauge("silences", "Silences that last", lambda: len(self._lasting()))

    async def start(self) -> None:
        """Take up what an earlier life left, or begin the book."""
        journal, now_ns = self._journal, self._clock.wall_ns()
        if journal.meta(CURSOR) is None:
            heads = {lane: journal.head(lane) for lane in LANES}
            found = await asyncio.to_thread(self._open_before, heads)
            await journal.submit(lambda tx: self._book.begin(tx, found, heads, now_ns))
            self._at = heads
        await journal.submit(lambda tx: self._book.tidy(tx, now_ns))
        await self._read_silences()
        for one in await asyncio.to_thread(journal.look, alert_labels.unsettled):
            self._on_label(one)

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What is to run with the node, by name."""
        channels = [(f"channel {name}", channel.run()) for name, channel in self.channels.items()]
        return [("alerts", self.run()), *channels]

    async def run(self) -> None:
        """Take events and time in, for ever; channels run beside it."""
        while True:
            self._wake.clear()
            if self._journal.condition is Condition.OK and await self.once():
                for one in self.channels.values():
                    one.wake()
            await asyncio.sleep(BETWEEN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()

    async def once(self) -> bool:
        """Do what is due now; did anything change that channels may have to tell?"""
        await self._follow_clock()
        changed = False
        for lane in LANES:
            while self._journal.head(lane) > self._at[lane]:
                absorbed, is_all = await self._absorb(lane)
                changed |= absorbed
                if is_all:
                    break
        return await self._advance() or changed

    async def close(self) -> None:
        """Close what the channels have open."""
        for one in self.channels.values():
            await one.way.close()

    # People

    async def acknowledge(self, number: int, by: str, comment: str) -> Alert:
        """Somebody deals with an alert; the first who does stays. Returns when it's on disk, with the alert.

        Raises:
            AlertUnknown, AlertOver, RequestInvalid, NotifyBusy: nothing changed.
        """
        _require_text("by", by)
        _require_length("comment", comment)
        self._require_journal()
        async with self._shared.turn:
            found = await asyncio.to_thread(self._journal.look, lambda db: alerts.find(db, number))
            if found is None:
                raise AlertUnknown(f"there is no alert {number}")
            if not found.is_open:
                raise AlertOver(f"alert {number} was cleared")
            if found.acked_ns:
                return found
            now_ns, flying = self._clock.wall_ns(), frozenset(self._shared.flying)
            event = acknowledged(self._journal.node, found, by, comment, now_ns)
            lane = self._lane_of(event)
            event = msgspec.structs.replace(event, lane=lane)

            def write(tx: Transaction) -> tuple[bool, Alert | None]:
                is_new = acknowledge(tx, number, by, comment, now_ns, flying)
                if is_new:
                    tx.append_events(lane, [event])
                    tx.count("events_accepted")
                return is_new, alerts.find(tx.db, number)

            is_new, after = await asyncio.shield(self._journal.submit(write))
        if is_new:
            self.revision += 1
            self._telemetry.emit(AlertAcknowledged(number, found.node, found.device, found.rule, by))
            self._on_acknowledged(found)
        return after or found

    async def label(self, number: int, label: Label, by: str, comment: str) -> Labelled:
        """Somebody says what a detector's alert was worth; the last word counts. Returns when it's on disk.

        Raises:
            AlertUnknown, RequestInvalid, NotifyBusy: nothing changed.
        """
        _require_text("by", by)
        _require_length("comment", comment)
        self._require_journal()
        async with self._shared.turn:
            found, before = await asyncio.to_thread(self._journal.look, partial(labelling.look, number=number))
            if found is None:
                raise AlertUnknown(f"there is no alert {number}")
            labelling.require_detector(found, self._journal.node)
            if before is not None and before.label == label:
                return before
            one = labelling.said(found, before, label, by, comment, self._clock.wall_ns())
            event = labelled(self._journal.node, found, one)
            lane = self._lane_of(event)

            def write(tx: Transaction) -> None:
                alert_labels.put(tx, one)
                tx.append_events(lane, [msgspec.structs.replace(event, lane=lane)])
                tx.count("events_accepted")

            await asyncio.shield(self._journal.submit(write))
        place = found.node, found.device, found.metric
        self._telemetry.emit(AlertLabelled(number, *place, found.rule, label, by))
        self._on_label(one)
        return one

    async def silence(self, match: Filter, until_ns: int, by: str, why: str) -> Silence:
        """Have nobody told of some alerts until a time. Returns when it's on disk.

        Raises:
            RequestInvalid, NotifyBusy: nothing changed.
        """
        _require_text("by", by)
        _require_text("why", why)
        now_ns = self._clock.wall_ns()
        if until_ns <= now_ns:
            raise RequestInvalid("a silence that ends in the past silences nothing", "name a later time, or `for: 2h`")
        self._require_journal()
        new = Silence(0, msgspec.json.encode(match).decode(), by, why, now_ns, until_ns)
        async with self._shared.turn:
            number = await asyncio.shield(self._journal.submit(lambda tx: alerts.silence(tx, new)))
            await self._read_silences()
        self._telemetry.emit(SilenceChanged(number, "made", by, why))
        return replace(new, id=number)

    async def unsilence(self, number: int) -> None:
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
            return is_gone

        async with self._shared.turn:
            is_gone = await asyncio.shield(self._journal.submit(write))
            await self._read_silences()
        if not is_gone:
            raise SilenceUnknown(f"there is no silence {number} that lasts")
        self._telemetry.emit(SilenceChanged(number, "taken back", "", ""))
        for one in self.channels.values():
            one.wake()

    async def test(self, name: str) -> str:
        """Tell a test message through a channel; returns what is odd about it.

        Raises:
            ChannelUnknown, TellingFailed, TellingRefused: it didn't work.
        """
        if name not in self.channels:
            raise ChannelUnknown(f"there is no channel {name[:64]}")
        message: Message = trial(self._journal.node, name, self._clock.wall_ns())
        return await self.channels[name].try_out(message)

    def statuses(self) -> list[ChannelStatus]:
        """How the channels are. Blocking, any thread."""
        return [one.status() for one in self.channels.values()]

    # The journal

    def _on_commit(self) -> None:
        if any(self._journal.head(lane) > self._at[lane] for lane in LANES):
            self._wake.set()

    async def _absorb(self, lane: Lane) -> tuple[bool, bool]:
        """Take the lane's next events: (did anything change?, was that all?)."""
        head, after = self._journal.head(lane), self._at[lane]
        try:
            groups: list[Group] = await asyncio.to_thread(
                self._journal.look, lambda db: groups_of_events(db, lane, after, GROUPS_AT_ONCE)
            )
        except GroupCorrupt as error:
            if self._trouble != str(error):
                self._telemetry.emit(AlertsUnreadable(str(error)))
            self._trouble = str(error)
            return False, True
        self._trouble = ""
        is_all = len(groups) < GROUPS_AT_ONCE
        # Nothing but events is in between: a cursor that only they move is found again by their index.
        upto = max([head if is_all else 0, *(group.last for group in groups)])
        events = [event for group in groups for event in blobs.decode_events(group.blob)]
        changed = 0
        if events:
            async with self._shared.turn:
                flying, now_ns = frozenset(self._shared.flying), self._clock.wall_ns()
                changed = await self._journal.submit(
                    lambda tx: self._book.absorb(tx, lane, upto, events, flying, now_ns)
                )
            self.revision += 1
        self._at[lane] = upto
        return bool(changed), is_all

    async def _advance(self) -> bool:
        if not self._book.routing.escalations:
            return False
        now_ns = self._clock.wall_ns()
        found = await asyncio.to_thread(self._journal.look, lambda db: dispatches.steps(db, STEPS_AT_ONCE))
        due = [one for one in found if one.due_ns <= now_ns]
        if not due:
            return False
        async with self._shared.turn:
            await self._journal.submit(lambda tx: self._book.advance(tx, due, now_ns))
        return True

    async def _follow_clock(self) -> None:
        offset_ns = self._clock.wall_ns() - self._clock.boottime_ns()
        before, self._offset_ns = self._offset_ns, offset_ns
        if before is None or abs(offset_ns - before) < STEPPED_NS:
            self._offset_ns = offset_ns if before is None else before
            return
        async with self._shared.turn:
            await self._journal.submit(lambda tx: dispatches.shift(tx, offset_ns - before))

    def _open_before(self, heads: Mapping[Lane, int]) -> list[Event]:
        """The alerts that were open when this book was begun. Blocking, any thread."""
        found: dict[tuple[str, ...], Event] = {}
        for lane in LANES:
            after = 0
            while after < heads[lane]:
                groups = self._journal.look(lambda db: groups_of_events(db, lane, after, GROUPS_AT_ONCE))  # noqa: B023  # run in this turn
                for event in (event for group in groups for event in blobs.decode_events(group.blob)):
                    key = event.node, event.device, event.rule, event.metric
                    if event.kind == RAISED:
                        found[key] = event
                    elif event.kind == CLEARED:
                        found.pop(key, None)
                after = groups[-1].last if groups else heads[lane]
        return list(found.values())

    # Silences

    async def _read_silences(self) -> None:
        now_ns = self._clock.wall_ns()
        found = await asyncio.to_thread(self._journal.look, lambda db: alerts.silences(db, now_ns))
        self._shared.silencers = tuple(
            Silencer(one.id, one.until_ns, _lasting(filter_of(one), one.until_ns, self._clock)) for one in found
        )

    def _lasting(self) -> Sequence[Silencer]:
        now_ns = self._clock.wall_ns()
        return [one for one in self._shared.silencers if one.until_ns > now_ns]

    def _require_journal(self) -> None:
        if self._journal.condition is not Condition.OK:
            raise NotifyBusy(f"the journal is {self._journal.condition.value}")


def filter_of(one: Silence) -> Filter:
    """What a stored silence silences."""
    return msgspec.json.decode(one.match, type=Filter)


def _lasting(match: Filter, until_ns: int, clock: Clock) -> Callable[[Event], bool]:
    means = match.compiled()
    return lambda event: clock.wall_ns() < until_ns and means(event)


def _require_text(name: str, text: str) -> None:
    if not text.strip():
        raise RequestInvalid(f"`{name}` is empty", f"say {'who you are' if name == 'by' else 'why'}: it's kept")
    _require_length(name, text)


def _require_length(name: str, text: str) -> None:
    if len(text) > MOST_TEXT:
        raise RequestInvalid(f"`{name}` is too long", f"at most {MOST_TEXT} characters")
