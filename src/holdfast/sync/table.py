"""Tables that follow others: row changes of one SQLite database reach another's, in order and exactly once."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

import apsw

from holdfast.sync import capture, replica
from holdfast.sync.line import Leased
from holdfast.sync.node import Node
from holdfast.sync.queue import WAIT_S, Queue
from holdfast.sync.replica import Applied, Policy


class Table:
    """Tables of one database whose changes travel together through a queue.

    Both ends have the same tables (columns and primary key, NOT NULL). Uses SQLite's session extension, so connections
    are `apsw`'s. Changes made outside of `capture` aren't seen; a `snapshot` mends what they left.
    """

    def __init__(self, queue: Queue, *names: str, policy: Policy = "source") -> None:
        """policy: at the replica, who wins where its rows differ: `source`, `replica`, or `refuse` (dead letter)."""
        self._queue, self._names, self._policy = queue, names, policy

    def capture(self, connection: apsw.Connection) -> AbstractContextManager[None]:
        """One transaction: its changes to the tables are put into the queue with it.

            with stock.capture(connection):
                connection.execute("UPDATE articles SET …")

        Raises:
            TableUnfit, TransactionTooLarge (over 64 MB of changes): it was rolled back.
            NoTransaction: one is open already.
        """
        return capture.captured(connection, self._queue.name, self._names)

    def snapshot(self, connection: apsw.Connection) -> None:
        """Put everything that's in the tables now: the beginning for tables that have rows already.

        At the replica it takes the place of what is there, or, where the replica wins, only adds.

        Raises:
            TableUnfit, TransactionTooLarge (over 64 MB of rows), NoTransaction: nothing was put.
        """
        capture.put_snapshot(connection, self._queue.name, self._names)

    def apply(self, connection: apsw.Connection, message: Leased) -> Applied:
        """Apply a message of the queue inside a delivery's transaction, for consumers of one's own.

        Raises:
            SchemaDiffers, ConflictFound, Reject: see `follow`.
        """
        return replica.apply(connection, message, self._policy)

    def follow(
        self,
        connection: apsw.Connection,
        node: Node,
        *,
        stop: threading.Event | None = None,
        wait_s: float = WAIT_S,
    ) -> Iterator[Applied]:
        """Apply what comes, each capture in one transaction, and tell what it did, until `stop` is set.

        What conflicts with the replica and is refused becomes a dead letter at the node; the next captures go on.

        Raises:
            SchemaDiffers: the replica's tables aren't the source's; the message waits for them to be mended.
            Refused: the node won't.
        """
        for delivery in self._queue.consume(connection, node, stop=stop, wait_s=wait_s):
            done: Applied | None = None
            with delivery as message:
                done = self.apply(connection, message)
            yield done or Applied(refused=str(delivery.failure))
