"""A hello as this node takes it: of every lane that the two nodes share, in lane order. Pure.

The region lane counts only between nodes of one region; the site and local lanes never do. What isn't heard of a lane
changes nothing that is remembered of it.
"""

from dataclasses import dataclass

from holdfast.journal.records import GENESIS, Incarnation
from holdfast.model.lane import OPEN_LANES, SYNCED_LANES, Lane
from holdfast.wire.messages import Hello, Proof, RegionHello

_UNTOLD = (0,) * (len(Lane) - len(SYNCED_LANES))
"""Heads of the lanes that no parent hears of."""
Proofs = dict[tuple[Lane, int], Proof]


@dataclass(frozen=True, slots=True)
class Heard:
    """A hello. heads, heads_chain, and the heads in `history`: one entry a lane; lanes: those that are told of."""

    node: str
    heads: tuple[int, ...]
    heads_chain: tuple[bytes, ...]
    applied: tuple[int, ...]
    history: tuple[Incarnation, ...]
    proofs: Proofs
    whole: bool
    incarnation: str
    lanes: tuple[Lane, ...]


def same_region(one: str, other: str) -> bool:
    """Are two nodes of one region? Without a name every node is a region of its own."""
    return bool(one) and one == other


def hear(hello: Hello, region: str = "") -> Heard:
    """Take a hello at a node of `region`."""
    told = hello.region_lane if same_region(hello.region, region) else None
    lane = told or RegionHello()
    starts = lane.starts + (0,) * (len(hello.history) - len(lane.starts))
    return Heard(
        node=hello.node,
        heads=(*hello.heads, lane.head, *_UNTOLD),
        heads_chain=(*hello.heads_chain, lane.chain, *(GENESIS for _ in _UNTOLD)),
        applied=(*hello.applied, lane.applied, *_UNTOLD),
        history=tuple(
            Incarnation(start.uuid, (*start.heads, head, *_UNTOLD))
            for start, head in zip(hello.history, starts, strict=False)
        ),
        proofs={(Lane(proof.lane), proof.seq): proof for proof in hello.proofs},
        whole=hello.whole,
        incarnation=hello.incarnation,
        lanes=OPEN_LANES if told is None else SYNCED_LANES,
    )
