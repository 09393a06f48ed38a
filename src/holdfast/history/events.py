"""The latest events, newest first. Blocking, any thread."""

from holdfast.history.ports import Latest
from holdfast.journal.blobs import decode_events
from holdfast.model.event import Event
from holdfast.model.lane import Lane


def latest_everywhere(groups: Latest, limit: int) -> list[Event]:
    """The last `limit` alerts that this node may show, newest first.

    An alert about what stays is in a lane that stays, whole, and in lane 0 there's a stub of it for others: where both
    are, the whole one is shown.
    """
    kept = [event for lane in Lane if lane.stays for event in latest_events(groups, limit, lane)]
    stubs = {event.why.get("left_as") for event in kept}
    whole = [event for event in latest_events(groups, limit + len(kept)) if event.id not in stubs]
    urgent = [event for event in kept if event.lane is Lane.CRITICAL]
    if not urgent:
        return whole[:limit]
    return sorted(whole + urgent, key=lambda event: event.ts, reverse=True)[:limit]


def latest_events(groups: Latest, limit: int, lane: Lane = Lane.CRITICAL) -> list[Event]:
    """The last `limit` events of a lane, in reverse journal order. Each group has at least one."""
    found = groups.latest_events(lane, limit)
    return [event for group in found for event in reversed(decode_events(group.blob))][:limit]
