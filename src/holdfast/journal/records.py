"""What the journal keeps, as values."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from holdfast.model.lane import Lane

CHAIN_BYTES = 16
GENESIS = bytes(CHAIN_BYTES)
OWN = ""
"""Origin of the node's own rows."""


class GroupKind(IntEnum):
    """What a group's rows are. Append only: the numbers are stored."""

    READINGS = 0
    EVENTS = 1
    GAP = 2
    MESSAGES = 3


class GapReason(StrEnum):
    """Why rows are gone. Append only: the words are stored and travel."""

    DISK = "disk"
    """Shed under disk pressure."""
    AGE = "age"
    """Older than the lane's `max_age`."""
    SUMMARISED = "summarised"
    """Replaced by per-series steps in lane 1."""
    DAMAGED = "damaged"
    """What the disk gave back was not what was written."""
    CONSUMED = "consumed"
    """An application's messages that ended here and are done: they have had their effect, or were dropped by hand."""
    FORGOTTEN = "forgotten"
    """Delivered and dropped here, then lost there: the parent came back from a backup that lacks them."""


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive rows of one lane, committed together: `last - first + 1` rows, seqs inclusive.

    ts_min, ts_max: the event times inside, ns UTC
    chain:          hash over the previous group's chain and this group's canonical bytes
    origin:         the child that sent it, empty for the node's own rows
    branch, origin_first, origin_chain: which of the child's histories, the first row's seq there (0 = not known), and
                    the child's chain at the last
    """

    lane: Lane
    first: int
    last: int
    kind: GroupKind
    ts_min: int
    ts_max: int
    chain: bytes
    blob: bytes
    origin: str = OWN
    branch: int = 0
    origin_first: int = 0
    origin_chain: bytes = b""

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows first..last of a lane that are gone, and why. Times: of the rows, and of the loss; ns UTC."""

    lane: Lane
    first: int
    last: int
    bytes: int
    reason: GapReason
    ts_min: int
    ts_max: int
    at_ns: int
    origin: str = OWN
    branch: int = 0

    def __len__(self) -> int:
        return self.last - self.first + 1


class Bound(NamedTuple):
    """A group's end in a lane: its seq and the chain there."""

    seq: int
    chain: bytes


class Incarnation(NamedTuple):
    """One process start: its id, and the heads of all lanes at that moment."""

    uuid: str
    heads: tuple[int, ...]


class Source(NamedTuple):
    """Rows of a node up to `seq` of a lane, known by its chain there, are held by somebody.

    branch: its number at the node in between
    """

    node: str
    lane: Lane
    seq: int
    chain: bytes
    branch: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one lane of a child's branch is applied.

    wm, chain: high-water mark and the child's chain there
    head_seen: the highest seq the child ever announced
    fork:      rows up to here are the parent branch's too
    start:     where this branch began here; wm - start = rows + gap_rows + shared
    bounds:    where batches ended, ascending, thinned towards the past
    safe:      how far the newest backup of this journal goes
    """

    wm: int = 0
    chain: bytes = GENESIS
    head_seen: int = 0
    fork: int = 0
    start: int = 0
    rows: int = 0
    gap_rows: int = 0
    shared: int = 0
    bounds: tuple[Bound, ...] = ()
    safe: int = 0


@dataclass(frozen=True, slots=True)
class Branch:
    """One history of a child. `marks` has one entry per lane, in lane order; `parent` is -1 for the first."""

    peer: str
    number: int = 0
    parent: int = -1
    reason: str = "first"
    opened_ns: int = 0
    session: int = 0
    series_known: int = 0
    is_suspect: bool = False
    incarnations: tuple[Incarnation, ...] = ()
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
