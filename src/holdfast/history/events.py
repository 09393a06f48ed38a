"""The latest events, newest first. Blocking, any thread."""

from holdfast.history.ports import Groups
from holdfast.journal.blobs import decode_events
from holdfast.journal.records import GroupKind
from holdfast.model.event import Event
from holdfast.model.lane import Lane

_FIRST_LOOK = 512


def latest_events(groups: Groups, head: int, limit: int, lane: Lane = Lane.CRITICAL) -> list[Event]:
    """The last `limit` events of a lane whose last seq is `head`, in reverse journal order.

    Looks back from the head in widening strides: a group that straddles a stride's begin shows up in the next one.
    """
    look = _FIRST_LOOK
    while True:
        after = max(0, head - look)
        found = groups.read(lane, after, look)
        events = [e for g in found if g.kind == GroupKind.EVENTS for e in decode_events(g.blob)]
        if len(events) >= limit or after == 0:
            return events[::-1][:limit]
        look *= 4
