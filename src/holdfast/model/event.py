"""An event: something an operator would want to know."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from holdfast.model.lane import Lane

Severity = Literal["info", "warning", "critical"]
# What this version says. Nodes below may be newer and say more: what is read isn't held to this list.
EventKind = Literal[
    "alert.acknowledged",
    "alert.commented",
    "alert.raised",
    "alert.cleared",
    "alert.labelled",
    "clock.stepped",
    "command.ended",
    "journal.damaged",
    "rule.resumed",
    "rule.throttled",
    "sync.branched",
    "sync.gap",
    "sync.suspect",
]


_LATER = {
    "alert.acknowledged",
    "alert.commented",
    "alert.labelled",
    "command.ended",
    "rule.resumed",
    "rule.throttled",
}
FIRST_KINDS: frozenset[str] = frozenset(get_args(EventKind)) - _LATER
"""Those that a parent reads which doesn't say that it takes others."""


class Event(Struct, frozen=True, kw_only=True):
    """Something an operator would want to know, with why.

    id is deterministic: the same rule on the same rows gives the same id, so a replay repeats nothing (G7).
    ts is the event time of the row that decided it, ns UTC. `why` holds JSON values only: the inputs, the window,
    the condition's text and the rule's version.
    """

    id: str
    ts: int
    lane: Lane = Lane.CRITICAL
    kind: Annotated[str, Meta(max_length=64)]
    severity: Severity
    node: str
    device: str
    rule: str
    message: str
    why: dict[str, object]

    @property
    def metric(self) -> str:
        """Of the series that it's about; empty = the device as a whole. In `why`, so that older nodes pass it on."""
        return str(self.why.get("metric", ""))
