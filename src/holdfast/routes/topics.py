"""Topic templates of routes, rendered to bytes as PUBLISH has them."""

from collections.abc import Mapping
from string import Formatter

_UNSAFE = str.maketrans({"+": "_", "#": "_", "\0": "_"})
_MAX_BYTES = 65_535


class TopicTemplate:
    """`{node}/{device}/{metric}` and the like, checked before."""

    def __init__(self, text: str) -> None:
        self._parts = [(literal, name) for literal, name, _, _ in Formatter().parse(text)]
        self.places = frozenset(name for _, name in self._parts if name is not None)

    def field(self, values: Mapping[str, str]) -> bytes:
        """The topic with its length before it (MQTT 5 §1.5.4); wildcard characters of names become `_`."""
        text = "".join(
            literal + ("" if name is None else values[name].translate(_UNSAFE)) for literal, name in self._parts
        )
        raw = text.encode()[:_MAX_BYTES]
        return len(raw).to_bytes(2, "big") + raw
