"""A compiled rule: everything the engine needs, nothing that changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.event import EventKind, Severity
from holdfast.model.lane import Lane
from holdfast.stream.notifying import CompiledNotice
from holdfast.stream.orders import CompiledOrder
from holdfast.stream.templates import Template
from holdfast.stream.windows import Window

if TYPE_CHECKING:  # importing them loads sqlglot: 8 MiB that a node without rules needn't pay
    from holdfast.stream.devices import Matches
    from holdfast.stream.plans import Plan

PAYLOAD_FACTS = ("id", "ts", "ts_ms", "ts_s", "node", "device", "rule", "severity", "kind", "message")
"""What a published object may hold besides the selected columns. ts: ns UTC."""


@dataclass(frozen=True, slots=True)
class Action:
    """One `publish`. kinds: of the events sent; payload: member to fact or column, empty = the whole event."""

    topic: Template
    kinds: frozenset[EventKind]
    payload: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule, checked and compiled.

    version:  hash of the rule's canonical text; state and event ids belong to (name, version)
    hold:     evaluations in a row that must hold before the alert is raised
    message:  None means the engine's own sentence
    actions:  where events are published locally, and as what
    orders:   commands that its events send
    notices:  whom its events are told
    """

    name: str
    version: str
    severity: Severity
    matches: "Matches"
    window: Window
    plan: "Plan"
    hold: int
    when_text: str
    clear_text: str
    message: Template | None
    actions: tuple[Action, ...]
    orders: tuple[CompiledOrder, ...] = ()
    notices: tuple[CompiledNotice, ...] = ()

    @property
    def lane(self) -> Lane:
        """Alerts that need a person go first; mere information doesn't."""
        return Lane.NORMAL if self.severity == "info" else Lane.CRITICAL
