"""An event: something an operator would want to know."""

from typing import Literal

from msgspec import Struct

from holdfast.model.lane import Lane

Severity = Literal["info", "warning", "critical"]
EventKind = Literal[
    "alert.raised",
    "alert.cleared",
    "clock.stepped",
    "command.ended",
    "journal.damaged",
    "sync.branched",
    "sync.gap",
    "sync.suspect",
]


class Event(Struct, frozen=True, kw_only=True):
    """Something an operator would want to know, with why.

    id is deterministic: the same rule on the same rows gives the same id, so a replay repeats nothing (G7).
    ts is the event time of the row that decided it, ns UTC. `why` holds JSON values only: the inputs, the window,
    the condition's text and the rule's version.
    """

    id: str
    ts: int
    lane: Lane = Lane.CRITICAL
    kind: EventKind
    severity: Severity
    node: str
    device: str
    rule: str
    message: str
    why: dict[str, object]
