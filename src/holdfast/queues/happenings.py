"""What queues tell the log and the metrics."""

from holdfast.telemetry.happenings import Happening, Level


class QueueLetterDied(Happening, frozen=True):
    """Messages became dead letters; a person must look at them."""

    level = Level.WARNING
    metric = "queue_letters_died"
    queue: str
    messages: int
    reason: str


class QueueLeaseExpired(Happening, frozen=True):
    """A consumer went silent with messages in hand; they go to the next."""

    level = Level.WARNING
    metric = "queue_leases_expired"
    queue: str
    app: str
    messages: int


class QueueStreamForked(Happening, frozen=True):
    """An application came back from an older image; it begins a new stream."""

    level = Level.WARNING
    metric = "queue_streams_forked"
    queue: str
    app: str
    stream: str
    taken: int


class QueueNumbersJumped(Happening, frozen=True):
    """A stream goes on above what this node has of it: the node came back from an older image."""

    level = Level.WARNING
    metric = "queue_numbers_jumped"
    queue: str
    app: str
    stream: str
    numbers: int
