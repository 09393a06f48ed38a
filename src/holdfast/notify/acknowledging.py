"""The events that say what people do about an alert: they travel to every node above. Pure; ids are deterministic."""

from hashlib import blake2b

from holdfast.journal.alert_labels import Labelled
from holdfast.journal.alerts import Alert
from holdfast.model.event import Event
from holdfast.notify.routing import ACKNOWLEDGED, COMMENTED, LABELLED


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
        why={"event": alert.event, "by": by, "comment": comment, "said_by": node} | _of_series(alert),
    )


def commented(node: str, alert: Alert, by: str, text: str, at_ns: int) -> Event:
    """The event that says what somebody wrote about an alert."""
    return Event(
        id=blake2b(f"commented\0{node}\0{alert.event}\0{by}\0{text}\0{at_ns}".encode(), digest_size=16).hexdigest(),
        ts=at_ns,
        lane=alert.raised.lane,
        kind=COMMENTED,
        severity="info",
        node=alert.node,
        device=alert.device,
        rule=alert.rule,
        message=f"{by} on {alert.rule} at {alert.device}: {text}",
        why={"event": alert.event, "by": by, "comment": text, "said_by": node} | _of_series(alert),
    )


def labelled(node: str, alert: Alert, one: Labelled) -> Event:
    """The event that says what a detector's alert was worth."""
    words = f": {one.comment}" if one.comment else ""
    return Event(
        id=blake2b(f"labelled\0{node}\0{alert.event}\0{one.label}\0{one.made_ns}".encode(), digest_size=16).hexdigest(),
        ts=one.made_ns,
        lane=alert.raised.lane,
        kind=LABELLED,
        severity="info",
        node=alert.node,
        device=alert.device,
        rule=alert.rule,
        message=f"{one.by} {one.label} {alert.rule} at {' '.join(filter(None, (alert.device, alert.metric)))}{words}",
        why={"event": alert.event, "label": one.label, "by": one.by, "comment": one.comment, "said_by": node}
        | _of_series(alert),
    )


def _of_series(alert: Alert) -> dict[str, object]:
    return {"metric": alert.metric} if alert.metric else {}
