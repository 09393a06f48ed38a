"""The rule document as people write it. Checked for shape here, for meaning in `loading`."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration, Percent
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


class StoredText(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A selected column that becomes a series."""

    column: str
    unit: str = ""
    """SenML name; absent = the column's own, where that is known."""
    at: str = ""
    """The selected column that says when (s since the epoch); absent = when the evaluation was."""


class ActionText(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a rule does when it decides: one of the five. Defaults stay out of a rule's version."""

    publish: str = ""
    """Send the event to local subscribers of a topic: a template; may use {device}, {node}, {rule} and {severity}."""
    on: Literal["both", "raised", "cleared", "result"] = "both"
    """Which events are sent; `result`: every evaluation's columns."""
    payload: dict[str, str] = field(default_factory=dict)
    """Member of the JSON object to what it holds: a fact of the event or a selected column. Empty = the whole event."""
    command: Order | None = None
    notify: str | Notice | None = None
    """Have people told: a channel's name, or a mapping."""
    escalate: str = ""
    """Begin an escalation of node.yaml."""
    store: dict[str, str | StoredText] = field(default_factory=dict)
    """Metric to the selected column that becomes it."""


class LimitsText(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a rule may take."""

    samples: Annotated[int, Meta(ge=1, le=100_000_000)] = 0
    """Samples kept per key; of more, the oldest are left out."""
    keys: Annotated[int, Meta(ge=1, le=100_000_000)] = 0
    """Devices (or nodes) kept apart; of more, the newest are left out."""
    cpu: Percent | None = None
    """Share of one core."""


class RuleText(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: which readings, which window, which condition, what then."""

    select: str | tuple[str, ...] = ""
    """Comma-separated columns: `avg(air.temperature) as avg_temp, room.occupied`; beside `detect`: metrics."""
    when: str = ""
    """The condition that raises the alert, over the selected columns. Without: every evaluation is a result."""
    source: str = field(default="readings", name="from")
    """`readings`, another rule's name, or either with `where device like 'room-%'`."""
    window: str | tuple[str, ...] = "none"
    """Which messages one evaluation looks at; several = several rules in one."""
    hold: str = field(default="1 sample", name="for")
    """How many evaluations in a row, or how long, the condition must hold."""
    clear_when: str | None = None
    """The condition that clears the alert; by default: not `when`."""
    severity: Severity = "warning"
    message: str = ""
    """A template over the selected columns, {device}, {node}, {rule} and {severity}."""
    do: tuple[ActionText, ...] = (ActionText(DEFAULT_TOPIC),)
    sql: str = ""
    """`SELECT … FROM … WHERE … GROUP BY device, TUMBLINGWINDOW(ss, 10) HAVING …` in place of the keys that say it."""
    detect: str | dict[str, float | str] = ""
    """A detector's name, or a mapping with `detector`, `threshold` and its options: it watches the selected series."""
    by: Literal["device", "node", "all", "series"] | None = None
    """What is kept apart; absent = by device."""
    where: str = ""
    """Which messages count, before the window."""
    clear_for: str = "1 sample"
    """How many evaluations in a row, or how long, `clear_when` must hold."""
    cooldown: str = ""
    """How long after it was cleared an alert isn't raised again."""
    latch: bool = False
    """Whether it stays raised until somebody acknowledges it."""
    absent: str = ""
    """Raised when no message came for so long."""
    then: str = ""
    """Raised when this holds within `within` after `when` did."""
    unless: str = ""
    """Raised when this did not hold within `within` after `when` did."""
    within: str = ""
    limits: LimitsText = LimitsText()


FIRST_KEYS = frozenset({"select", "when", "from", "window", "for", "clear_when", "severity", "message", "do"})
"""Keys that were there from the start: they're in a rule's version even where they say the default."""


class RulesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule document: rules by name."""

    rules: dict[str, RuleText]


class StoredDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as it's kept beside its state. folder: where its tables lie."""

    name: str
    folder: str
    rule: RuleText
