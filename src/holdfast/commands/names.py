"""A device's names, as commands need them. Pure.

A device is commanded by the name its readings are stored under now, and listens on topics of the name that it calls
itself. A rename changes the first, a replacement the second; who was handed a command stays the one to answer it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.model.command import topic_level


@dataclass(frozen=True, slots=True)
class Called:
    """The device behind a name.

    name:     what it's commanded by now
    hardware: what it calls itself on the wire now
    since_ns: when the name that was asked for ceased to be `name`, ns UTC; 0 = it's the name
    before:   hardware that stood in its place, each until when, ns UTC
    known_as: every name it ever had, `name` included
    """

    name: str
    hardware: str
    since_ns: int = 0
    before: tuple[tuple[str, int], ...] = ()
    known_as: tuple[str, ...] = ()

    def hardware_at(self, at_ns: int) -> str:
        """Which hardware stood there then."""
        later = [(until, name) for name, until in self.before if until > at_ns]
        return min(later)[1] if later else self.hardware

    def answers_at(self, level: str) -> bool:
        """Is this level of a topic one of its hardware, now or before?"""
        return level in {topic_level(one) for one in (self.hardware, *(name for name, _ in self.before))}


Names = Callable[[str], Called]
"""Who has a name at this node; any thread."""


def itself(device: str) -> Called:
    """A device that nobody renamed or replaced, or that isn't known."""
    return Called(device, device, known_as=(device,))
