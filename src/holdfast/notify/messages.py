"""What one message says: some alerts' changes, as text for people and as facts for templates. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal

from holdfast.journal.alerts import Alert
from holdfast.journal.dispatches import Dispatch
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event, Severity

State = Literal["raised", "cleared", "raised and cleared", "still open"]
STATES: Mapping[str, State] = {
    "raised": "raised",
    "step": "raised",
    "again": "still open",
    "cleared": "cleared",
    "both": "raised and cleared",
}
RANK: Mapping[str, int] = {"critical": 0, "warning": 1, "info": 2}
_PLAIN = re.compile(r"[A-Za-z0-9._/-]{1,128}")
_LONGEST = 1_000
"""Characters of one alert's own message."""


@dataclass(frozen=True, slots=True)
class Item:
    """One alert's change. key: of the dispatch, for who must know a repeat."""

    key: str
    state: State
    alert: Alert
    text: str

    @property
    def event(self) -> Event:
        """The event that is told."""
        is_over = self.state in ("cleared", "raised and cleared")
        return self.alert.cleared if is_over and self.alert.cleared is not None else self.alert.raised

    @property
    def line(self) -> str:
        """The alert in one line."""
        alert = self.alert
        return f"{self.state}: {alert.severity} {alert.rule} at {alert.node}/{alert.device}: {self.text}"

    def facts(self) -> dict[str, Any]:
        """Everything about it, as JSON has it."""
        alert, event = self.alert, self.event
        return {
            "id": self.key,
            "alert": alert.id,
            "state": self.state,
            "kind": event.kind,
            "severity": alert.severity,
            "node": alert.node,
            "device": alert.device,
            "rule": alert.rule,
            "message": self.text,
            "ts": event.ts,
            "time": moment(event.ts),
            "raised": moment(alert.raised_ns),
            "cleared": moment(alert.cleared_ns) if alert.cleared_ns else None,
            "why": event.why,
        }


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out at once. id: the same for the same alerts' changes, whenever it's made; at: the node that tells."""

    id: str
    at: str
    items: tuple[Item, ...]

    @property
    def first(self) -> Item:
        """The most severe."""
        return self.items[0]

    @property
    def severity(self) -> Severity:
        """The highest of those that aren't over; of what is over, `info`."""
        lasting = [item.alert.severity for item in self.items if item.state in ("raised", "still open")]
        return min(lasting, key=RANK.__getitem__, default="info")

    @property
    def is_over(self) -> bool:
        """Is everything in it cleared?"""
        return all(item.state in ("cleared", "raised and cleared") for item in self.items)

    @property
    def title(self) -> str:
        """For a subject line."""
        if len(self.items) == 1:
            one = self.first
            return f"[{one.alert.severity}] {one.alert.device}: {one.alert.rule} {one.state}"
        states = Counter(item.state for item in self.items)
        said = ", ".join(f"{n} {state}" for state, n in states.items())
        rules = {item.alert.rule for item in self.items}
        about = f" of {rules.pop()}" if len(rules) == 1 else ""
        return f"[{self.first.alert.severity}] {len(self.items)} alerts{about}: {said}"

    @property
    def text(self) -> str:
        """All of it in words: the message alone, or a line for each."""
        return self.first.text if len(self.items) == 1 else "\n".join(item.line for item in self.items)

    @property
    def details(self) -> str:
        """What a reader may want to know beside that."""
        if len(self.items) > 1:
            return f"{len(self.items)} alerts, told by {self.at}"
        alert, event = self.first.alert, self.first.event
        said = [
            ("device", f"{alert.node}/{alert.device}"),
            ("rule", alert.rule),
            ("severity", alert.severity),
            ("raised", moment(alert.raised_ns)),
            *([("cleared", moment(alert.cleared_ns))] if alert.cleared_ns else []),
            *([("condition", str(event.why["condition"]))] if "condition" in event.why else []),
            ("alert", f"{alert.id} at {self.at}: `holdfast alerts ack NODE.YAML {alert.id}` acknowledges it"),
        ]
        return "\n".join(f"{name}: {value}" for name, value in said[: None if not alert.cleared_ns else -1])

    def facts(self) -> dict[str, Any]:
        """What templates may use."""
        alerts = [item.facts() for item in self.items]
        return {
            **alerts[0],
            "id": self.id,
            "title": self.title,
            "text": self.text,
            "details": self.details,
            "count": len(alerts),
            "alerts": alerts,
        }


def moment(ns: int) -> str:
    """A time, ns UTC, to the second, as people and RFC 3339 write it."""
    try:
        return f"{datetime.fromtimestamp(ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a device's time may be anything
        return f"{ns} ns"


def compose(at: str, chosen: Sequence[tuple[Dispatch, Alert]]) -> Message:
    """One message of some dispatches, the most severe first."""
    items = [Item(one.key, STATES[one.what], alert, _words(one, alert)) for one, alert in chosen]
    items.sort(key=lambda item: (RANK[item.alert.severity], item.state, item.alert.id))
    keys = sorted(item.key for item in items)
    is_plain = len(keys) == 1 and _PLAIN.fullmatch(keys[0]) is not None  # it goes into headers
    number = keys[0] if is_plain else blake2b("\0".join(keys).encode(), digest_size=16).hexdigest()
    return Message(number, at, tuple(items))


def _words(one: Dispatch, alert: Alert) -> str:
    said = one.text or alert.raised.message
    if one.what == "both":
        said = f"{said} (over since {moment(alert.cleared_ns)})"
    elif one.what == "cleared":
        said = f"cleared: {one.text}" if one.text or alert.cleared is None else alert.cleared.message
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"
