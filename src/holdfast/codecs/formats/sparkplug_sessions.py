"""Sparkplug sessions as the host sees them (Eclipse Sparkplug 3.0.0 §5): births, sequence numbers, deaths. Pure.

A node's session begins with its NBIRTH, whose `bdSeq` its NDEATH repeats, and numbers its messages and its devices'
0 to 255. A session that isn't known, or one with a gap, has the host ask for a rebirth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

_MAX_BIRTHS = 20_000
_MAX_REMEMBERED = 1_000_000
_MAX_ASKED = 20_000
Node = tuple[str, str]
"""Group and node."""


@dataclass(slots=True)
class Birth:
    """What a birth said: metric by alias, and type and unit by name."""

    names: dict[int, str] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Session:
    """births: by device, the node's own under ""; bd_seq, seq: None = never told."""

    bd_seq: int | None = None
    seq: int | None = None
    births: dict[str, Birth] = field(default_factory=dict)


class Sessions:
    """All sessions, bounded: who was born longest ago is forgotten first."""

    def __init__(self, ask_every_ns: int) -> None:
        """ask_every_ns: a node is asked for a rebirth at most once in so long; 0 = never."""
        self._every = ask_every_ns
        self._sessions: dict[Node, _Session] = {}
        self._asked: dict[Node, int] = {}
        self._births = self._remembered = 0

    def birth(self, node: Node, device: str) -> Birth | None:
        """What a device, or with "" the node, said at its birth."""
        session = self._sessions.get(node)
        return None if session is None else session.births.get(device)

    def is_known(self, node: Node) -> bool:
        """Was the node's own birth heard?"""
        return self.birth(node, "") is not None

    def born(self, node: Node, device: str, birth: Birth, bd_seq: int | None = None) -> None:
        """A birth: a node's ends its session before, and with it its devices'."""
        if not device:
            self._drop(node)
        session = self._sessions.setdefault(node, _Session())
        if not device:
            session.bd_seq = bd_seq
        self._count(session.births.pop(device, None), -1)
        session.births[device] = birth
        self._count(birth, 1)
        while self._births > _MAX_BIRTHS or self._remembered > _MAX_REMEMBERED:
            self._drop(next(iter(self._sessions)))

    def follows(self, node: Node, seq: int | None) -> bool:
        """Take a message's number; False where some before it are missing."""
        session = self._sessions.get(node)
        if session is None or seq is None:
            return True
        before, session.seq = session.seq, seq
        return before is None or seq == (before + 1) % 256

    def died(self, node: Node, device: str, bd_seq: int | None = None) -> Iterator[tuple[str, Birth]]:
        """The births that end with a death. Of a node's: all, unless the death belongs to an earlier session."""
        session = self._sessions.get(node)
        if session is None:
            return
        if device:
            gone = session.births.pop(device, None)
            self._count(gone, -1)
            if gone is not None:
                yield device, gone
        elif bd_seq is None or session.bd_seq in (None, bd_seq):
            yield from self._drop(node).births.items()

    def may_ask(self, node: Node, now_ns: int) -> bool:
        """Whether to ask for a rebirth now; whoever gets True asks."""
        asked = self._asked.get(node)
        if not self._every or (asked is not None and 0 <= now_ns - asked < self._every):
            return False
        self._asked.pop(node, None)
        if len(self._asked) >= _MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        self._asked[node] = now_ns
        return True

    def _drop(self, node: Node) -> _Session:
        session = self._sessions.pop(node, None) or _Session()
        for birth in session.births.values():
            self._count(birth, -1)
        return session

    def _count(self, birth: Birth | None, sign: int) -> None:
        if birth is not None:
            self._births += sign
            self._remembered += sign * len(birth.types)
