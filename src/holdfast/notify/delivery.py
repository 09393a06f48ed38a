"""One channel's shell: chooses what is due, has it told, and writes what came of it.

    journal ──waiting──▶ choose ──▶ way.tell ──▶ delivered, in the journal

One message at a time, so that a channel's messages stay in order and a frozen server holds up nobody else's. A message
is told before that is written: after a kill the one on its way is told again, with the same ids in it; never none.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from random import Random

from holdfast.journal import alert_history, alerts, dispatches
from holdfast.journal.alert_history import Kind, Line
from holdfast.journal.dispatches import Backlog
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.notify.book import Book
from holdfast.notify.choosing import Choice, Pace, Silencer, Waiting, choose, pause_s
from holdfast.notify.errors import NotifyError, TellingFailed, TellingRefused
from holdfast.notify.happenings import ChannelBack, ChannelGaveUp, ChannelLost, ChannelOdd, ChannelRefusal
from holdfast.notify.messages import Message, compose
from holdfast.notify.ports import Way
from holdfast.notify.settings import ChannelSettings
from holdfast.storage.sqlite import Connection
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff

LOOK_AT = 500
"""Dispatches looked at at once; more wait behind them."""
LONGEST_REST_S = 30.0
REFUSED_AGAIN_S = 300.0
"""A message that was refused is tried so much later: whoever runs the other end may have mended it."""


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel as an operator sees it.

    state:         unknown = nothing was told yet in this life of the node
    rests_until_ns: outside its hours, when they begin; else 0
    instead:       the channel that tells then, empty = what is to be told waits
    """

    name: str
    kind: str
    where: str
    state: str
    detail: str
    backlog: Backlog
    told: int
    given_up: int
    settled: int
    dropped: int
    last_told_ns: int
    rests_until_ns: int = 0
    instead: str = ""


@dataclass(slots=True)
class Shared:
    """What the channels of a node share. turn: held while dispatches change their state; lasting: what holds back."""

    journal: Journal
    book: Book
    clock: Clock
    telemetry: Telemetry
    turn: asyncio.Lock
    flying: set[int]
    lasting: Callable[[int], tuple[Silencer, ...]] = lambda _now_ns: ()


class Delivery:
    """Has one channel tell. `run` is its only task's body."""

    def __init__(self, name: str, settings: ChannelSettings, way: Way, shared: Shared) -> None:
        self.name, self.settings, self.way, self._shared = name, settings, way, shared
        self._backoff = Backoff(settings.retry_min, settings.retry_max, Random())
        self._pace = Pace(settings.rate)
        self._retry_at = 0.0
        self._alone: set[int] = set()
        self._state, self._detail = "unknown", ""
        self._last_told_ns = 0
        self._wake = asyncio.Event()
        self.on_moved: Callable[[str], None] = lambda _channel: None
        """Called with the channel that is to tell instead, when it has something to."""
        gauge, waits = shared.telemetry.gauge, "Changes of alerts that wait to be told."
        gauge("channel_waiting", waits, lambda: self._backlog().waiting, slow=True, channel=name)
        oldest = "How long the oldest has waited that no silence holds."
        gauge("channel_oldest_seconds", oldest, self._oldest_s, slow=True, channel=name)
        is_up = "1 while the last message was taken, or none was tried."
        gauge("channel_up", is_up, lambda: self._state != "down", channel=name)

    def wake(self) -> None:
        """There may be something to tell."""
        self._wake.set()

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            self._wake.clear()
            rest_s = await self.once()
            if rest_s <= 0:
                continue
            try:
                async with asyncio.timeout(rest_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def once(self) -> float:
        """Tell one message, if one is due; returns for how long there's nothing to do, seconds."""
        clock = self._shared.clock
        blocked_s = max(self._retry_at - clock.monotonic(), self._pace.wait_s(clock.monotonic()))
        if blocked_s > 0:
            return min(blocked_s, LONGEST_REST_S)
        if (begin_ns := self._rests_until(clock.wall_ns())) and not self.settings.outside:
            return pause_s(begin_ns, clock.wall_ns(), LONGEST_REST_S)
        async with self._shared.turn:
            choice = await self._choose()
            if choice.hold:
                await self._hold(choice)
            if begin_ns:
                return await self._leave(choice, begin_ns)
            self._shared.flying |= _ids(choice.send)
        if not choice.send:
            return pause_s(choice.wake_ns, clock.wall_ns(), LONGEST_REST_S)
        try:
            await self._tell(choice.send)
        finally:
            self._shared.flying -= _ids(choice.send)
        return 0.0

    async def try_out(self, message: Message) -> str:
        """Tell a test message at once; beside what waits. Returns what is odd about it.

        Raises:
            TellingFailed, TellingRefused: when it didn't work.
        """
        odd = await self.way.tell(message)
        self._well()
        self._retry_at = 0.0
        self.wake()
        return odd

    def status(self) -> ChannelStatus:
        """How it is. Blocking, any thread."""
        counters, name = self._shared.journal.counters(), self.name
        told, given_up, settled, dropped = (
            counters.get(f"channel_{what}.{name}", 0) for what in ("told", "given_up", "settled", "dropped")
        )
        return ChannelStatus(
            name,
            self.way.kind,
            self.way.where,
            self._state,
            self._detail,
            self._backlog(),
            told,
            given_up,
            settled,
            dropped,
            self._last_told_ns,
            self._rests_until(self._shared.clock.wall_ns()),
            self.settings.outside,
        )

    def _rests_until(self, now_ns: int) -> int:
        """Outside the channel's hours, when they begin; else 0."""
        hours = self.settings.hours
        return 0 if hours is None or hours.is_in(now_ns) else hours.next(now_ns)[0]

    async def _leave(self, choice: Choice, begin_ns: int) -> float:
        """Have another channel tell what is due outside the hours; returns for how long there's nothing to do."""
        shared, now_ns = self._shared, self._shared.clock.wall_ns()
        waiting = [one for one, _ in choice.send]
        if not waiting:
            wake_ns = begin_ns if choice.wake_ns is None else min(begin_ns, choice.wake_ns)
            return pause_s(wake_ns, now_ns, LONGEST_REST_S)
        await shared.journal.submit(lambda tx: shared.book.moved(tx, waiting, self.settings.outside, now_ns))
        self.on_moved(self.settings.outside)
        return 0.0

    async def _choose(self) -> Choice:
        shared = self._shared
        now_ns = shared.clock.wall_ns()
        waiting = await asyncio.to_thread(shared.journal.look, lambda db: self._waiting(db, now_ns))
        return choose(waiting, shared.lasting(now_ns), self.settings.group, now_ns, self._alone)

    def _waiting(self, db: Connection, now_ns: int) -> list[Waiting]:
        found = [(one, alerts.find(db, one.alert)) for one in dispatches.of_channel(db, self.name, now_ns, LOOK_AT)]
        waiting = [(one, alert) for one, alert in found if alert is not None]
        if self._rests_until(now_ns):  # who was told of a raise is told of its end, when the hours begin
            return [(one, alert) for one, alert in waiting if one.what != "cleared"]
        return waiting

    async def _hold(self, choice: Choice) -> None:
        now_ns = self._shared.clock.wall_ns()

        def write(tx: Transaction) -> None:
            for silencer, ids in choice.hold:
                for alert in dispatches.alerts_of(tx.db, ids):
                    kind: Kind = "silenced" if silencer.id > 0 else "planned"
                    alert_history.add(tx, Line(alert, now_ns, kind, self.name, str(abs(silencer.id))))
                dispatches.hold(tx, ids, silencer.id, silencer.until_ns)

        await self._shared.journal.submit(write)

    async def _tell(self, sent: tuple[Waiting, ...]) -> None:
        shared = self._shared
        self._pace.sent(shared.clock.monotonic())
        try:
            odd = await self.way.tell(compose(shared.book.routing.node, sent))
        except TellingRefused as error:
            await self._refused(sent, error)
            return
        except NotifyError as error:
            await self._failed(sent, error)
            return
        except Exception as error:  # noqa: BLE001  # a mistake of ours here must not end the node
            await self._failed(sent, TellingFailed(f"this node made a mistake: {error!r}", "please report it"))
            return
        if odd:
            shared.telemetry.emit(ChannelOdd(self.name, odd))
        told = [one for one, _ in sent]
        async with shared.turn:
            await shared.journal.submit(lambda tx: shared.book.delivered(tx, told, shared.clock.wall_ns()))
        self._alone -= _ids(sent)
        self._last_told_ns = shared.clock.wall_ns()
        self._well()

    def _well(self) -> None:
        was_down, self._state, self._detail = self._state == "down", "up", ""
        self._backoff.succeeded()
        if was_down:
            self._shared.telemetry.emit(ChannelBack(self.name, self.way.where, self._backlog().waiting))

    async def _failed(self, sent: tuple[Waiting, ...], error: NotifyError) -> None:
        """Nobody can be told now: everything waits, and what waited too long is given up."""
        asked_s = error.pause_s if isinstance(error, TellingFailed) else 0.0
        self._retry_at = self._shared.clock.monotonic() + max(self._backoff.failed(), asked_s)
        if self._state != "down" or self._detail != str(error):
            self._shared.telemetry.emit(ChannelLost(self.name, self.way.where, str(error), error.hint))
        self._state, self._detail = "down", str(error)
        await self._unsent(sent, str(error))

    async def _refused(self, sent: tuple[Waiting, ...], error: TellingRefused) -> None:
        """This message can't be told: its alerts are tried one by one, and then now and again."""
        self._shared.telemetry.emit(ChannelRefusal(self.name, len(sent), str(error), error.hint))
        self._detail = str(error)
        is_single = len(sent) == 1
        self._alone |= _ids(sent)
        await self._unsent(sent, str(error), put_off_s=REFUSED_AGAIN_S if is_single else 0.0)

    async def _unsent(self, sent: tuple[Waiting, ...], cause: str, put_off_s: float = 0.0) -> None:
        shared, now_ns = self._shared, self._shared.clock.wall_ns()
        late = [one for one, _ in sent if now_ns - one.since_ns > self.settings.retry_for * NS_PER_S]
        rest = [(one, alert) for one, alert in sent if one not in late]

        def write(tx: Transaction) -> None:
            dispatches.drop(tx, [one.id for one in late], "given_up")
            for one in late:
                alert_history.add(tx, Line(one.alert, now_ns, "given_up", self.name, cause))
            if put_off_s:
                dispatches.put_off(tx, [one.id for one, _ in rest], now_ns + round(put_off_s * NS_PER_S))
            for one, _ in rest:
                alert = alerts.find(tx.db, one.alert)
                if alert is not None and alert.cleared is not None:
                    shared.book.fold(tx, alert.id, alert.cleared.id, others, now_ns)

        async with shared.turn:
            others = frozenset(shared.flying - _ids(sent))
            if late or put_off_s or await self._any_over(rest):
                await shared.journal.submit(write)
        if late:
            first = min(late, key=lambda one: one.since_ns)
            shared.telemetry.emit(ChannelGaveUp(self.name, len(late), first.key, cause))
            self._alone -= {one.id for one in late}

    async def _any_over(self, sent: Collection[Waiting]) -> bool:
        """Was one of them cleared while it was on its way?"""

        def look(db: Connection) -> bool:
            found = (alerts.find(db, one.alert) for one, _ in sent if one.what not in ("cleared", "both"))
            return any(alert is not None and not alert.is_open for alert in found)

        return await asyncio.to_thread(self._shared.journal.look, look)

    def _backlog(self) -> Backlog:
        return self._shared.journal.look(lambda db: dispatches.backlog(db, self.name))

    def _oldest_s(self) -> float:
        oldest_ns = self._backlog().oldest_ns
        return max(0.0, (self._shared.clock.wall_ns() - oldest_ns) / NS_PER_S) if oldest_ns else 0.0


def _ids(sent: Iterable[Waiting]) -> set[int]:
    return {one.id for one, _ in sent}
