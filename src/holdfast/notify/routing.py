"""Who is told of an event: by the channels' own `takes`, and by what its rule does. Pure.

A rule speaks for the events that this node decided: a child's event with the same rule's name is the child's business.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event
from holdfast.notify.filters import LabelsOf, no_labels
from holdfast.notify.ports import RuleNotice, RuleNotices
from holdfast.notify.settings import ChannelSettings, Escalation, EscalationSettings, escalation

RAISED, CLEARED, ACKNOWLEDGED = "alert.raised", "alert.cleared", "alert.acknowledged"
LABELLED, COMMENTED = "alert.labelled", "alert.commented"
KINDS: Mapping[str, frozenset[str]] = {
    "both": frozenset({RAISED, CLEARED}),
    "raised": frozenset({RAISED}),
    "cleared": frozenset({CLEARED}),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A channel is to tell something. clears: also when it's over; text: the rule's words, empty = the event's."""

    channel: str
    clears: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Who is told of one event, each channel once, and which escalations it begins."""

    channels: tuple[Wish, ...] = ()
    escalations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """What routing and writing need to know of a channel."""

    settings: ChannelSettings
    takes: Callable[[Event], bool]
    wait_ns: int = field(default=0)
    repeat_ns: int = field(default=0)

    @staticmethod
    def of(settings: ChannelSettings, labels_of: LabelsOf = no_labels) -> "Channel":
        """Compiled."""
        takes = (lambda _: False) if settings.takes is None else settings.takes.compiled(labels_of)
        return Channel(settings, takes, round(settings.group.wait * NS_PER_S), round(settings.repeat * NS_PER_S))


class Routing:
    """Who is told. One for a node."""

    def __init__(
        self,
        node: str,
        channels: Mapping[str, ChannelSettings],
        escalations: Mapping[str, Escalation],
        notices: RuleNotices,
        labels_of: LabelsOf = no_labels,
    ) -> None:
        self.node = node
        self.channels = {name: Channel.of(one, labels_of) for name, one in channels.items()}
        self.escalations: dict[str, EscalationSettings] = {name: escalation(one) for name, one in escalations.items()}
        self._begins = {
            name: one.takes.compiled(labels_of) for name, one in self.escalations.items() if one.takes is not None
        }
        self._notices = notices

    def raised(self, event: Event) -> Wishes:
        """Who is told that an alert was raised."""
        found: dict[str, Wish] = {}
        begun: dict[str, None] = {}
        for notice in self._of_rule(event):
            if RAISED not in notice.kinds:
                continue
            if notice.escalation:
                begun[notice.escalation] = None
            else:
                self._add(found, notice.channel, CLEARED in notice.kinds, self._words(notice, event))
        for name, channel in self.channels.items():
            if channel.takes(event):
                self._add(found, name, clears=True)
        begun |= {name: None for name, takes in self._begins.items() if takes(event)}
        return Wishes(tuple(found.values()), tuple(name for name in begun if name in self.escalations))

    def cleared(self, event: Event) -> tuple[Wish, ...]:
        """Who is told only that it's over; who was told that it was raised is known from there."""
        found: dict[str, Wish] = {}
        for notice in self._of_rule(event):
            if notice.kinds == KINDS["cleared"] and notice.channel in self.channels:
                found.setdefault(notice.channel, Wish(notice.channel, clears=True, text=self._words(notice, event)))
        for name, channel in self.channels.items():
            if channel.settings.on == "cleared" and channel.takes(event):
                found.setdefault(name, Wish(name, clears=True))
        return tuple(found.values())

    def _of_rule(self, event: Event) -> tuple[RuleNotice, ...]:
        return tuple(self._notices(event.rule)) if event.why.get("decided_on") == self.node else ()

    def _add(self, found: dict[str, Wish], name: str, clears: bool, text: str = "") -> None:  # noqa: FBT001  # of a value
        channel = self.channels.get(name)
        if channel is not None and channel.settings.on != "cleared":
            found.setdefault(name, Wish(name, clears and channel.settings.on == "both", text))

    @staticmethod
    def _words(notice: RuleNotice, event: Event) -> str:
        if notice.message is None:
            return ""
        values: Any = event.why.get("values")
        known = dict(values) if isinstance(values, dict) else {}
        facts = {"device": event.device, "node": event.node, "rule": event.rule, "severity": event.severity}
        facts |= {"metric": event.metric, "explanation": str(event.why.get("explanation", ""))}
        return notice.message.render({**known, **facts})
