"""What to believe of a batch. Pure; the whole of exactly-once is here (DESIGN §6, RELIABILITY §2.5).

| the batch                                   | answer     | changes       |
|---------------------------------------------|------------|---------------|
| carries an older session                    | fenced     | nothing       |
| ends at or below the watermark              | duplicate  | nothing       |
| starts above watermark + 1                  | expected   | nothing       |
| starts at watermark + 1, chain fits         | apply      | rows and mark |
| straddles the watermark at a group's bound  | apply rest | rows and mark |
| ... and some of it is held elsewhere        | apply rest | rows and mark |
| anything whose chain doesn't fit            | diverged   | nothing       |

Rows and mark change in one transaction, and `decide` runs inside it on the state read there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.ingest.judge import common_rows, known_bounds
from holdfast.journal.branches import thinned
from holdfast.journal.records import Bound, Branch, Mark
from holdfast.model.lane import Lane
from holdfast.wire.messages import BatchHeader, BatchReply


@dataclass(frozen=True, slots=True)
class Apply:
    """Store the groups from the `skip`-th on. repeated: rows held already; shared: rows another branch brought."""

    skip: int
    repeated: int
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """Rows up to `seq` of this history are held already: through another branch, or by this node's own parent."""

    seq: int


def decide(
    branch: Branch, header: BatchHeader, chains: Sequence[bytes], held: Sequence[Held] = ()
) -> Apply | BatchReply:
    """What to do with a batch, given the child's branch as of this very transaction.

    chains: the chain after each group, computed from the rows received, starting at header.chain_before
    """
    mark = branch.marks[header.lane]
    if header.session != branch.session:
        return BatchReply("fenced", applied=mark.wm, session=branch.session)
    if chains[-1] != header.chain:
        return _diverged(mark, "the rows don't hash to the chain the batch names")
    if header.last <= mark.wm:
        if header.last == mark.wm and header.chain != mark.chain:
            return _diverged(mark, f"another history leads to {mark.wm} here")
        return BatchReply("duplicate", applied=mark.wm, series_known=branch.series_known)
    if header.first > mark.wm + 1 or header.series_from > branch.series_known:
        return BatchReply("expected", applied=mark.wm, expected=mark.wm + 1, series_known=branch.series_known)
    fit = _fit(mark, header, chains)
    return _without_held(fit, mark, header, held) if isinstance(fit, Apply) else fit


def held_elsewhere(branches: Sequence[Branch], branch: Branch, lane: Lane) -> list[Held]:
    """What other branches of the same child brought of this branch's own history."""
    found = []
    for other in branches:
        common = 0 if other.number == branch.number else common_rows(branches, branch.number, other.number, lane)
        mark = other.marks[lane]
        seq = min(common, mark.wm)
        if seq > branch.marks[lane].wm:
            found.append(Held(seq))
    return found


def advanced(mark: Mark, header: BatchHeader, apply: Apply, gap_rows: int) -> Mark:
    """The mark after a batch is applied."""
    taken = header.last - mark.wm
    return replace(
        mark,
        wm=header.last,
        chain=header.chain,
        head_seen=max(mark.head_seen, header.head, header.last),
        rows=mark.rows + taken - apply.shared - gap_rows,
        gap_rows=mark.gap_rows + gap_rows,
        shared=mark.shared + apply.shared,
        bounds=thinned((*known_bounds(mark), Bound(header.last, header.chain))),
    )


def _fit(mark: Mark, header: BatchHeader, chains: Sequence[bytes]) -> Apply | BatchReply:
    if header.first == mark.wm + 1:
        if header.chain_before != mark.chain:
            return _diverged(mark, f"another history leads to {mark.wm} here")
        return Apply(0, 0)
    if header.kind == "gaps":
        return _fit_gap(mark, header)
    if mark.wm not in header.bounds:
        return _diverged(mark, f"{mark.wm} is not a bound between the child's groups")
    at = header.bounds.index(mark.wm)
    if chains[at] != mark.chain:
        return _diverged(mark, f"another history leads to {mark.wm} here")
    return Apply(at + 1, mark.wm - header.first + 1)


def _fit_gap(mark: Mark, header: BatchHeader) -> Apply:
    """Gaps have no rows to compare: what is known of them stays, the rest is taken."""
    skip = sum(last <= mark.wm for last in header.bounds)
    return Apply(skip, mark.wm - header.first + 1)


def _without_held(fit: Apply, mark: Mark, header: BatchHeader, held: Sequence[Held]) -> Apply:
    best = fit
    for one in held:
        skip = sum(last <= one.seq for last in header.bounds)
        if skip > best.skip:
            best = Apply(skip, fit.repeated, header.bounds[skip - 1] - mark.wm)
    return best


def _diverged(mark: Mark, detail: str) -> BatchReply:
    return BatchReply("diverged", applied=mark.wm, detail=detail)
