"""A compiled rule: everything the engine needs, nothing that changes."""

from dataclasses import dataclass

from holdfast.model.event import Severity
from holdfast.model.lane import Lane
from holdfast.stream.devices import Matches
from holdfast.stream.plans import Plan
from holdfast.stream.templates import Template
from holdfast.stream.windows import Window


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule, checked and compiled.

    version:  hash of the rule's canonical text; state and event ids belong to (name, version)
    hold:     evaluations in a row that must hold before the alert is raised
    message:  None means the engine's own sentence
    topics:   where events are published locally
    """

    name: str
    version: str
    severity: Severity
    matches: Matches
    window: Window
    plan: Plan
    hold: int
    when_text: str
    clear_text: str
    message: Template | None
    topics: tuple[Template, ...]

    @property
    def lane(self) -> Lane:
        """Alerts that need a person go first; mere information doesn't."""
        return Lane.NORMAL if self.severity == "info" else Lane.CRITICAL
