"""The message of `holdfast channels test`: it looks like an alert, and says that it's none."""

from holdfast.journal.alerts import Alert
from holdfast.model.event import Event
from holdfast.notify.messages import Item, Message


def trial(node: str, channel: str, now_ns: int) -> Message:
    """A test message for a channel."""
    said = f"a test of channel {channel} by node {node}: no alert, nothing to do"
    number = f"test-{node}-{channel}-{now_ns}"
    event = Event(
        id=number,
        ts=now_ns,
        kind="alert.raised",
        severity="info",
        node=node,
        device=node,
        rule="test",
        message=said,
        why={},
    )
    alert = Alert(0, node, node, "test", "info", number, now_ns, now_ns, event, 0, None, 0, "", "")
    return Message(number, node, (Item(number, "raised", alert, said),))
