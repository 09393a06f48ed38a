"""The events that ingest raises: what an operator must know about a child. Pure; ids are deterministic."""

import hashlib
from collections.abc import Sequence

from holdfast.ingest.judge import Fork
from holdfast.journal.records import Branch, Gap
from holdfast.model.event import Event, EventKind
from holdfast.model.lane import Lane


def branched(node: str, fork: Fork, now_ns: int) -> Event:
    """A child's new branch, with exact counts of what the old one has and this one has not."""
    branch = fork.branch
    held, unseen = sum(fork.held), sum(fork.unseen)
    message = (
        f"{branch.peer} came back with another history ({branch.reason}): branch {branch.number}; {held} rows here are "
        f"not on it any more, {unseen} rows it once announced never came"
    )
    why: dict[str, object] = {
        "branch": branch.number,
        "parent_branch": branch.parent,
        "reason": branch.reason,
        "forks": [mark.fork for mark in branch.marks],
        "held_here": list(fork.held),
        "announced_and_not_received": list(fork.unseen),
        "incarnation": branch.incarnations[-1].uuid,
    }
    return _event(node, branch.peer, "sync.branched", message, why, now_ns)


def suspect(node: str, branch: Branch, newest: int, now_ns: int) -> Event:
    """A branch that was thought to have ended goes on: two machines share one name."""
    message = f"two machines sync as {branch.peer}: branch {branch.number} goes on beside branch {newest}"
    why: dict[str, object] = {"branch": branch.number, "newest": newest, "incarnation": branch.incarnations[-1].uuid}
    return _event(node, branch.peer, "sync.suspect", message, why, now_ns)


def gap_taken(node: str, gap: Gap) -> Event:
    """Rows that a child no longer has."""
    message = f"{gap.origin} lost {len(gap)} rows of lane {int(gap.lane)}: {gap.reason}"
    why: dict[str, object] = {
        "branch": gap.branch,
        "lane": int(gap.lane),
        "first": gap.first,
        "last": gap.last,
        "rows": len(gap),
        "bytes": gap.bytes,
        "reason": str(gap.reason),
        "from_ns": gap.ts_min,
        "to_ns": gap.ts_max,
    }
    return _event(node, gap.origin, "sync.gap", message, why, gap.at_ns)


def _event(node: str, child: str, kind: EventKind, message: str, why: dict[str, object], ts: int) -> Event:
    parts: Sequence[object] = (node, child, kind, sorted(why.items(), key=lambda item: item[0]))
    return Event(
        id=hashlib.sha256(repr(parts).encode()).hexdigest()[:32],
        ts=ts,
        lane=Lane.CRITICAL,
        kind=kind,
        severity="warning",
        node=node,
        device=child,
        rule=kind,
        message=message,
        why=why,
    )
