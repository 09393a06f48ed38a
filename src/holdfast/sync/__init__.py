"""For applications: messages and tables that reach other nodes exactly once, out of the application's own SQLite.

    from holdfast.sync import Node, Outbox, Queue, Table

Needs a Holdfast node with `queues` and `apps` in its node.yaml; brings nothing of the node into the application. Unlike
a room of the house it re-exports: this is the door that other programs come through. What is edited on several nodes is
in `holdfast.sync.document` and `holdfast.sync.counter`, which need the extra `sync`.
"""

from holdfast.sync.consuming import Delivery
from holdfast.sync.errors import (
    ConflictFound,
    MessageTooLarge,
    NoFile,
    NoTransaction,
    NotSettled,
    Refused,
    Reject,
    Retry,
    SchemaDiffers,
    SyncError,
    TableUnfit,
    TransactionTooLarge,
    Unreachable,
)
from holdfast.sync.line import Leased
from holdfast.sync.node import Node
from holdfast.sync.outbox import Outbox
from holdfast.sync.queue import Queue
from holdfast.sync.replica import Applied
from holdfast.sync.table import Table

__all__ = [
    "Applied",
    "ConflictFound",
    "Delivery",
    "Leased",
    "MessageTooLarge",
    "NoFile",
    "NoTransaction",
    "Node",
    "NotSettled",
    "Outbox",
    "Queue",
    "Refused",
    "Reject",
    "Retry",
    "SchemaDiffers",
    "SyncError",
    "Table",
    "TableUnfit",
    "TransactionTooLarge",
    "Unreachable",
]
