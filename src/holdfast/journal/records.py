"""What the journal keeps, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from holdfast.model.lane import Lane

Counters = Mapping[str, int]
CHAIN_BYTES = 16
GENESIS = bytes(CHAIN_BYTES)


class GroupKind(IntEnum):
    """What a group's rows are. Append only: the numbers are stored."""

    READINGS = 0
    EVENTS = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive rows of one lane, committed together: `last - first + 1` rows, seqs inclusive.

    ts_min, ts_max: the event times inside, ns UTC
    chain:          hash over the previous group's chain and this group's canonical bytes
    origin:         the child that sent it, empty for the node's own rows
    """

    lane: Lane
    first: int
    last: int
    kind: GroupKind
    ts_min: int
    ts_max: int
    chain: bytes
    blob: bytes
    origin: str = ""

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a child's lane is applied: high-water mark and the child's chain there."""

    wm: int = 0
    chain: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class PeerState:
    """What a parent remembers of a child. `marks` has one entry per lane, in lane order."""

    name: str
    session: int = 0
    incarnation: str = ""
    series_known: int = 0
    marks: tuple[Mark, ...] = tuple(Mark() for _ in Lane)


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A message that could not become readings, as it came."""

    id: int
    received_ns: int
    source: str
    topic: str
    reason: str
    detail: str
    payload: bytes
