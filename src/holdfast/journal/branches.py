"""What a parent remembers of its children: branches, their incarnations, marks and series."""

import struct
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.journal.records import CHAIN_BYTES, Bound, Branch, Incarnation, Mark, Source
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, row, rows

_BOUND = struct.Struct(f"<q{CHAIN_BYTES}s")
_PER_OCTAVE = 4
_NEAR = 64
INCARNATIONS_KEPT = 1_000


def read_branches(db: Connection, peer: str) -> tuple[Branch, ...]:
    """Every branch of a child, oldest first."""
    found = rows(
        db,
        "SELECT branch, parent, reason, opened_ns, session, series_known, suspect "
        "FROM branches WHERE peer = ? ORDER BY branch",
        (peer,),
    )
    return tuple(
        Branch(
            peer, n, parent, reason, ns, session, known, bool(suspect), _incarnations(db, peer, n), _marks(db, peer, n)
        )
        for n, parent, reason, ns, session, known, suspect in found
    )


def read_branch(db: Connection, peer: str, number: int) -> Branch | None:
    """One branch, with marks but without incarnations: what applying a batch needs."""
    stored = row(
        db,
        "SELECT parent, reason, opened_ns, session, series_known, suspect FROM branches WHERE peer = ? AND branch = ?",
        (peer, number),
    )
    if stored is None:
        return None
    parent, reason, ns, session, known, suspect = stored
    return Branch(peer, number, parent, reason, ns, session, known, bool(suspect), (), _marks(db, peer, number))


def write_branch(db: Connection, branch: Branch) -> None:
    """Store everything of a branch."""
    peer, number = branch.peer, branch.number
    db.execute(
        "INSERT OR REPLACE INTO branches (peer, branch, parent, reason, opened_ns, session, series_known, suspect) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            peer,
            number,
            branch.parent,
            branch.reason,
            branch.opened_ns,
            branch.session,
            branch.series_known,
            int(branch.is_suspect),
        ),
    )
    db.execute("DELETE FROM branch_incarnations WHERE peer = ? AND branch = ?", (peer, number))
    kept = branch.incarnations[-INCARNATIONS_KEPT:]
    db.executemany(
        "INSERT INTO branch_incarnations (peer, branch, n, uuid, heads) VALUES (?, ?, ?, ?, ?)",
        [(peer, number, n, one.uuid, msgspec.json.encode(one.heads).decode()) for n, one in enumerate(kept)],
    )
    for lane, mark in zip(Lane, branch.marks, strict=True):
        write_mark(db, peer, number, lane, mark)


def write_series_known(db: Connection, peer: str, number: int, known: int) -> None:
    """Remember how many series of a branch are mapped."""
    db.execute("UPDATE branches SET series_known = ? WHERE peer = ? AND branch = ?", (known, peer, number))


def write_mark(db: Connection, peer: str, number: int, lane: Lane, mark: Mark) -> None:
    """Store one lane's mark."""
    packed = b"".join(_BOUND.pack(*bound) for bound in mark.bounds)
    db.execute(
        "INSERT OR REPLACE INTO branch_marks "
        "(peer, branch, lane, wm, chain, head_seen, fork, start, rows, gap_rows, shared, bounds, safe) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            peer,
            number,
            int(lane),
            mark.wm,
            mark.chain,
            mark.head_seen,
            mark.fork,
            mark.start,
            mark.rows,
            mark.gap_rows,
            mark.shared,
            packed,
            mark.safe,
        ),
    )


def marks_of_all(db: Connection) -> list[tuple[str, int, int, int]]:
    """(child, branch, lane, watermark) of every child."""
    return [(peer, n, lane, wm) for peer, n, lane, wm in rows(db, "SELECT peer, branch, lane, wm FROM branch_marks")]


def write_safe(db: Connection, marks: Sequence[tuple[str, int, int, int]]) -> None:
    """A backup holds the children's rows up to these marks; what it doesn't know is not in it at all."""
    db.execute("UPDATE branch_marks SET safe = 0")
    db.executemany(
        "UPDATE branch_marks SET safe = ? WHERE peer = ? AND branch = ? AND lane = ?",
        [(wm, peer, n, lane) for peer, n, lane, wm in marks],
    )


def remap_series(db: Connection, peer: str, number: int, remote: int, series: int) -> None:
    """A child's series id, known by a placeholder so far, is this own one."""
    db.execute(
        "UPDATE branch_series SET series = ? WHERE peer = ? AND branch = ? AND remote = ?",
        (series, peer, number, remote),
    )


def series_map(db: Connection, peer: str, number: int) -> NDArray[np.int32]:
    """A child's series id on a branch -> own id, shape (known,)."""
    known = rows(db, "SELECT series FROM branch_series WHERE peer = ? AND branch = ? ORDER BY remote", (peer, number))
    return np.array([series for (series,) in known], np.int32)


def map_series(db: Connection, peer: str, number: int, first: int, own: Sequence[int]) -> None:
    """Learn a dense run of a child's series ids, starting at `first`."""
    db.executemany(
        "INSERT INTO branch_series (peer, branch, remote, series) VALUES (?, ?, ?, ?)",
        [(peer, number, first + i, series) for i, series in enumerate(own)],
    )


def read_sources(db: Connection, peer: str) -> tuple[Source, ...]:
    """What is held of a child's children."""
    found = rows(db, "SELECT source, lane, seq, chain, branch FROM sources WHERE peer = ? ORDER BY 1, 5, 2", (peer,))
    return tuple(Source(source, Lane(lane), seq, chain, branch) for source, lane, seq, chain, branch in found)


def write_sources(db: Connection, peer: str, sources: Iterable[Source]) -> None:
    """Remember how far a child's children are held."""
    db.executemany(
        "INSERT OR REPLACE INTO sources (peer, source, branch, lane, seq, chain) VALUES (?, ?, ?, ?, ?, ?)",
        [(peer, one.node, one.branch, int(one.lane), one.seq, one.chain) for one in sources],
    )


def write_elsewhere(db: Connection, sources: Iterable[Source]) -> None:
    """Remember what the parent holds of the children."""
    db.executemany(
        "INSERT OR IGNORE INTO elsewhere (child, lane, seq, chain) VALUES (?, ?, ?, ?)",
        [(one.node, int(one.lane), one.seq, one.chain) for one in sources],
    )


def unchecked_elsewhere(db: Connection, child: str, branch: int) -> tuple[Source, ...]:
    """What the parent holds of a child, where it's not known yet whether this branch contains it."""
    found = rows(
        db,
        "SELECT lane, seq, chain FROM elsewhere e WHERE child = ? AND NOT EXISTS ("
        "SELECT 1 FROM elsewhere_checked c WHERE c.child = e.child AND c.branch = ? AND c.lane = e.lane "
        "AND c.seq = e.seq AND c.chain = e.chain) ORDER BY lane, seq",
        (child, branch),
    )
    return tuple(Source(child, Lane(lane), seq, chain, branch) for lane, seq, chain in found)


def check_elsewhere(db: Connection, source: Source, *, holds: bool) -> None:
    """Remember whether a child's branch contains what the parent holds."""
    db.execute(
        "INSERT OR REPLACE INTO elsewhere_checked (child, branch, lane, seq, chain, holds) VALUES (?, ?, ?, ?, ?, ?)",
        (source.node, source.branch, int(source.lane), source.seq, source.chain, int(holds)),
    )


def held_elsewhere(db: Connection, child: str, branch: int, lane: Lane) -> int:
    """Up to which seq the parent holds this branch's rows; 0 = nothing is known."""
    found = row(
        db,
        "SELECT max(seq) FROM elsewhere_checked WHERE child = ? AND branch = ? AND lane = ? AND holds",
        (child, branch, int(lane)),
    )
    return int(found[0] or 0) if found else 0


def next_token(latest: int, incarnation: str) -> int:
    """A fencing token that no other life of this node gave out; counting on after a restore would repeat some.

    52 bits, so that every JSON reader keeps it exact.
    """
    return int(incarnation[:8], 16) << 20 | ((latest + 1) & 0xFFFFF)


def is_token_of(token: int, incarnation: str) -> bool:
    """Was this fencing token given out in this life of the node?"""
    return token >> 20 == int(incarnation[:8], 16)


def thinned(bounds: Sequence[Bound]) -> tuple[Bound, ...]:
    """At most a few bounds a power of two of distance from the newest, which stays; ascending.

    A fork is looked for among them: near the head they are all kept, far from it a coarser cut resends a little more.
    """
    if len(bounds) <= _NEAR:
        return tuple(bounds)
    newest = bounds[-1].seq
    taken: dict[int, int] = {}
    kept = []
    for i, bound in enumerate(reversed(bounds)):
        octave = (newest - bound.seq).bit_length()
        taken[octave] = taken.get(octave, 0) + 1
        if i < _NEAR // 2 or taken[octave] <= _PER_OCTAVE:
            kept.append(bound)
    return tuple(reversed(kept))


def _marks(db: Connection, peer: str, number: int) -> tuple[Mark, ...]:
    found: dict[int, Mark] = {}
    for lane, *numbers, packed in rows(
        db,
        "SELECT lane, wm, chain, head_seen, fork, start, rows, gap_rows, shared, safe, bounds "
        "FROM branch_marks WHERE peer = ? AND branch = ?",
        (peer, number),
    ):
        wm, chain, head, fork, start, kept, gaps, shared, safe = numbers
        bounds = tuple(Bound(*bound) for bound in _BOUND.iter_unpack(packed))
        found[lane] = Mark(wm, chain, head, fork, start, kept, gaps, shared, bounds, safe)
    return tuple(found.get(int(lane), Mark()) for lane in Lane)


def _incarnations(db: Connection, peer: str, number: int) -> tuple[Incarnation, ...]:
    found = rows(
        db, "SELECT uuid, heads FROM branch_incarnations WHERE peer = ? AND branch = ? ORDER BY n", (peer, number)
    )
    return tuple(Incarnation(uuid, heads_of(heads)) for uuid, heads in found)


def heads_of(stored: str) -> tuple[int, ...]:
    """A stored list of heads, one a lane; lanes younger than it stood at 0."""
    heads = tuple(msgspec.json.decode(stored))
    return heads + (0,) * (len(Lane) - len(heads))
