"""The conservation law (G5), computed from committed counters and positions. Pure.

Messages: received = accepted + rejected (duplicates are one reason of rejection).
Rows, per lane: committed = delivered + pending + kept. A node with a parent delivers; the topmost node keeps.
`residual` is what is left over: 0, or something is wrong.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from holdfast.model.lane import Lane

_REJECTED = "messages_rejected."


class Messages(Struct, frozen=True):
    """Device messages at this node's own door."""

    received: int
    accepted: int
    rejected: dict[str, int]
    quarantined: int
    duplicates: int
    residual: int


class LaneRows(Struct, frozen=True):
    """One lane's rows. pending: committed here, not yet at the parent. kept: here to stay, for want of a parent."""

    lane: int
    committed: int
    delivered: int
    pending: int
    kept: int
    residual: int


class Rows(Struct, frozen=True):
    """Rows of all lanes: own readings and events, and what children sent."""

    readings: int
    events: int
    from_children: int
    committed: int
    residual: int


class Ledger(Struct, frozen=True):
    """The whole account of a node. balanced: every residual is 0."""

    messages: Messages
    rows: Rows
    lanes: list[LaneRows]
    balanced: bool


def balance(counters: Mapping[str, int], heads: Sequence[int], delivered: Sequence[int] | None) -> Ledger:
    """The ledger.

    heads:     last committed seq of each lane, in lane order
    delivered: the parent's acknowledged seq of each lane; None when there is no parent
    """
    messages = _messages(counters)
    lanes = [_lane(lane, counters, heads[lane], None if delivered is None else delivered[lane]) for lane in Lane]
    rows = _rows(counters, lanes)
    balanced = not (messages.residual or rows.residual or any(lane.residual for lane in lanes))
    return Ledger(messages, rows, lanes, balanced)


def _messages(counters: Mapping[str, int]) -> Messages:
    received, accepted = counters.get("messages_received", 0), counters.get("messages_accepted", 0)
    rejected = {k.removeprefix(_REJECTED): v for k, v in sorted(counters.items()) if k.startswith(_REJECTED)}
    total, duplicates = sum(rejected.values()), rejected.get("duplicate", 0)
    return Messages(received, accepted, rejected, total - duplicates, duplicates, received - accepted - total)


def _lane(lane: Lane, counters: Mapping[str, int], head: int, delivered: int | None) -> LaneRows:
    committed = counters.get(f"rows_committed.lane{int(lane)}", 0)
    sent = 0 if delivered is None else delivered
    pending = 0 if delivered is None else head - delivered
    kept = head if delivered is None else 0
    return LaneRows(int(lane), committed, sent, pending, kept, committed - sent - pending - kept)


def _rows(counters: Mapping[str, int], lanes: Sequence[LaneRows]) -> Rows:
    readings, events = counters.get("readings_accepted", 0), counters.get("events_accepted", 0)
    children = sum(counters.get(f"ingest_rows.lane{int(lane)}", 0) for lane in Lane)
    committed = sum(lane.committed for lane in lanes)
    return Rows(readings, events, children, committed, readings + events + children - committed)
