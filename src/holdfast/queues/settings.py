"""`queues:` in node.yaml: which messages a node takes and hands out, and to whom."""

from collections.abc import Mapping
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration

Finding = tuple[tuple[str | int, ...], str]
LONGEST_LEASE_S = 86_400.0


class QueueSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One queue at this node."""

    consume: bool = False
    """Its messages end here: consumers get them from this node. They travel further up all the same."""
    max_attempts: Annotated[int, Meta(ge=1, le=1_000)] = 5
    """After so many deliveries that came to nothing a message is a dead letter."""
    lease: Duration = 30.0
    """How long a consumer may take from one ack to the next, before its messages go to another."""
    limit: Annotated[int, Meta(ge=1)] = 1_000_000
    """With so many of its messages waiting here, this node takes no more from applications; a child's always."""


class Rights(Protocol):
    """What an application may do with queues: `identity.apps.AppSettings`."""

    @property
    def put(self) -> tuple[str, ...]:
        """Queues into which it may put."""
        ...

    @property
    def consume(self) -> tuple[str, ...]:
        """Queues from which it may consume."""
        ...


def findings(queues: Mapping[str, QueueSettings], apps: Mapping[str, Rights]) -> list[Finding]:
    """What is wrong beyond types: where, and what to do."""
    found: list[Finding] = []
    for name, queue in queues.items():
        if not 0 < queue.lease <= LONGEST_LEASE_S:
            found.append((("queues", name, "lease"), "above 0 s and at most a day"))
    for name, app in apps.items():
        for word, wanted in (("put", app.put), ("consume", app.consume)):
            for i, queue_name in enumerate(wanted):
                found += _known((("apps", name, word, i)), word, queue_name, queues)
    return found


def _known(where: tuple[str | int, ...], word: str, name: str, queues: Mapping[str, QueueSettings]) -> list[Finding]:
    queue = queues.get(name)
    if queue is None:
        return [(where, f"there is no queue `{name}` in `queues`")]
    if word == "consume" and not queue.consume:
        return [(where, f"`{name}` isn't consumed at this node; set `queues.{name}.consume: true`")]
    return []
