"""Which alerts are meant: `takes:` of a channel, and what a silence silences. Pure."""

from collections.abc import Callable

from msgspec import Struct

from holdfast.kernel.stars import matcher
from holdfast.model.event import Event, Severity

_MEMBERS = ("rules", "nodes", "devices")


class Filter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Alerts that fit everything which is given; `*` in a name stands for any text. Nothing given = all alerts."""

    severity: tuple[Severity, ...] = ()
    rules: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Does it mean every alert?"""
        return not (self.severity or self.rules or self.nodes or self.devices)

    def compiled(self) -> Callable[[Event], bool]:
        """Does it mean an alert?"""
        checks: list[tuple[str, Callable[[str], bool]]] = [
            (name.removesuffix("s"), matcher(getattr(self, name))) for name in _MEMBERS if getattr(self, name)
        ]
        if self.severity:
            checks.append(("severity", frozenset(self.severity).__contains__))
        return lambda event: all(fits(getattr(event, name)) for name, fits in checks)
