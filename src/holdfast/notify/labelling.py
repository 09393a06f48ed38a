"""What a detector's or a model's alert was worth: which alerts may be labelled, and what is stored of it."""

from holdfast.journal import alert_labels, alerts
from holdfast.journal.alert_labels import Label, Labelled
from holdfast.journal.alerts import Alert
from holdfast.model.event import Event
from holdfast.model.predictions import result_of
from holdfast.notify.book import READS
from holdfast.notify.errors import RequestInvalid
from holdfast.storage.sqlite import Connection


def look(db: Connection, number: int) -> tuple[Alert | None, Labelled | None]:
    """An alert, and its label."""
    found = alerts.find(db, number)
    return found, None if found is None else alert_labels.find(db, found.id)


def model_of(raised: Event) -> str:
    """The deployment whose results an alert's rule reads; empty = it reads none."""
    reads = raised.why.get(READS)
    found = (result_of(str(metric)) for metric in reads) if isinstance(reads, list) else iter(())
    return next((deployment for deployment, _ in filter(None, found)), "")


def require_detector(alert: Alert, node: str) -> None:
    """Only a detector's and a model's alerts are labelled, and only at the node that decided on them.

    Raises:
        RequestInvalid: for others.
    """
    if "detector" not in alert.raised.why and not model_of(alert.raised):
        raise RequestInvalid(
            f"alert {alert.id} is no detector's: nothing learns from what is said of it",
            "change the rule's limit, or acknowledge the alert",
        )
    decided_on = alert.raised.why.get("decided_on")
    if decided_on != node:
        raise RequestInvalid(
            f"alert {alert.id} was decided on {decided_on}, where the series' threshold is",
            "confirm or reject it there; it's reported here",
        )


def said(alert: Alert, before: Labelled | None, label: Label, by: str, comment: str, at_ns: int) -> Labelled:
    """The label, in place of the one before."""
    known = "" if before is None else before.known
    return Labelled(alert.event, alert.id, alert.raised, alert.cleared_ns, label, known, by, comment, at_ns)
