"""What two nodes say to each other. Append only: a field once released keeps its name, type and meaning.

Both ends ignore fields they don't know, so a newer node may say more to an older one.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.model.series import Series

VERSION = 1
CHAIN_BYTES = 16
GENESIS = bytes(CHAIN_BYTES)

Chain = Annotated[bytes, Meta(min_length=CHAIN_BYTES, max_length=CHAIN_BYTES)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
# 2**56 keeps lane << 56 | seq inside a signed 64-bit integer, which is how journals find a row.
Seq = Annotated[int, Meta(ge=0, lt=2**56)]
Count = Annotated[int, Meta(ge=0, lt=2**31)]
Kind = Literal["readings", "events", "gaps", "messages"]
Status = Literal["applied", "duplicate", "expected", "fenced", "diverged", "busy", "forbidden"]


class Mark(Struct, frozen=True):
    """How far a lane is applied at the parent: high-water mark, and the child's own chain there."""

    wm: Seq = 0
    chain: Chain = GENESIS


# Of the open lanes only: nodes older than residency know no other, and refuse any other number.
Marks = Annotated[tuple[Mark, ...], Meta(min_length=len(OPEN_LANES), max_length=len(OPEN_LANES))]
Heads = Annotated[tuple[Seq, ...], Meta(min_length=len(OPEN_LANES), max_length=len(OPEN_LANES))]


class Start(Struct, frozen=True):
    """A process start of the child: the incarnation it minted, and the heads of all lanes at that moment."""

    uuid: Name
    heads: Heads


class Position(Struct, frozen=True):
    """A seq in a lane."""

    lane: Lane
    seq: Seq


class Proof(Struct, frozen=True):
    """The child's chain at a position that the parent asked for.

    found: a group of the child ends there, or the chain can't be known any more (empty): dropped or shed since
    """

    lane: Lane
    seq: Seq
    found: bool
    chain: bytes = b""


MAX_HISTORY = 4096
MAX_PROOFS = 1024


class SourceMark(Struct, frozen=True, array_like=True):
    """Rows of a node up to `seq` of a lane, known by its chain there; branch: its number at the node in between."""

    node: Name
    lane: Lane
    seq: Seq
    chain: Chain
    branch: Count = 0


class RegionHello(Struct, frozen=True):
    """The region lane of a child, told to every parent: numbers and hashes only.

    starts: its head at each process start of the hello's `history`; the rest as in `Hello`
    """

    head: Seq = 0
    chain: Chain = GENESIS
    applied: Seq = 0
    starts: Annotated[tuple[Seq, ...], Meta(max_length=MAX_HISTORY)] = ()


class RegionWelcome(Struct, frozen=True):
    """The region lane at a parent of the same region; fields as in `Welcome`."""

    mark: Mark = Mark()
    safe: Seq = 0
    fork: Seq = 0
    start: Seq = 0
    gap_rows: Seq = 0


class SeriesAgain(Struct, frozen=True, array_like=True):
    """A series that the parent may know by a placeholder: the child's id, what it is, how far it may go (`Stay`)."""

    id: Count
    series: Series
    stay: Annotated[int, Meta(ge=0, le=1)] = 0


class Hello(Struct, frozen=True):
    """A child opens a session.

    heads:        its last committed seq of each lane
    heads_chain:  its chain there, so that a parent which is exactly there can prove agreement
    series_count: how many series its catalogue holds
    history:      its process starts, oldest first; the last one is `incarnation`
    proofs:       answers to a `prove`
    whole:        is `history` all there is?
    applied:      per lane: what the parent once said it has; more than it has now means that the parent was restored
    region:       where the child is; empty = a region of its own
    region_lane:  its region lane; absent = a child that knows none
    audit:        rows of its residency register, and the chain there (hex)
    """

    node: Name
    incarnation: Name
    heads: Heads
    heads_chain: Annotated[tuple[Chain, ...], Meta(min_length=len(OPEN_LANES), max_length=len(OPEN_LANES))]
    series_count: Count
    version: int = VERSION
    history: Annotated[tuple[Start, ...], Meta(max_length=MAX_HISTORY)] = ()
    proofs: Annotated[tuple[Proof, ...], Meta(max_length=MAX_PROOFS)] = ()
    whole: bool = True
    applied: Heads = tuple(0 for _ in OPEN_LANES)
    region: Annotated[str, Meta(max_length=128)] = ""
    region_lane: RegionHello | None = None
    audit: tuple[Count, Annotated[str, Meta(max_length=128)]] = (0, "")


class Welcome(Struct, frozen=True):
    """The parent's answer: the truth about what it has.

    status:       `prove`: say hello again with proofs for `positions`, and with the whole history if `whole`;
                  `mint`: another machine runs this very incarnation, so mint a new one, then say hello again;
                  `later`: the parent must ask its own parent first; none of them opens a session
    branch:       which of the child's histories this is at the parent; a restored or cloned child gets a new one
    forks:        per lane: where this branch left its parent branch
    gap_rows:     per lane: rows above `start` that the parent took as gaps, since the branch began
    start:        per lane: where the parent's account of this branch begins
    held:         what the parent has of this node's children, when this node came back with another history
    parent:       the parent's own incarnation: another one than last time, and it may have been restored
    session:      fencing token; every batch carries it, and a later hello makes it stale
    marks, safe:  per lane: what is applied; and up to where the child may forget
    series_known: the child's series ids below this are known
    credits:      requests the child may have in flight at once; lane 0 may always have one
    max_rows, max_body: what one batch may hold
    region:       where the parent is
    region_lane:  the region lane here; absent when the child is of another region, or doesn't know the lane
    knows_again:  does this parent read `BatchHeader.again`?
    any_kind:     does this parent, and each above it, take events of kinds that it doesn't know?
    """

    status: Literal["welcome", "prove", "mint", "later", "unsupported"]
    session: int = 0
    branch: int = 0
    marks: Marks = tuple(Mark() for _ in OPEN_LANES)
    safe: Heads = tuple(0 for _ in OPEN_LANES)
    series_known: Count = 0
    credits: Count = 1
    max_rows: Count = 50_000
    max_body: Count = 16 * 1024 * 1024
    detail: str = ""
    version: int = VERSION
    positions: Annotated[tuple[Position, ...], Meta(max_length=MAX_PROOFS)] = ()
    whole: bool = False
    forks: Heads = tuple(0 for _ in OPEN_LANES)
    start: Heads = tuple(0 for _ in OPEN_LANES)
    gap_rows: Heads = tuple(0 for _ in OPEN_LANES)
    parent: str = ""
    held: Annotated[tuple[SourceMark, ...], Meta(max_length=100_000)] = ()
    retry_after_s: float = 0.0
    region: str = ""
    region_lane: RegionWelcome | None = None
    knows_again: bool = False
    any_kind: bool = False

    def takes_region(self, region: str) -> bool:
        """Does it take the region lane of a child in `region`?"""
        return self.region_lane is not None and bool(region) and self.region == region


class BatchHeader(Struct, frozen=True, omit_defaults=True):
    """What stands before the rows of a batch: whole journal groups, one after the other.

    first, last:   the rows' seqs; always `last - first + 1` rows
    chain_before:  the child's chain at first - 1
    chain:         the child's chain at last
    bounds:        the last seq of each group, ascending, ending with `last`
    series_from:   the child's series ids from here on are defined in `series`, a dense run
    head:          the lane's last committed seq at the child when the batch was made
    sources:       how far the child's own children are held at the parent once this batch is
    region:        the child's, with a batch of the region lane
    stays:         a bit for each of `series`, lowest first: does it stay in the region?
    again:         series that the parent may know by a placeholder; `agains`: how many, before the body is opened
    """

    session: int
    lane: Lane
    first: Annotated[int, Meta(ge=1, lt=2**56)]
    last: Annotated[int, Meta(ge=1, lt=2**56)]
    chain_before: Chain
    chain: Chain
    kind: Kind
    bounds: tuple[int, ...] = ()
    series_from: Count = 0
    series: tuple[Series, ...] = ()
    head: Seq = 0
    branch: int = 0
    version: int = VERSION
    sources: tuple[SourceMark, ...] = ()
    region: str = ""
    stays: bytes = b""
    agains: Count = 0
    again: tuple[SeriesAgain, ...] = ()

    def __len__(self) -> int:
        return self.last - self.first + 1


class GapRow(Struct, frozen=True, array_like=True):
    """Rows first..last that the child no longer has: how many bytes they took, why they went, their times (ns UTC)."""

    first: Annotated[int, Meta(ge=1, lt=2**56)]
    last: Annotated[int, Meta(ge=1, lt=2**56)]
    bytes: Annotated[int, Meta(ge=0)]
    reason: Annotated[str, Meta(max_length=32)]
    ts_min: int
    ts_max: int
    at_ns: int


class BatchReply(Struct, frozen=True, omit_defaults=True):
    """The parent's answer to a batch. Every one but `applied` changed nothing.

    status:       `forbidden`: this node must not have the lane's rows; only for lanes that stay somewhere
    applied:      the lane's watermark after it
    expected:     the seq the next batch must start at (`expected`)
    series_known, safe: as in `Welcome`
    """

    status: Status
    applied: Seq = 0
    expected: Seq = 0
    session: int = 0
    series_known: Count = 0
    retry_after_s: float = 0.0
    detail: str = ""
    safe: tuple[int, ...] = ()
    region_safe: Seq = 0


class Fetch(Struct, frozen=True):
    """A child asks for rows of its own back, first..last of a lane on its branch, whose copy was damaged."""

    lane: Lane
    first: Annotated[int, Meta(ge=1, lt=2**56)]
    last: Annotated[int, Meta(ge=1, lt=2**56)]
    branch: int = 0


class Limits(Struct, frozen=True):
    """What a batch from outside may cost before anything is believed. Bytes unless the name says otherwise."""

    max_body: int = 16 * 1024 * 1024
    max_rows: int = 1_000_000
    max_unpacked: int = 64 * 1024 * 1024
    max_groups: int = 200_000
    max_series: int = 100_000
    max_text: int = 256 * 1024
    max_header: int = 64 * 1024
