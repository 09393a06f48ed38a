"""What to believe from a child. Pure; the whole of exactly-once is here (DESIGN §6, RELIABILITY §2.5).

| the batch                                   | answer     | changes       |
|---------------------------------------------|------------|---------------|
| carries an older session                    | fenced     | nothing       |
| ends at or below the watermark              | duplicate  | nothing       |
| starts above watermark + 1                  | expected   | nothing       |
| starts at watermark + 1, chain fits         | apply      | rows and mark |
| straddles the watermark at a group's bound  | apply rest | rows and mark |
| anything whose chain doesn't fit            | diverged   | nothing       |

Rows and mark change in one transaction, and `decide` runs inside it on the state read there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.journal.records import Mark, PeerState
from holdfast.wire.messages import BatchHeader, BatchReply, Hello


@dataclass(frozen=True, slots=True)
class Apply:
    """Store the groups from the `skip`-th on; rows already held: `repeated`."""

    skip: int
    repeated: int


def decide(peer: PeerState, header: BatchHeader, chains: Sequence[bytes]) -> Apply | BatchReply:
    """What to do with a batch, given the child's state as of this very transaction.

    chains: the chain after each group, computed from the rows received, starting at header.chain_before
    """
    mark = peer.marks[header.lane]
    if header.session != peer.session:
        return BatchReply("fenced", applied=mark.wm, session=peer.session)
    if chains[-1] != header.chain:
        return _diverged(mark, "the rows don't hash to the chain the batch names")
    if header.last <= mark.wm:
        if header.last == mark.wm and header.chain != mark.chain:
            return _diverged(mark, f"another history leads to {mark.wm} here")
        return BatchReply("duplicate", applied=mark.wm, series_known=peer.series_known)
    if header.first > mark.wm + 1 or header.series_from > peer.series_known:
        return BatchReply("expected", applied=mark.wm, expected=mark.wm + 1, series_known=peer.series_known)
    return _fit(mark, header, chains)


def refuse_hello(peer: PeerState, hello: Hello) -> str:
    """Why this hello can't be welcomed; empty when it can."""
    for lane, (mark, head, chain) in enumerate(zip(peer.marks, hello.heads, hello.heads_chain, strict=True)):
        if mark.wm > head:
            return f"lane {lane}: {mark.wm} is applied here, but the child's history ends at {head}"
        if mark.wm == head and mark.chain != chain:
            return f"lane {lane}: another history leads to {head} here"
    if peer.series_known > hello.series_count:
        return f"{peer.series_known} series are known here, but the child has {hello.series_count}"
    return ""


def _fit(mark: Mark, header: BatchHeader, chains: Sequence[bytes]) -> Apply | BatchReply:
    if header.first == mark.wm + 1:
        if header.chain_before != mark.chain:
            return _diverged(mark, f"another history leads to {mark.wm} here")
        return Apply(0, 0)
    if mark.wm not in header.bounds:
        return _diverged(mark, f"{mark.wm} is not a bound between the child's groups")
    at = header.bounds.index(mark.wm)
    if chains[at] != mark.chain:
        return _diverged(mark, f"another history leads to {mark.wm} here")
    return Apply(at + 1, mark.wm - header.first + 1)


def _diverged(mark: Mark, detail: str) -> BatchReply:
    return BatchReply("diverged", applied=mark.wm, detail=detail)
