"""An ordered queue between applications: put in one's own transaction, take effect in another's, exactly once."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.sync import outbox
from holdfast.sync.consuming import Consumer, Delivery
from holdfast.sync.database import Database
from holdfast.sync.node import Node

WAIT_S = 20.0


@dataclass(frozen=True)
class Queue:
    """A queue by its name in node.yaml.

    What one database puts arrives in the order of its commits. Several databases may put, each with its own order. All
    consumers of a queue must share one database: its inbox is what makes an effect happen once.
    """

    name: str

    def put(self, connection: Database, body: bytes) -> int:
        """Put a message into the caller's open transaction: it's sent if, and only if, that commits.

        connection: of `sqlite3` or `apsw`; body: at most 1,000,000 bytes. Returns the message's number in this
        database's stream. An `Outbox` over the same database sends it.

        Raises:
            NoTransaction, MessageTooLarge: nothing was written.
        """
        return outbox.put(connection, self.name, body)

    def consume(
        self,
        connection: Database,
        node: Node,
        *,
        stop: threading.Event | None = None,
        most: int = 100,
        wait_s: float = WAIT_S,
    ) -> Iterator[Delivery]:
        """Messages, oldest first, until `stop` is set; waits for more, and for a node that is away.

            for delivery in orders.consume(connection, node):
                with delivery as message:
                    connection.execute(…)

        The transaction has begun, with the inbox's mark in it; leaving the block commits both. Raising `Retry` in it
        rolls back and has the message delivered again, raising `Reject` makes it a dead letter; both go on with the
        loop. Anything else counts as an attempt, too, and is raised on.

        connection: with autocommit (`isolation_level=None`), and used by nobody else meanwhile
        most:       messages taken at once; `stop` is looked at before each and every `wait_s` seconds

        Raises:
            Refused: the node won't.
            NotSettled: a delivery's block was left out.
        """
        return Consumer(connection, self.name, node, most, wait_s).deliveries(stop or threading.Event())
