"""Is this child the one we know? Pure; decides what a hello means (RELIABILITY §2.4, G3).

| the child's history                                      | answer                                           |
|----------------------------------------------------------|--------------------------------------------------|
| holds a branch's tip, its next start is at or above what | that branch goes on                              |
| was ever announced there, and the chains agree           |                                                  |
| holds the tip, but went back or its chain differs        | a new branch, forked at the last common row      |
| ... and it still runs under the tip's own incarnation    | mint: two machines run the same one              |
| holds only an older incarnation of ours                  | a new branch, forked where the two went apart    |
| holds none of them                                       | a new branch from 0: a new disk under an old name |

Whatever is needed to say so is asked for first (`prove`): chains at positions that we hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.ingest.hearing import Heard
from holdfast.journal.records import GENESIS, Bound, Branch, Incarnation, Mark
from holdfast.model.lane import Lane
from holdfast.wire.messages import MAX_PROOFS, Position


@dataclass(frozen=True, slots=True)
class Continue:
    """The branch goes on, with what the hello told. revived: it was thought to have ended."""

    branch: Branch
    revived: bool = False


@dataclass(frozen=True, slots=True)
class Fork:
    """A new branch. held: rows here, by lane, that this child doesn't have; unseen: announced once, never received."""

    branch: Branch
    held: tuple[int, ...]
    unseen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """Prove these first, or show the whole history."""

    positions: tuple[Position, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Mint:
    """Two machines run the same incarnation."""

    detail: str


Verdict = Continue | Fork | Ask | Mint


def judge(branches: Sequence[Branch], hello: Heard, now_ns: int) -> Verdict:
    """What the hello of a child means, given every branch of it."""
    history = hello.history
    if not branches:
        return Continue(_told(Branch(hello.node, opened_ns=now_ns), history, hello))
    common = _latest_common(branches, history)
    if common is None and not hello.whole:
        return Ask(whole=True)
    if common is None:
        empty = Branch(hello.node, len(branches), -1, "replaced", now_ns, marks=tuple(Mark() for _ in Lane))
        return _opened(branches[-1], empty, history, hello)
    at, branch, later = common
    if later is None:
        return _from_tip(branches, branch, at, history, hello, now_ns)
    return _fork(branches, branch, at, later.heads, history, hello, now_ns)


def _latest_common(
    branches: Sequence[Branch], history: Sequence[Incarnation]
) -> tuple[int, Branch, Incarnation | None] | None:
    """The child's latest start that we know: its place in the history, the branch, and what came next on that branch.

    When several branches know it, the one that ends with it goes first: it may simply go on. Else the one that left it
    last: it has most in common.
    """
    place = {one.uuid: i for i, one in enumerate(history)}
    found = [
        (place[one.uuid], j + 1 == len(branch.incarnations), _left_at(branch, j), branch.number, j)
        for branch in branches
        for j, one in enumerate(branch.incarnations)
        if one.uuid in place
    ]
    if not found:
        return None
    at, is_tip, _, number, j = max(found)
    branch = branches[number]
    return at, branch, None if is_tip else branch.incarnations[j + 1]


def _left_at(branch: Branch, j: int) -> int:
    """Rows of the branch when its j-th incarnation ended."""
    return sum(branch.incarnations[j + 1].heads) if j + 1 < len(branch.incarnations) else 0


def _from_tip(
    branches: Sequence[Branch],
    branch: Branch,
    at: int,
    history: Sequence[Incarnation],
    hello: Heard,
    now_ns: int,
) -> Verdict:
    later = history[at + 1].heads if at + 1 < len(history) else hello.heads
    if all(later[lane] >= branch.marks[lane].head_seen for lane in hello.lanes):
        asked, differs = [], False
        for lane in hello.lanes:
            mark = branch.marks[lane]
            verdict = agrees(mark.wm, mark.chain, lane, hello)
            if verdict is None:
                asked.append(Position(lane, mark.wm))
            differs |= verdict is False
        if asked:
            return Ask(tuple(asked))
        if not differs:
            is_newest = branch.number == branches[-1].number
            return Continue(_told(branch, history[at + 1 :], hello), revived=not is_newest)
    seen = tuple(mark.head_seen for mark in branch.marks)
    return _fork(branches, branch, at, seen, history, hello, now_ns)


def _fork(
    branches: Sequence[Branch],
    branch: Branch,
    at: int,
    ours: Sequence[int],
    history: Sequence[Incarnation],
    hello: Heard,
    now_ns: int,
) -> Verdict:
    if at + 1 == len(history):
        return Mint(f"another machine has written rows under the incarnation {hello.incarnation}")
    limits = [min(a, b) for a, b in zip(ours, history[at + 1].heads, strict=True)]
    asked: list[Position] = []
    marks = []
    for lane, mark, limit in zip(Lane, branch.marks, limits, strict=True):
        if lane not in hello.lanes:
            marks.append(Mark())
            continue
        candidates = [bound for bound in known_bounds(mark) if bound.seq <= limit]
        verdicts = [agrees(bound.seq, bound.chain, lane, hello) for bound in candidates]
        asked += [Position(lane, bound.seq) for bound, v in zip(candidates, verdicts, strict=True) if v is None]
        marks.append(_forked(candidates, verdicts, limit))
    if asked:
        return Ask(tuple(asked[-MAX_PROOFS:]))
    fresh = Branch(hello.node, len(branches), branch.number, "restored", now_ns, marks=tuple(marks))
    return _opened(branch, fresh, history, hello)


def _forked(candidates: Sequence[Bound], verdicts: Sequence[bool | None], limit: int) -> Mark:
    """The first mark of a new branch: at our last bound that the child has too."""
    start, chain = 0, GENESIS
    for bound, is_common in zip(candidates, verdicts, strict=True):
        if is_common:
            start, chain = bound
    # When even our last bound below the limit differs, the incarnations prove nothing: only the chains do.
    fork = limit if not candidates or verdicts[-1] else start
    shared = tuple(bound for bound in candidates if bound.seq <= start)
    return Mark(start, chain, 0, fork, start, 0, 0, 0, shared)


def _opened(old: Branch, fresh: Branch, history: Sequence[Incarnation], hello: Heard) -> Fork:
    held = tuple(o.wm - f.start for o, f in zip(old.marks, fresh.marks, strict=True))
    unseen = tuple(max(0, o.head_seen - max(o.wm, f.fork)) for o, f in zip(old.marks, fresh.marks, strict=True))
    return Fork(_told(fresh, history, hello), held, unseen)


def agrees(seq: int, chain: bytes, lane: Lane, hello: Heard) -> bool | None:
    """Does the child's history contain ours up to `seq`? None: it has to prove it first."""
    if seq == 0:
        return True
    if seq > hello.heads[lane]:
        return False
    if seq == hello.heads[lane]:
        return chain == hello.heads_chain[lane]
    proof = hello.proofs.get((lane, seq))
    if proof is None:
        return None
    return proof.found and proof.chain in (b"", chain)


def _told(branch: Branch, starts: Sequence[Incarnation], hello: Heard) -> Branch:
    marks = tuple(
        replace(mark, head_seen=max(mark.head_seen, head))  # 0 where nothing was told
        for mark, head in zip(branch.marks, hello.heads, strict=True)
    )
    return replace(branch, incarnations=(*branch.incarnations, *starts), marks=marks)


def known_bounds(mark: Mark) -> tuple[Bound, ...]:
    """Where this node knows the child's chain, ascending; the mark itself is the last of them."""
    if not mark.wm:
        return ()
    if mark.bounds and mark.bounds[-1].seq == mark.wm:
        return mark.bounds
    return (*mark.bounds, Bound(mark.wm, mark.chain))


def common_rows(branches: Sequence[Branch], one: int, other: int, lane: Lane) -> int:
    """Up to which seq two branches of a child are the same history."""
    mine, theirs = _ancestry(branches, one, lane), _ancestry(branches, other, lane)
    return max((min(limit, theirs[number]) for number, limit in mine.items() if number in theirs), default=0)


def _ancestry(branches: Sequence[Branch], number: int, lane: Lane) -> dict[int, int]:
    limit = 1 << 62
    limits = {}
    while number >= 0:
        limits[number] = limit
        limit = min(limit, branches[number].marks[lane].fork)
        number = branches[number].parent
    return limits
