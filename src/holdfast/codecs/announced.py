"""What devices say about their values apart from them: units and types.

They come in retained messages (Homie, Home Assistant's discovery, Zigbee2MQTT). One memory for all profiles of a node,
bounded; filled from the retained messages after a restart.
"""

from typing import NamedTuple

_REMEMBERED = 50_000


class Announcement(NamedTuple):
    """What is known about a value; empty text = not told."""

    unit: str = ""
    type: str = ""


class Announced:
    """Announcements by (where, name): a topic and "", or a device and the name of its value. Loop thread only."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Announcement] = {}

    def get(self, where: str, name: str = "") -> Announcement | None:
        """What was said about a value."""
        return self._known.get((where, name))

    def tell(self, where: str, name: str = "", *, unit: str | None = None, kind: str | None = None) -> None:
        """Remember what is told; None leaves what was known."""
        key = (where[:256], name[:256])
        known = self._known.pop(key, Announcement())
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]  # the one that was told longest ago
        self._known[key] = Announcement(
            known.unit if unit is None else unit[:64], known.type if kind is None else kind[:64]
        )
