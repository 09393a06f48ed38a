"""What a protocol has us say to who sent a message; the room that owns the way back sends it."""

from typing import NamedTuple


class Reply(NamedTuple):
    """A message that is owed. message: the one that called for it, counted over all runs of the decode call."""

    message: int
    topic: str
    payload: bytes
