"""Keeps the book of alerts and has channels tell what is in it.

    journal, lanes 0 and 1 ──events──▶ book (alerts, dispatches, steps) ──▶ one task a channel ──▶ people

Events are taken with the cursor that says so, in one commit: an alert is in the book once, whatever is killed. What
stays in a region or at the site (residency) lies in lanes that aren't read here: a message to people is a way out.

Timers are wall-clock times in the journal. When the wall clock is set, what waits is moved along with it; at a start
nothing waits longer than it was to wait in the first place.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

import msgspec

from holdfast.journal import alert_labels, alerts, blobs, dispatches
from holdfast.journal.alert_history import MOST_COMMENTS, Line
from holdfast.journal.alert_labels import Label, Labelled
from holdfast.journal.alerts import Alert, Silence, groups_of_events
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.journal import Journal
from holdfast.journal.records import Group
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.event import Event, Severity
from holdfast.model.lane import Lane
from holdfast.notify import labelling
from holdfast.notify.acknowledging import acknowledged, commented, labelled
from holdfast.notify.book import CURSOR, Book, acknowledge, comment
from holdfast.notify.checks import require_length, require_text
from holdfast.notify.delivery import ChannelStatus, Delivery, Shared
from holdfast.notify.errors import AlertOver, AlertUnknown, ChannelUnknown, NotifyBusy, RequestInvalid
from holdfast.notify.filters import Filter, LabelsOf, no_labels
from holdfast.notify.happenings import AlertAcknowledged, AlertCommented, AlertLabelled, AlertsUnreadable
from holdfast.notify.messages import Message
from holdfast.notify.planned import MaintenanceSettings
from holdfast.notify.ports import Acknowledged, Also, OnLabel, RuleNotices, RuleText, Way, nothing
from holdfast.notify.quieting import Quieting
from holdfast.notify.routing import CLEARED, RAISED, Routing
from holdfast.notify.settings import AlertSettings, ChannelSettings, Escalation
from holdfast.notify.trial import trial
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows

LANES = (Lane.CRITICAL, Lane.NORMAL)
GROUPS_AT_ONCE = 50
BETWEEN_S = 0.05
"""Between two looks at the journal: lane 0 may get a thousand commits a second, of which few hold alerts."""
LOOK_EVERY_S = 1.0
"""For timers; events wake the task."""
STEPS_AT_ONCE = 500
STEPPED_NS = 2 * NS_PER_S
"""A smaller move of the wall clock is left alone: NTP slews it all the time."""
_COUNTED = (
    ("alerts_open", "Alerts that aren't cleared."),
    ("alerts_unacknowledged", "Alerts that aren't cleared and that nobody deals with."),
)


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """What node.yaml says."""

    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    escalations: Mapping[str, Escalation] = field(default_factory=dict)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    maintenance: Mapping[str, MaintenanceSettings] = field(default_factory=dict)


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
        labels_of: LabelsOf = no_labels,
        rule_text: RuleText = lambda _: ("", ""),
        lane_of: Callable[[Event], Lane] = lambda event: event.lane,
        on_acknowledged: Acknowledged = lambda _: None,
        on_label: OnLabel = lambda _: None,
    ) -> None:
        """Take what it needs.

        ways:            by channel
        notices:         what a rule does to have people told
        labels_of:       of the device that an event is about; any thread
        rule_text:       a rule's version and text as it is now; any thread
        lane_of:         where an event that is made here may lie: it may have to stay, or the parent may not know it
        on_acknowledged: told of every acknowledgement made here
        on_label:        told of every label made here, and at the start of those that weren't understood yet
        """
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self._lane_of, self._on_acknowledged, self._on_label = lane_of, on_acknowledged, on_label
        turn = asyncio.Lock()
        quieting = self.quieting = Quieting(journal, clock, telemetry, turn, settings.maintenance, labels_of)
        routing = Routing(journal.node, settings.channels, settings.escalations, notices, labels_of)
        self._book = Book(routing, settings.alerts.keep, quieting.works_at, quieting.is_quiet, rule_text)
        self._shared = Shared(journal, self._book, clock, telemetry, turn, set(), quieting.lasting)
        self.channels = {name: Delivery(name, one, ways[name], self._shared) for name, one in settings.channels.items()}
        quieting.wake = self._wake_channels
        for one in self.channels.values():
            one.on_moved = lambda to: self.channels[to].wake()
        self._at = {lane: journal.cursor(CURSOR, lane) for lane in LANES}
        self._wake = asyncio.Event()
        self._offset_ns: int | None = None
        self._trouble = ""
        self.revision = 0
        """Grows with every change of an alert that can be read."""
        journal.on_commit(self._on_commit)
        _show_counts(journal, telemetry)

    async def start(self) -> None:
        """Take up what an earlier life left, or begin the book."""
        journal, now_ns = self._journal, self._clock.wall_ns()
        if journal.meta(CURSOR) is None:
            heads = {lane: journal.head(lane) for lane in LANES}
            found = await asyncio.to_thread(self._open_before, heads)
            await journal.submit(lambda tx: self._book.begin(tx, found, heads, now_ns))
            self._at = heads
        await journal.submit(lambda tx: self._book.tidy(tx, now_ns))
        await self.quieting.start()
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
                self._wake_channels()
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

    async def acknowledge(self, number: int, by: str, comment: str, also: Also = nothing) -> Alert:
        """Somebody deals with an alert; the first who does stays. Returns when it's on disk, with the alert.

        also: written in the same commit, here and below; not when nothing is left to change

        Raises:
            AlertUnknown, AlertOver, RequestInvalid, NotifyBusy: nothing changed.
        """
        require_text("by", by)
        require_length("comment", comment)
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
                    also(tx)
                return is_new, alerts.find(tx.db, number)

            is_new, after = await asyncio.shield(self._journal.submit(write))
        if is_new:
            self.revision += 1
            self._telemetry.emit(AlertAcknowledged(number, found.node, found.device, found.rule, by))
            self._on_acknowledged(found)
        return after or found

    async def label(self, number: int, label: Label, by: str, comment: str, also: Also = nothing) -> Labelled:
        """Somebody says what a detector's alert was worth; the last word counts. Returns when it's on disk.

        Raises:
            AlertUnknown, RequestInvalid, NotifyBusy: nothing changed.
        """
        require_text("by", by)
        require_length("comment", comment)
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
                also(tx)
                tx.append_events(lane, [msgspec.structs.replace(event, lane=lane)])
                tx.count("events_accepted")

            await asyncio.shield(self._journal.submit(write))
        place = found.node, found.device, found.metric
        self._telemetry.emit(AlertLabelled(number, *place, found.rule, label, by))
        self._on_label(one)
        return one

    async def comment(self, number: int, by: str, text: str, also: Also = nothing) -> Line:
        """Somebody writes something about an alert, open or over. Returns when it's on disk.

        Raises:
            AlertUnknown, RequestInvalid, NotifyBusy: nothing changed.
        """
        require_text("by", by)
        require_text("comment", text)
        self._require_journal()
        found = await asyncio.to_thread(self._journal.look, lambda db: alerts.find(db, number))
        if found is None:
            raise AlertUnknown(f"there is no alert {number}")
        now_ns = self._clock.wall_ns()
        event = commented(self._journal.node, found, by, text, now_ns)
        lane = self._lane_of(event)

        def write(tx: Transaction) -> bool:
            is_new = comment(tx, number, by, text, now_ns, event.id)
            if is_new:
                also(tx)
                tx.append_events(lane, [msgspec.structs.replace(event, lane=lane)])
                tx.count("events_accepted")
            return is_new

        if not await asyncio.shield(self._journal.submit(write)):
            raise RequestInvalid(f"alert {number} has {MOST_COMMENTS} comments", "write the rest somewhere else")
        self.revision += 1
        self._telemetry.emit(AlertCommented(number, found.node, found.device, found.rule, by))
        return Line(number, now_ns, "commented", by, text, event.id)

    async def silence(self, match: Filter, until_ns: int, by: str, why: str) -> Silence:
        """Have nobody told of some alerts until a time; see `Quieting.silence`."""
        return await self.quieting.silence(match, until_ns, by, why)

    async def unsilence(self, number: int) -> None:
        """Take a silence back; see `Quieting.unsilence`."""
        await self.quieting.unsilence(number)

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

    def _wake_channels(self) -> None:
        for one in self.channels.values():
            one.wake()

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

    def _require_journal(self) -> None:
        if self._journal.condition is not Condition.OK:
            raise NotifyBusy(f"the journal is {self._journal.condition.value}")


def _show_counts(journal: Journal, telemetry: Telemetry) -> None:
    for place, (name, text) in enumerate(_COUNTED):
        telemetry.table("gauge", name, text, ("severity",), partial(_by_severity, journal, place), slow=True)


def _by_severity(journal: Journal, place: int) -> Rows:
    found = journal.look(alerts.counts_by_severity)
    return [((severity,), found.get(severity, (0, 0))[place]) for severity in get_args(Severity)]
