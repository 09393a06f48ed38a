"""A command to a device: what is asked of it, by whom, until when, and what may become of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

MAX_PARAMS = 64 << 10
"""Bytes of a command's parameters as JSON."""
MAX_RESULT = 64 << 10
"""Bytes of a device's answer."""
CommandId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
CommandName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
DeviceName = Annotated[str, Meta(min_length=1, max_length=256)]


_UNSAFE = str.maketrans({"+": "_", "#": "_", "\0": "_", "/": "_"})


def topic_level(device: str) -> str:
    """A device's name as one level of a topic: what would be a wildcard or a second level is made harmless."""
    return device.translate(_UNSAFE)


class State(StrEnum):
    """How far a command is. Append only: the words are stored and travel."""

    ACCEPTED = "accepted"
    """On disk; nobody was handed it."""
    SENT = "sent"
    """Handed to the device's session, or on the disk of the node that is nearer to it."""
    DELIVERED = "delivered"
    """The device's end of the protocol has acknowledged it."""
    DONE = "done"
    """The device says that it did it."""
    FAILED = "failed"
    """The device says that it tried and couldn't."""
    REFUSED = "refused"
    """The device, or a node before it, won't."""
    EXPIRED = "expired"
    """Its deadline passed without an answer."""
    UNDELIVERABLE = "undeliverable"
    """There is no way to the device, and waiting would not make one."""

    @property
    def is_terminal(self) -> bool:
        """Does nothing come after it?"""
        return not NEXT[self]


_ENDS = frozenset({State.DONE, State.FAILED, State.REFUSED, State.EXPIRED, State.UNDELIVERABLE})
NEXT: Mapping[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.SENT, State.DELIVERED}) | _ENDS,
    State.SENT: frozenset({State.DELIVERED}) | _ENDS,
    State.DELIVERED: _ENDS,
    **dict.fromkeys(_ENDS, frozenset[State]()),
}
"""The whole state machine. An answer may overtake the acknowledgement that it follows, so every open state may end."""


class Command(Struct, frozen=True):
    """What is asked of a device.

    node:        where the device is
    params:      a JSON object, canonical
    origin:      who asked: `local`, `person:NAME`, `app:NAME`, `rule:NAME`, `mqtt:CLIENT`, each after `parent/` for
                 every node above
    deadline_ns: after this it is of no use, ns UTC by this node's clock
    """

    id: str
    node: str
    device: str
    name: str
    params: bytes
    origin: str
    made_ns: int
    deadline_ns: int

    def asks_the_same(self, other: "Command") -> bool:
        """Is it a repeat? When it was asked, and until when it's good, differs between tries."""
        mine, theirs = (self.node, self.device, self.name), (other.node, other.device, other.name)
        return mine == theirs and self.params == other.params


class Answer(Struct, frozen=True):
    """What became of a command. state: terminal; result: JSON, empty = none; doubt: the device may have done it."""

    state: State
    detail: str = ""
    result: bytes = b""
    doubt: bool = False
