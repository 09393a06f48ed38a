"""Which alerts are meant: `takes:` of a channel, and what a silence or a maintenance window means. Pure."""

from collections.abc import Callable, Collection

from msgspec import Struct

from holdfast.kernel.stars import matcher
from holdfast.model.event import Event, Severity

_MEMBERS = ("rules", "nodes", "devices")
LabelsOf = Callable[[Event], Collection[str]]
"""The labels of the device that an event is about."""


def no_labels(_event: Event) -> Collection[str]:
    """Where nobody knows devices."""
    return ()


class Filter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Alerts that fit everything which is given; `*` in a name stands for any text. Nothing given = all alerts."""

    severity: tuple[Severity, ...] = ()
    rules: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """Of the device, here or at a node below: one of them is enough."""

    @property
    def is_all(self) -> bool:
        """Does it mean every alert?"""
        return not (self.severity or self.rules or self.nodes or self.devices or self.labels)

    def compiled(self, labels_of: LabelsOf = no_labels) -> Callable[[Event], bool]:
        """Does it mean an alert?"""
        checks: list[Callable[[Event], bool]] = [
            _by_name(name.removesuffix("s"), matcher(getattr(self, name))) for name in _MEMBERS if getattr(self, name)
        ]
        if self.severity:
            checks.append(_by_name("severity", frozenset(self.severity).__contains__))
        if self.labels:
            fits = matcher(self.labels)
            checks.append(lambda event: any(fits(label) for label in labels_of(event)))
        return lambda event: all(check(event) for check in checks)


def _by_name(name: str, fits: Callable[[str], bool]) -> Callable[[Event], bool]:
    return lambda event: fits(getattr(event, name))
