"""Opens sessions: what a hello changes, inside one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.ingest.judge import Ask, Fork, Mint, judge
from holdfast.ingest.notices import branched, suspect
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.records import Branch
from holdfast.journal.transaction import Transaction
from holdfast.model.lane import Lane
from holdfast.wire.messages import VERSION, Hello, Limits, Welcome
from holdfast.wire.messages import Mark as WireMark


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer to a hello, and what there is to say about it. branch: None when no session was opened."""

    welcome: Welcome
    branch: Branch | None = None
    fork: Fork | None = None
    is_revived: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """What opening needs to know of this node."""

    node: str
    incarnation: str
    settings: ChildrenSettings
    limits: Limits


def refusal(child: str, hello: Hello) -> str:
    """Why this hello can't be judged; empty when it can."""
    if hello.version != VERSION:
        return f"version {hello.version} is spoken there, version {VERSION} here"
    if hello.node != child:
        return f"the token is {child}'s, the hello {hello.node}'s"
    if not hello.history or hello.history[-1].uuid != hello.incarnation:
        return "the hello's history doesn't end with its incarnation"
    return ""


def open_session(tx: Transaction, door: Door, hello: Hello, now_ns: int, safe: Sequence[int] | None = None) -> Opened:
    """Judge a hello and open a session. Repeatable, as every write must be.

    safe: what the child may forget, by lane, when that is less than what is applied
    """
    branches = tx.branches(hello.node)
    verdict = judge(branches, hello, now_ns)
    if isinstance(verdict, Ask):
        return Opened(Welcome("prove", positions=verdict.positions, whole=verdict.whole))
    if isinstance(verdict, Mint):
        return Opened(Welcome("mint", detail=verdict.detail))
    branch = replace(verdict.branch, session=verdict.branch.session + 1)
    is_revived = not isinstance(verdict, Fork) and verdict.revived and not branch.is_suspect
    if isinstance(verdict, Fork):
        tx.append_events(Lane.CRITICAL, [branched(door.node, verdict, now_ns)])
        tx.count("events_accepted")
        tx.count("sync_branches")
    if is_revived:
        branch = replace(branch, is_suspect=True)
        tx.append_events(Lane.CRITICAL, [suspect(door.node, branch, branches[-1].number, now_ns)])
        tx.count("events_accepted")
    tx.set_branch(branch)
    fork = verdict if isinstance(verdict, Fork) else None
    return Opened(_welcome(branch, door, safe), branch, fork, is_revived)


def _welcome(branch: Branch, door: Door, safe: Sequence[int] | None) -> Welcome:
    applied = tuple(mark.wm for mark in branch.marks)
    return Welcome(
        "welcome",
        session=branch.session,
        branch=branch.number,
        marks=tuple(WireMark(mark.wm, mark.chain) for mark in branch.marks),
        safe=applied if safe is None else tuple(min(a, s) for a, s in zip(applied, safe, strict=True)),
        series_known=branch.series_known,
        credits=door.settings.credits,
        max_rows=door.settings.max_rows,
        max_body=door.limits.max_body,
        forks=tuple(mark.fork for mark in branch.marks),
        start=tuple(mark.start for mark in branch.marks),
        gap_rows=tuple(mark.gap_rows for mark in branch.marks),
        parent=door.incarnation,
    )
