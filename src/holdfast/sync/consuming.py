"""Takes messages from a node and lets each take effect once, in order, in the application's own transactions."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType

from holdfast.kernel.clock import Clock, SystemClock
from holdfast.sync import inbox
from holdfast.sync.database import Database
from holdfast.sync.errors import NotSettled, Reject, Retry, SchemaDiffers, Unreachable
from holdfast.sync.line import Handed, Leased, Line
from holdfast.sync.node import Node

# Acks may gather, as the inbox knows repeats; a lease is prolonged by each.
ACK_AFTER = 100
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 5.0


class Delivery:
    """A message in an open transaction. `with delivery as message:` commits, or undoes what was done and tells why."""

    def __init__(self, db: Database, message: Leased, settle: Callable[[BaseException | None], None]) -> None:
        self._db, self.message, self._settle = db, message, settle
        self.is_settled = False
        self.failure: BaseException | None = None

    def __enter__(self) -> Leased:
        return self.message

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.is_settled, self.failure = True, error
        self._db.execute("COMMIT" if error is None else "ROLLBACK")
        self._settle(error)
        return isinstance(error, Retry | Reject)


class Consumer:
    """One consumer's work on one queue. Everything in one thread."""

    def __init__(
        self, db: Database, queue: str, node: Node, most: int, wait_s: float, clock: Clock | None = None
    ) -> None:
        self._db, self._queue, self._most, self._wait_s = db, queue, most, wait_s
        self._line, self._clock = Line(node), clock or SystemClock()
        self._done: list[int] = []
        self._acked_at = 0.0

    def deliveries(self, stop: threading.Event) -> Iterator[Delivery]:
        """Messages until `stop` is set, each in a transaction that has begun."""
        inbox.prepare(self._db)
        pause = PAUSE_MIN_S
        try:
            while not stop.is_set():
                try:
                    handed = self._line.lease(self._queue, self._most, self._wait_s)
                    yield from self._work(handed, stop)
                    pause = PAUSE_MIN_S
                except Unreachable:  # what took effect is in the inbox: it will come again, and be known
                    stop.wait(pause)
                    pause = min(2 * pause, PAUSE_MAX_S)
        finally:
            self._line.close()

    def _work(self, handed: Handed, stop: threading.Event) -> Iterator[Delivery]:
        self._done, self._acked_at = [], self._clock.monotonic()
        left_out: set[str] = set()
        try:
            for message in handed.messages:
                if stop.is_set():
                    return
                if message.source in left_out:
                    continue
                delivery = self._begin(message, handed)
                if delivery is not None:
                    yield delivery
                    self._require_settled(delivery)
                    if delivery.failure is not None:
                        left_out.add(message.source)
                if not self._ack_if_due(handed):
                    return
        finally:
            with suppress(Unreachable):
                self._ack(handed)

    def _begin(self, message: Leased, handed: Handed) -> Delivery | None:
        """A transaction with the message's mark in it; None when it took effect before."""
        self._db.execute("BEGIN IMMEDIATE")
        if inbox.advance(self._db, self._queue, message.source, message.n):
            return Delivery(self._db, message, lambda failure: self._settle(message, handed, failure))
        self._db.execute("ROLLBACK")
        self._done.append(message.place)
        return None

    def _require_settled(self, delivery: Delivery) -> None:
        if not delivery.is_settled:
            self._db.execute("ROLLBACK")
            raise NotSettled("a message was taken and not worked on")

    def _settle(self, message: Leased, handed: Handed, failure: BaseException | None) -> None:
        """What took effect will be acked; what did not is given back, after the acks of what came before it."""
        if failure is None:
            self._done.append(message.place)
            return
        counts = isinstance(failure, Exception) and not isinstance(failure, SchemaDiffers)
        reason = str(failure) or repr(failure)
        with suppress(Unreachable):  # then its lease runs out
            self._ack(handed)
            is_dead = isinstance(failure, Reject)
            self._line.nack(self._queue, handed.lease, message.place, reason, dead=is_dead, counts=counts)

    def _ack_if_due(self, handed: Handed) -> bool:
        is_late = self._clock.monotonic() - self._acked_at > handed.lease_s / 3
        return self._ack(handed) if is_late or len(self._done) >= ACK_AFTER else True

    def _ack(self, handed: Handed) -> bool:
        """Tell what is done; False when the lease is over."""
        if not self._done:
            return True
        done, self._done = self._done, []
        self._acked_at = self._clock.monotonic()
        return self._line.ack(self._queue, handed.lease, done)
