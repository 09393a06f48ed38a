"""The rule document as people write it. Checked for shape here, for meaning in `loading`."""

from typing import Any, Literal

from msgspec import Struct, field

from holdfast.kernel.scalars import Duration
from holdfast.model.event import Severity

DEFAULT_TOPIC = "alerts/{device}/{rule}"


class Order(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A command to a device of this node."""

    device: str
    """A template, as in `{device}`: may use {device}, {node}, {rule} and {severity}."""
    name: str
    params: dict[str, Any] = {}
    """What the command carries. Text in it may be a template, also over the selected columns."""
    deadline: Duration | None = None
    """How long it's good for; absent = `commands.deadline` of node.yaml."""
    on: Literal["raised", "cleared"] = "raised"
    """Which of the rule's events sends it."""


class Notice(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Have people told through a channel of node.yaml."""

    channel: str
    on: Literal["raised", "cleared", "both"] = "both"
    """Which events are told, as far as the channel takes them."""
    message: str = ""
    """A template like the rule's own; absent = the rule's."""


class ActionText(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a rule does when it decides: one of the four. Defaults stay out of a rule's version."""

    publish: str = ""
    """Send the event to local subscribers of a topic: a template; may use {device}, {node}, {rule} and {severity}."""
    on: Literal["both", "raised", "cleared"] = "both"
    """Which events are sent."""
    payload: dict[str, str] = field(default_factory=dict)
    """Member of the JSON object to what it holds: a fact of the event or a selected column. Empty = the whole event."""
    command: Order | None = None
    notify: str | Notice | None = None
    """Have people told: a channel's name, or a mapping."""
    escalate: str = ""
    """Begin an escalation of node.yaml."""


class RuleText(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: which readings, which window, which condition, what then."""

    select: str
    """Comma-separated columns: `avg(air.temperature) as avg_temp, room.occupied`."""
    when: str
    """The condition that raises the alert, over the selected columns."""
    source: str = field(default="readings", name="from")
    """`readings`, or `readings where device like 'room-%'`."""
    window: str = "none"
    """`sliding 10 samples`, `tumbling 10s`, `tumbling 10s grace 2s`, or `none`: each sample by itself."""
    hold: str = field(default="1 sample", name="for")
    """How many evaluations in a row the condition must hold."""
    clear_when: str | None = None
    """The condition that clears the alert; by default: not `when`."""
    severity: Severity = "warning"
    message: str = ""
    """A template over the selected columns, {device}, {node}, {rule} and {severity}."""
    do: tuple[ActionText, ...] = (ActionText(DEFAULT_TOPIC),)


class RulesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule document: rules by name."""

    rules: dict[str, RuleText]
