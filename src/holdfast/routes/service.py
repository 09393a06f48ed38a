"""A route's shell: reads what is committed, publishes it in order, and moves its cursor when the broker has it.

    journal ──read──▶ parcels (unsent … sent … acknowledged) ──▶ cursor `route.NAME`, in the journal

Invariants, by lane: cursor remembered <= acked <= read <= head. After a restart, or a new connection, everything above
what was acked (at a restart: remembered) is read and published again: at least once, in order. Lanes: the most urgent
first whenever there is room; a parcel that is being sent isn't interrupted.

What gives way: nothing here. The journal's own policy (quota, `max_age`) may take rows that a route has not delivered;
those are counted as missed, in the commit that moves the cursor past them.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.lane import Lane
from holdfast.routes.happenings import RouteConnected, RouteLeftOut, RouteLost, RouteMissed
from holdfast.routes.parcels import RAW, Packer, Parcel
from holdfast.routes.ports import Upstream
from holdfast.routes.settings import RouteSettings
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff

AHEAD = 3
"""Parcels read and not acknowledged: one is made while another waits for the broker."""
DAMAGED_S = 5.0
HELD_S = 1.0
_TOPIC_ROOM = 64 * 1024


def consumer(name: str) -> str:
    """The name of a route's cursor in the journal."""
    return f"route.{name}"


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """A route as an operator sees it. lag_s: age of the oldest row that waits, by its own time; 0 = none waits."""

    name: str
    url: str
    is_up: bool
    trouble: str
    delivered: int
    in_flight: int
    lag_rows: int
    lag_s: float
    missed: int
    left_out: int


@dataclass(slots=True)
class _Owed:
    """What the next commit remembers."""

    cursors: dict[Lane, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


class Route:
    """Publishes to one broker. `run` is its only task's body."""

    def __init__(
        self,
        name: str,
        settings: RouteSettings,
        journal: Journal,
        upstream: Upstream,
        clock: Clock,
        telemetry: Telemetry,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """may_send: False while rows' times may still change (the clock isn't set)."""
        self.name = name
        self.consumer = consumer(name)
        self._settings, self._journal, self._upstream = settings, journal, upstream
        self._clock, self._telemetry, self._may_send = clock, telemetry, may_send
        self._packer = Packer(settings, journal)
        self.lanes = self._packer.lanes
        self._acked = {lane: journal.cursor(self.consumer, lane) for lane in self.lanes}
        self._read = dict(self._acked)
        self._parcels: deque[Parcel] = deque()
        self._in_flight = 0
        self._is_up = False
        self._trouble = "not connected yet"
        self._lost: HoldfastError | None = None
        self._owed = _Owed()
        self._remembering: asyncio.Future[None] | None = None
        self._wake, self._moved = asyncio.Event(), asyncio.Event()
        self._remember_due = self._bulk_due = 0.0
        self._backoff = Backoff(settings.to.backoff_min, settings.to.backoff_max, Random())
        journal.on_commit(self._on_commit)
        gauge = telemetry.gauge
        gauge("route_lag_rows", "Rows that wait for the route.", self._lag_rows, route=name)
        gauge(
            "route_lag_seconds", "Age of the oldest row that waits for the route.", self._lag_s, slow=True, route=name
        )
        flying = "Messages sent to the broker that it hasn't acknowledged."
        gauge("route_in_flight_messages", flying, lambda: self._in_flight, route=name)
        gauge("route_up", "1 while the broker takes the route's messages.", lambda: self._is_up, route=name)

    async def run(self) -> None:
        """Connect, publish, and connect again, for ever."""
        await self._begin()
        while True:
            try:
                await self._upstream.open(self._on_acked, self._on_gone)
            except HoldfastError as error:
                await self._pause(error)
                continue
            self._connected()
            try:
                await self._pump()
            except HoldfastError as error:
                self._upstream.close()
                await self._pause(error)
            finally:
                self._upstream.close()
                self._forget_unacked()

    async def drain(self, deadline_s: float) -> bool:
        """Deliver what is committed within the deadline, then remember how far it got; did it get everything there?"""
        until = self._clock.monotonic() + deadline_s
        while self._is_up and self._lag_rows() and (left := until - self._clock.monotonic()) > 0:
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), left)
        for _ in range(2):  # one may be under way
            if (told := self._remember()) is not None:
                with contextlib.suppress(HoldfastError, TimeoutError):
                    await asyncio.wait_for(told, max(0.1, until - self._clock.monotonic()))
        return not self._lag_rows()

    def delivered(self, lane: Lane) -> int | None:
        """Up to which seq the broker has a lane's rows, as remembered; None = the route doesn't take the lane."""
        return self._journal.cursor(self.consumer, lane) if lane in self.lanes else None

    def status(self) -> RouteStatus:
        """The route as an operator sees it."""
        return RouteStatus(
            self.name,
            self._upstream.url,
            self._is_up,
            self._trouble,
            self._count("route_delivered"),
            self._in_flight,
            self._lag_rows(),
            self._lag_s(),
            self._count("route_missed"),
            self._count("route_left_out"),
        )

    # The task

    async def _begin(self) -> None:
        """A new route begins at the journal's end, or with the oldest row: what was dropped before isn't missed."""
        journal = self._journal
        if journal.meta(self.consumer) is not None:
            return
        begins_now = self._settings.start == "now"
        at = {lane: journal.head(lane) if begins_now else journal.cut(lane)[0] for lane in self.lanes}

        def write(tx: Transaction) -> None:
            tx.set_meta(self.consumer, "begun")
            for lane, seq in at.items():
                tx.set_cursor(self.consumer, lane, seq)

        await journal.submit(write)
        self._acked, self._read = dict(at), dict(at)

    async def _pump(self) -> None:
        while True:
            self._wake.clear()
            if self._lost is not None:
                raise self._lost
            self._send()
            made = await self._fetch() if len(self._parcels) < AHEAD else False
            self._send()
            if self._clock.monotonic() >= self._remember_due:
                self._remember()
            if not made:
                await self._rest()

    async def _rest(self) -> None:
        """Until something is committed or acknowledged, or it's time to remember or to read bulk."""
        now = self._clock.monotonic()
        waits = [self._bulk_due - now] if self._bulk_due > now else []
        if self._owed.cursors:
            waits.append(max(0.0, self._remember_due - now))
        if not self._may_send():
            waits.append(HELD_S)
        # a timeout would cancel the wait, and be caught: five times the cost, a hundred times a second
        alarm = asyncio.get_running_loop().call_later(min(waits), self._wake.set) if waits else None
        try:
            await self._wake.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    async def _fetch(self) -> bool:
        """Make one parcel; is there one?"""
        if not self._may_send():
            return False
        for lane in self.lanes:
            if self._journal.head(lane) <= self._read[lane]:
                continue
            if lane in RAW:
                now = self._clock.monotonic()
                if now < self._bulk_due:
                    continue
                self._bulk_due = now + self._settings.linger
            parcel = await self._pack(lane)
            if parcel is not None:
                self._read[lane] = parcel.upto
                self._parcels.append(parcel)
                self._settle()
                return True
        return False

    async def _pack(self, lane: Lane) -> Parcel | None:
        broker, own = self._upstream.max_packet, self._settings.max_payload
        most = min(own, broker - min(_TOPIC_ROOM, broker // 2)) if broker else own
        try:
            return await asyncio.to_thread(self._packer.pack, lane, self._read[lane], most)
        except GroupCorrupt as error:  # the scrub makes it a gap, which then is passed over
            self._trouble = str(error)
            await asyncio.sleep(DAMAGED_S)
            return None

    def _send(self) -> None:
        """Publish as much as the window takes, oldest first."""
        upstream = self._upstream
        room = min(self._settings.in_flight, upstream.window) - self._in_flight
        for parcel in self._parcels:
            messages = parcel.messages
            while room > 0 and parcel.unsent < len(messages) and upstream.may_write:
                upstream.publish(*messages[parcel.unsent])
                parcel.unsent += 1
                self._in_flight += 1
                room -= 1
            if parcel.unsent < len(messages):
                return

    def _on_commit(self) -> None:
        """Wake the task, unless only bulk came, which has a time of its own: commits may come a thousand a second."""
        if self._bulk_due <= self._clock.monotonic() or any(
            self._journal.head(lane) > self._read[lane] for lane in self.lanes if lane not in RAW
        ):
            self._wake.set()

    def _on_acked(self, n: int) -> None:
        self._in_flight -= n
        self._owed.counts["route_delivered"] += n
        for parcel in self._parcels:
            if not n:
                break
            taken = min(n, len(parcel.messages) - parcel.acked)
            parcel.acked += taken
            n -= taken
        self._settle()
        self._send()
        self._wake.set()

    def _on_gone(self, error: HoldfastError) -> None:
        self._lost = error
        self._wake.set()

    def _settle(self) -> None:
        """Parcels that the broker has, from the oldest on, move the cursor."""
        while self._parcels and self._parcels[0].is_done:
            parcel = self._parcels.popleft()
            self._moved.set()
            self._acked[parcel.lane] = self._owed.cursors[parcel.lane] = parcel.upto
            self._account(parcel)

    def _account(self, parcel: Parcel) -> None:
        counts = self._owed.counts
        counts["route_rows"] += parcel.rows
        for cause, rows in parcel.missed.items():
            counts["route_missed"] += rows
            self._telemetry.emit(RouteMissed(route=self.name, lane=int(parcel.lane), rows=rows, cause=cause))
        if parcel.left_out:
            counts["route_left_out"] += parcel.left_out
            self._telemetry.emit(RouteLeftOut(route=self.name, messages=parcel.left_out))

    def _remember(self) -> asyncio.Future[None] | None:
        """Have the journal told; not waited for, as a full disk may take long. None: there's nothing to tell."""
        self._remember_due = self._clock.monotonic() + self._settings.remember_every
        if self._remembering is not None and not self._remembering.done():
            return self._remembering
        if not self._owed.cursors and not self._owed.counts:
            return None
        owed, self._owed = self._owed, _Owed()

        def write(tx: Transaction) -> None:
            for lane, seq in owed.cursors.items():
                tx.set_cursor(self.consumer, lane, seq)
            for name, n in owed.counts.items():
                tx.count(f"{name}.{self.name}", n)

        self._remembering = self._journal.submit(write)
        self._remembering.add_done_callback(_noticed)
        return self._remembering

    def _connected(self) -> None:
        self._is_up, self._trouble, self._lost = True, "", None
        self._backoff.succeeded()
        self._telemetry.emit(RouteConnected(route=self.name, broker=self._upstream.url, waiting_rows=self._lag_rows()))

    async def _pause(self, error: HoldfastError) -> None:
        if self._is_up or self._trouble != str(error):
            self._telemetry.emit(RouteLost(route=self.name, broker=self._upstream.url, cause=str(error)))
        self._is_up, self._trouble = False, str(error)
        await asyncio.sleep(self._backoff.failed())

    def _forget_unacked(self) -> None:
        """Everything above what was acknowledged is read again."""
        self._parcels.clear()
        self._in_flight = 0
        self._read = dict(self._acked)

    # Facts, from any thread

    def _count(self, name: str) -> int:
        return self._journal.counters().get(f"{name}.{self.name}", 0) + self._owed.counts[name]

    def _lag_rows(self) -> int:
        return sum(self._journal.head(lane) - self._acked[lane] for lane in self.lanes)

    def _lag_s(self) -> float:
        """By the earliest row of the first group that waits."""
        oldest = [
            group.ts_min
            for lane in self.lanes
            if self._journal.head(lane) > self._acked[lane]
            for group in self._journal.read(lane, self._acked[lane], 1)[:1]
        ]
        return max(0.0, (self._clock.wall_ns() - min(oldest)) / NS_PER_S) if oldest else 0.0


def _noticed(told: asyncio.Future[None]) -> None:
    """A journal that can't be told any more says so itself."""
    if not told.cancelled():
        told.exception()
