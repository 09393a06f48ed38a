"""What applications and the queues say to each other, as JSON. Bodies and ids are base64."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, Struct

from holdfast.journal.queued import Depth, Queued, StreamMark
from holdfast.journal.queues import Taken
from holdfast.model.message import ID_BYTES, MAX_BODY, Message, Number, StreamName
from holdfast.web.errors import Refused

MOST_MESSAGES = 1_000
MOST_BYTES = 2_000_000
"""Bodies of one put together."""
LONGEST_WAIT_S = 60.0
Id = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Places = Annotated[tuple[int, ...], Meta(min_length=1, max_length=10_000)]


class Mark(Struct, frozen=True):
    """How far a stream is taken."""

    n: Annotated[int, Meta(ge=0, lt=2**53)]
    id: Annotated[bytes, Meta(max_length=ID_BYTES)] = b""


class PutMessage(Struct, frozen=True):
    """A message of a stream. id: 16 random bytes; without one, the hash of the body."""

    n: Number
    body: Annotated[bytes, Meta(max_length=MAX_BODY)]
    id: Id | None = None


class PutRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Messages of one stream, their numbers ascending. after: the mark that the last answer told."""

    stream: StreamName
    messages: Annotated[tuple[PutMessage, ...], Meta(min_length=1, max_length=MOST_MESSAGES)]
    after: Mark | None = None


class PutReply(Struct, frozen=True, omit_defaults=True):
    """mark: up to here everything is on disk, whenever it came. error: nothing was taken."""

    mark: Mark
    stored: int = 0
    repeated: int = 0
    error: str = ""
    hint: str = ""

    @classmethod
    def taken(cls, taken: Taken) -> "PutReply":
        """The answer after the commit."""
        return cls(Mark(taken.mark.n, taken.mark.id), taken.stored, taken.repeated)

    @classmethod
    def forked(cls, mark: StreamMark, error: str, hint: str) -> "PutReply":
        """The answer to another history."""
        return cls(Mark(mark.n, mark.id), error=error, hint=hint)


class LeaseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to `most` messages; waits up to `wait_s` seconds for the first."""

    most: Annotated[int, Meta(ge=1, le=MOST_MESSAGES)] = 100
    wait_s: Annotated[float, Meta(ge=0, le=LONGEST_WAIT_S)] = 0.0


class LeasedMessage(Struct, frozen=True):
    """A message in hand. place: what to ack; source, n: its order; attempts: deliveries that came to nothing."""

    place: int
    source: str
    n: int
    id: bytes
    ts: int
    attempts: int
    body: bytes


class LeaseReply(Struct, frozen=True):
    """lease: shown with every ack; empty without messages. lease_s: seconds until the first ack is due."""

    lease: str
    messages: list[LeasedMessage]
    lease_s: float


class AckRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """These are done."""

    lease: str
    places: Places


class AckReply(Struct, frozen=True):
    """How many were there."""

    acked: int


class NackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """This one came to nothing. dead: no further try; counts: False = no attempt was made."""

    lease: str
    place: int
    reason: Annotated[str, Meta(max_length=1_000)] = ""
    dead: bool = False
    counts: bool = True


class NackReply(Struct, frozen=True):
    """Is it a dead letter now?"""

    dead: bool


class QueueRow(Struct, frozen=True):
    """One queue's account where it's consumed: queued = acked + waiting + dead + dropped."""

    queue: str
    queued: int
    acked: int
    waiting: int
    dead: int
    dropped: int
    oldest_ns: int
    residual: int

    @classmethod
    def of(cls, depth: Depth) -> "QueueRow":
        """From the journal's account."""
        rest = (depth.waiting, depth.dead, depth.dropped, depth.oldest_ns, depth.residual)
        return cls(depth.queue, depth.queued, depth.acked, *rest)


class DeadLetter(Struct, frozen=True):
    """A message that nobody gets any more, and why."""

    place: int
    source: str
    n: int
    id: bytes
    ts: int
    attempts: int
    reason: str
    body: bytes


class DeadRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with dead letters. places: which; absent = all."""

    do: Literal["replay", "drop"]
    places: Places | None = None


class DeadReply(Struct, frozen=True):
    """How many it was done to."""

    done: int


def handed(one: Queued) -> LeasedMessage:
    """A message as a consumer gets it."""
    return LeasedMessage(one.place, one.source, one.n, one.id, one.ts, one.attempts, one.body)


def letter(one: Queued) -> DeadLetter:
    """A dead letter as a person gets it."""
    return DeadLetter(one.place, one.source, one.n, one.id, one.ts, one.attempts, one.dead, one.body)


def messages_of(node: str, queue: str, app: str, wanted: PutRequest, now_ns: int) -> list[Message]:
    """The messages of a put.

    Raises:
        Refused: 400 when numbers don't ascend, 413 when they are too large together.
    """
    if sum(len(one.body) for one in wanted.messages) > MOST_BYTES:
        raise Refused(413, f"the bodies have more than {MOST_BYTES} bytes together", "put fewer at once")
    if not _ascend([one.n for one in wanted.messages]):
        raise Refused(400, "the numbers don't ascend", "number a stream's messages 1, 2, 3 …")
    return [
        Message(queue, node, app, wanted.stream, one.n, one.id or _hash(one.body), now_ns, one.body)
        for one in wanted.messages
    ]


def _ascend(numbers: Sequence[int]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


def _hash(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:ID_BYTES]
