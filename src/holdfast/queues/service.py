"""Takes messages and hands them out. Loop thread only.

A put is answered when its commit has returned; puts that wait together share one. A lease is a read; acks, failures and
what becomes dead are commits.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from holdfast.journal import queues
from holdfast.journal.journal import Journal
from holdfast.journal.queued import Depth, Queued, StreamMark
from holdfast.journal.queues import Buried, Failure, Taken
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import Clock
from holdfast.model.message import Message
from holdfast.queues.errors import LeaseOver, PutForked, QueueBusy, QueueCrowded
from holdfast.queues.happenings import QueueLeaseExpired, QueueLetterDied, QueueNumbersJumped, QueueStreamForked
from holdfast.queues.leases import Leases, culprits
from holdfast.queues.settings import QueueSettings
from holdfast.telemetry.happenings import Telemetry

LEASE_BYTES = 4 << 20
"""Bodies handed out at once, unless a single one is larger."""
LEASE_OVER = "the consumer went silent"


@dataclass(frozen=True, slots=True)
class Handed:
    """Messages for a consumer. lease: shown with every ack, empty when there are none; lease_s: how long it lasts."""

    lease: str = ""
    messages: Sequence[Queued] = ()
    lease_s: float = 0.0


@dataclass(slots=True)
class _Consumed:
    """One queue that is consumed here."""

    settings: QueueSettings
    leases: Leases
    # Reading what is free and handing it out must be one step: two consumers would get the same messages.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0


class QueueService:
    """The queues of one node."""

    def __init__(
        self,
        journal: Journal,
        settings: Mapping[str, QueueSettings],
        clock: Clock,
        telemetry: Telemetry,
        new_token: Callable[[], str],
    ) -> None:
        self._journal, self._settings, self._clock, self._telemetry = journal, settings, clock, telemetry
        self._new_token = new_token
        self._consumed = {
            name: _Consumed(queue, Leases(queue.lease)) for name, queue in settings.items() if queue.consume
        }
        journal.on_commit(self._look)
        self._register(telemetry)

    async def start(self) -> None:
        """Let the journal collect the messages of queues that are consumed here."""
        names = sorted(self._consumed)
        await self._journal.submit(lambda tx: queues.declare(tx, names))

    async def put(self, messages: Sequence[Message], after: StreamMark | None) -> Taken:
        """Take messages of one stream; returns when they're on disk.

        Raises:
            PutForked, QueueCrowded, QueueBusy: nothing was taken.
        """
        first = messages[0]
        if self._journal.condition is not Condition.OK:
            raise QueueBusy(f"the journal is {self._journal.condition.value}")
        if first.queue in self._consumed and self._waiting(first.queue) >= self._settings[first.queue].limit:
            raise QueueCrowded(f"{self._settings[first.queue].limit} messages wait in {first.queue}")
        taken = await self._journal.submit(lambda tx: queues.put(tx, messages, after))
        about = (first.queue, first.app, first.stream)
        if taken.crowded:
            raise QueueCrowded(f"{first.app} has begun {queues.MOST_STREAMS} streams in {first.queue}")
        if taken.forked:
            self._telemetry.emit(QueueStreamForked(*about, taken.mark.n))
            raise PutForked(taken.mark)
        if taken.jumped:
            self._telemetry.emit(QueueNumbersJumped(*about, taken.jumped))
        return taken

    async def lease(self, app: str, queue: str, most: int, wait_s: float) -> Handed:
        """Up to `most` messages that are free, in order; waits up to `wait_s` for the first."""
        of_queue = self._consumed[queue]
        deadline = self._clock.monotonic() + wait_s
        while True:
            of_queue.changed.clear()
            async with of_queue.turn:
                await self._expire(queue)
                busy = of_queue.leases.busy()
                found = await asyncio.to_thread(self._journal.waiting, queue, busy, most, LEASE_BYTES)
                if found:
                    lease = of_queue.leases.open(self._new_token(), app, found, self._clock.monotonic())
                    return Handed(lease.token, found, of_queue.settings.lease)
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return Handed()
            await self._wait(of_queue, left)

    async def ack(self, app: str, queue: str, lease: str, places: Sequence[int]) -> int:
        """These are done; returns when that's on disk, with how many there were.

        Raises:
            LeaseOver: nothing was acked.
        """
        of_queue = self._held(app, queue, lease, places)
        done = await self._journal.submit(lambda tx: queues.ack(tx, queue, places))
        of_queue.leases.done(lease, places)
        of_queue.changed.set()
        return done

    async def nack(self, app: str, queue: str, lease: str, failure: Failure, *, counts: bool = True) -> bool:
        """This one came to nothing; it and what follows of its source is free again. Returns whether it's dead now.

        counts: False gives it back without counting an attempt

        Raises:
            LeaseOver: nothing changed.
        """
        of_queue = self._held(app, queue, lease, [failure.place])
        dead = bool(await self._fail(queue, [failure])) if counts or failure.buries else False
        of_queue.leases.give_back(lease, failure.place)
        of_queue.changed.set()
        return dead

    def depths(self) -> list[Depth]:
        """The account of every queue consumed here. Blocking, any thread."""
        return self._journal.queue_depths()

    def leased(self) -> int:
        """Messages in consumers' hands."""
        return sum(len(one.leases) for one in self._consumed.values())

    def dead_letters(self, queue: str, after: int, limit: int) -> list[Queued]:
        """A queue's dead letters above a place. Blocking, any thread."""
        return self._journal.dead_letters(queue, after, limit)

    async def revive(self, queue: str, places: Sequence[int] | None) -> int:
        """Let dead letters wait again; None = all."""
        done = await self._journal.submit(lambda tx: queues.revive(tx, queue, places))
        if queue in self._consumed:
            self._consumed[queue].changed.set()
        return done

    async def drop(self, queue: str, places: Sequence[int] | None) -> int:
        """Throw dead letters away, counted; None = all."""
        return await self._journal.submit(lambda tx: queues.drop(tx, queue, places))

    def _held(self, app: str, queue: str, lease: str, places: Sequence[int]) -> _Consumed:
        of_queue = self._consumed[queue]
        if not of_queue.leases.held(lease, app, places, self._clock.monotonic()):
            raise LeaseOver("this lease is over, or never held these messages")
        return of_queue

    async def _expire(self, queue: str) -> None:
        for lease in self._consumed[queue].leases.expired(self._clock.monotonic()):
            self._telemetry.emit(QueueLeaseExpired(queue, lease.app, len(lease.held)))
            await self._fail(queue, [Failure(place, LEASE_OVER) for place in culprits(lease)])

    async def _fail(self, queue: str, failures: Sequence[Failure]) -> list[int]:
        most, buried = self._settings[queue].max_attempts, Buried()
        await self._journal.submit(lambda tx: queues.fail(tx, queue, failures, most, buried))
        if buried.places:
            self._telemetry.emit(QueueLetterDied(queue, len(buried.places), failures[0].reason))
        return buried.places

    async def _wait(self, of_queue: _Consumed, left: float) -> None:
        end = of_queue.leases.next_end()
        if end is not None:
            left = min(left, max(0.01, end - self._clock.monotonic()))
        try:
            async with asyncio.timeout(left):
                await of_queue.changed.wait()
        except TimeoutError:
            return

    def _look(self) -> None:
        """After each commit: wake who waits for a queue that got something."""
        counters = self._journal.counters()
        for name, of_queue in self._consumed.items():
            came = counters.get(f"queue_queued.{name}", 0)
            if came != of_queue.seen:
                of_queue.seen = came
                of_queue.changed.set()

    def _waiting(self, queue: str) -> int:
        """From the counters, in memory; dead letters count, as they take room."""
        counters = self._journal.counters()
        came, acked, dropped = (counters.get(f"queue_{what}.{queue}", 0) for what in ("queued", "acked", "dropped"))
        return came - acked - dropped

    def _register(self, telemetry: Telemetry) -> None:
        for name, one in self._consumed.items():
            telemetry.gauge("queue_leased", "Messages in consumers' hands.", partial(len, one.leases), queue=name)
        for what, text in (("waiting", "Messages that wait for consumers."), ("dead", "Dead letters.")):
            telemetry.table("gauge", f"queue_{what}", text, ("queue",), partial(self._by_queue, what), slow=True)

    def _by_queue(self, what: str) -> list[tuple[tuple[str], float]]:
        return [((depth.queue,), getattr(depth, what)) for depth in self._journal.queue_depths()]
