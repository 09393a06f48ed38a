"""What can go wrong between an application and its queues.

QueueError
├── PutForked      caller: under a number that was taken there's another message; its database is an older image
├── LeaseOver      caller: the lease ran out, or the node restarted; the messages come again
├── QueueCrowded   operator: too many messages wait, or too many streams were begun
└── QueueBusy      world: the journal takes no writes now; ask again
"""

from holdfast.journal.queued import StreamMark
from holdfast.kernel.errors import HoldfastError


class QueueError(HoldfastError):
    """Something about a queue."""


class PutForked(QueueError):
    """The application offers another history than was taken. mark: how far its stream is taken here."""

    hint = "the application's database is an older image: begin a new stream with what it has"

    def __init__(self, mark: StreamMark) -> None:
        super().__init__(f"another message was taken under number {mark.n}")
        self.mark = mark


class LeaseOver(QueueError):
    """The lease isn't held any more."""

    hint = "lease again; what you did not ack comes again"


class QueueCrowded(QueueError):
    """The queue takes no more from applications."""

    hint = "see whether its consumers run: holdfast queue list NODE.YAML"


class QueueBusy(QueueError):
    """The node can't take messages right now."""

    hint = "keep the messages and put them again in a moment"
