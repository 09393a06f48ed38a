"""The latest events, newest first. Blocking, any thread."""

from holdfast.history.ports import Latest
from holdfast.journal.blobs import decode_events
from holdfast.model.event import Event
from holdfast.model.lane import Lane


def latest_events(groups: Latest, limit: int, lane: Lane = Lane.CRITICAL) -> list[Event]:
    """The last `limit` events of a lane, in reverse journal order. Each group has at least one."""
    found = groups.latest_events(lane, limit)
    return [event for group in found for event in reversed(decode_events(group.blob))][:limit]
