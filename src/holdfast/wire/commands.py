"""What a child and its parent say to each other about commands that go down. Append only, like `messages`.

A parent keeps handing a command out until the child says that it's on the child's disk; the child takes each once, by
its id. How it ended travels up with the child's events.
"""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.model.command import MAX_PARAMS, CommandId, CommandName, DeviceName

MOST_ORDERS = 100
MOST_BYTES = 1 << 20
"""Parameters in one answer, unless one command alone has more."""


class CommandPoll(Struct, frozen=True):
    """A child's question. taken: ids from the last answer that are on its disk; wait_s: how long it stays."""

    taken: Annotated[tuple[CommandId, ...], Meta(max_length=MOST_ORDERS)] = ()
    wait_s: Annotated[float, Meta(ge=0, le=600)] = 25.0


class Order(Struct, frozen=True):
    """A command for the child, or for a node below it.

    params: a JSON object; origin: who asked; left_s: until the deadline, for a child that doesn't trust its clock
    made_ns: when the parent took it, 0 = an older one, which doesn't say; a device may have been renamed since
    """

    id: CommandId
    node: Annotated[str, Meta(min_length=1, max_length=128)]
    device: DeviceName
    name: CommandName
    params: Annotated[bytes, Meta(max_length=MAX_PARAMS)]
    origin: Annotated[str, Meta(max_length=512)]
    deadline_ns: Annotated[int, Meta(gt=-(2**62), lt=2**62)]
    left_s: Annotated[float, Meta(ge=0, le=1e9)]
    made_ns: Annotated[int, Meta(gt=-(2**62), lt=2**62)] = 0


class Orders(Struct, frozen=True):
    """The parent's answer."""

    orders: Annotated[tuple[Order, ...], Meta(max_length=MOST_ORDERS)] = ()
