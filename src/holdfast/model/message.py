"""A message of an application: opaque bytes in a queue, in the order of the stream that they came in."""

from typing import Annotated

from msgspec import Meta, Struct

MAX_BODY = 1_000_000
"""Bytes of one message's body."""
ID_BYTES = 16
QueueName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
StreamName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
# Below 2**53 every JSON reader holds it exactly.
Number = Annotated[int, Meta(ge=1, lt=2**53)]


class Message(Struct, frozen=True, array_like=True):
    """What an application put into a queue.

    node, app: the node that took it, and as whom the application was known there
    stream, n: the application's own sequence; `n` ascends within a stream and queue
    id:        random, the application's; tells a repeat of `n` from another message under the same number
    ts:        when the node took it, ns UTC by its clock
    """

    queue: QueueName
    node: Name
    app: Name
    stream: StreamName
    n: Number
    id: Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
    ts: Annotated[int, Meta(gt=-(2**62), lt=2**62)]
    body: Annotated[bytes, Meta(max_length=MAX_BODY)]

    @property
    def source(self) -> str:
        """Whose order it is part of."""
        return f"{self.node}/{self.app}/{self.stream}"
