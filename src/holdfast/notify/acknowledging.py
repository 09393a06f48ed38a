"""The event that says who deals with an alert: it travels to every node above. Pure; ids are deterministic."""

from hashlib import blake2b

from holdfast.journal.alerts import Alert
from holdfast.model.event import Event
from holdfast.notify.routing import ACKNOWLEDGED


def acknowledged(node: str, alert: Alert, by: str, comment: str, at_ns: int) -> Event:
    """The event. node: where this is said."""
    raised = alert.raised
    words = f": {comment}" if comment else ""
    return Event(
        id=blake2b(f"acknowledged\0{node}\0{alert.event}".encode(), digest_size=16).hexdigest(),
        ts=at_ns,
        lane=raised.lane,
        kind=ACKNOWLEDGED,
        severity=alert.severity,
        node=alert.node,
        device=alert.device,
        rule=alert.rule,
        message=f"{by} deals with {alert.rule} at {alert.device}{words}",
        why={"event": alert.event, "by": by, "comment": comment, "said_by": node},
    )
