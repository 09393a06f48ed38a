"""Node ids as people write them (Part 6 §5.3.1.10): `ns=2;s=Press1.Force`, `nsu=http://maker/plc;i=5`, `i=2258`.

The index of a namespace is the server's own, and may be another after its restart; its URI isn't. So `nsu=` is looked
up anew at each connection.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

HELP = "write it as ns=2;s=Press1.Force, nsu=http://maker.example/plc;s=Press1.Force or i=2258"
_ID = re.compile(r"^(?:ns=(\d{1,5});|nsu=([^;]+);)?([isgb])=(.+)$", re.DOTALL)
_MOST_INDEX, _MOST_NUMBER = 0xFFFF, 0xFFFF_FFFF


class Address(NamedTuple):
    """A node. space: its namespace's index, or URI; kind: i, s, g or b; key: as written."""

    space: int | str
    kind: str
    key: str

    def __str__(self) -> str:
        before = f"nsu={self.space};" if isinstance(self.space, str) else f"ns={self.space};" if self.space else ""
        return f"{before}{self.kind}={self.key}"

    def resolved(self, spaces: Sequence[str]) -> "Address | None":
        """With the index that this server has for the namespace; None = it doesn't have it."""
        if isinstance(self.space, int):
            return self
        return Address(spaces.index(self.space), self.kind, self.key) if self.space in spaces else None

    def lasting(self, spaces: Sequence[str]) -> "Address":
        """With the namespace's URI instead of its index, where the server tells it."""
        if isinstance(self.space, int) and 0 < self.space < len(spaces):
            return Address(spaces[self.space], self.kind, self.key)
        return self


def parse(text: str) -> Address:
    """Read a node id.

    Raises:
        ValueError: when it is none; says how to write it.
    """
    found = _ID.match(text.strip())
    if found is None:
        msg = f"{text[:80]!r} is no node id: {HELP}"
        raise ValueError(msg)
    index, uri, kind, key = found.groups()
    space: int | str = uri if uri is not None else int(index or 0)
    if isinstance(space, int) and space > _MOST_INDEX:
        msg = f"{text[:80]!r}: a namespace's index is at most {_MOST_INDEX}"
        raise ValueError(msg)
    try:
        _check(kind, key)
    except ValueError:
        wanted = {"i": "a number of 32 bits", "g": "a Guid", "b": "bytes in hex"}[kind]
        msg = f"{text[:80]!r}: `{kind}=` takes {wanted}"
        raise ValueError(msg) from None
    return Address(space, kind, key)


def _check(kind: str, key: str) -> None:
    if kind == "i" and not (key.isascii() and key.isdigit() and int(key) <= _MOST_NUMBER):
        raise ValueError
    if kind == "g":
        UUID(key)
    if kind == "b":
        bytes.fromhex(key)
