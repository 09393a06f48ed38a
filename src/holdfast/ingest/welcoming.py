"""Opens sessions: what a hello changes, inside one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from holdfast.ingest.hearing import Heard, hear
from holdfast.ingest.judge import Ask, Fork, Mint, agrees, judge
from holdfast.ingest.notices import branched, suspect
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal import register
from holdfast.journal.branches import next_token
from holdfast.journal.records import Branch, Mark, Source
from holdfast.journal.transaction import Transaction
from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.wire.messages import VERSION, Hello, Limits, Position, RegionWelcome, SourceMark, Welcome
from holdfast.wire.messages import Mark as WireMark

LATER = "this node came back from an old image and must hear from its own parent first"


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
    is_settled: Callable[[], bool] = lambda: True
    """May children be believed? False: this node has a parent that hasn't welcomed it since it started."""
    keeps_backups: bool = False
    """Is only what's in a backup safe here?"""
    region: str = ""
    """Where this node is; children of the same region send their region lane, too."""
    takes_any_kind: Callable[[], bool] = lambda: True
    """Do those above take events of kinds that they don't know? What comes from children goes on to them."""

    def safe(self, marks: Sequence[Mark]) -> tuple[int, ...]:
        """What the child may forget before its disk gets scarce, by lane."""
        return tuple(min(mark.wm, mark.safe) if self.keeps_backups else mark.wm for mark in marks)


def refusal(child: str, hello: Hello) -> str:
    """Why this hello can't be judged; empty when it can."""
    if hello.version != VERSION:
        return f"version {hello.version} is spoken there, version {VERSION} here"
    if hello.node != child:
        return f"the token is {child}'s, the hello {hello.node}'s"
    if not hello.history or hello.history[-1].uuid != hello.incarnation:
        return "the hello's history doesn't end with its incarnation"
    return ""


def open_session(tx: Transaction, door: Door, told: Hello, now_ns: int) -> Opened:
    """Judge a hello and open a session. Repeatable, as every write must be."""
    hello = hear(told, door.region)
    branches = tx.branches(hello.node)
    verdict = judge(branches, hello, now_ns)
    if not door.is_settled() and _was_restored(branches, hello):
        return Opened(Welcome("later", detail=LATER, retry_after_s=door.settings.later))
    if isinstance(verdict, Ask):
        return Opened(Welcome("prove", positions=verdict.positions, whole=verdict.whole))
    if isinstance(verdict, Mint):
        return Opened(Welcome("mint", detail=verdict.detail))
    asked = _prove_elsewhere(tx, hello, verdict.branch.number)
    if asked:
        return Opened(Welcome("prove", positions=asked))
    branch = replace(verdict.branch, session=next_token(verdict.branch.session, door.incarnation))
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
    held = tx.sources(hello.node) if branch.parent >= 0 else ()
    _remember_register(tx, told, now_ns)
    return Opened(_welcome(branch, door, held, hello.lanes), branch, fork, is_revived)


def _remember_register(tx: Transaction, hello: Hello, now_ns: int) -> None:
    """Keep the head of the child's register in this node's own: a child can't shorten it unseen after that."""
    rows, chain = hello.audit
    known = tx.meta(f"register.{hello.node}")
    told = f"{rows} {chain}"
    if rows and told != known:
        tx.set_meta(f"register.{hello.node}", told)
        register.write(tx, now_ns, "child", {"child": hello.node, "rows": rows, "chain": chain})


def _was_restored(branches: Sequence[Branch], hello: Heard) -> bool:
    """Does the child remember more of us than we do of it? Then this journal came back from an old image."""
    if not branches:
        return any(hello.applied)
    return all(
        any(told > mark.wm for told, mark in zip(hello.applied, branch.marks, strict=True)) for branch in branches
    )


def _prove_elsewhere(tx: Transaction, hello: Heard, branch: int) -> tuple[Position, ...]:
    """What must be proven of what this node's own parent has of the child; what is, or can't be, is settled."""
    asked = []
    for one in tx.unchecked_elsewhere(hello.node, branch):
        if one.lane not in hello.lanes:
            continue
        verdict = agrees(one.seq, one.chain, one.lane, hello)
        if verdict is None:
            asked.append(Position(one.lane, one.seq))
        else:
            tx.check_elsewhere(one, holds=verdict)
    return tuple(asked)


def _welcome(branch: Branch, door: Door, held: Sequence[Source], lanes: Sequence[Lane]) -> Welcome:
    many = len(OPEN_LANES)
    safe = door.safe(branch.marks)
    return Welcome(
        "welcome",
        session=branch.session,
        branch=branch.number,
        marks=tuple(WireMark(mark.wm, mark.chain) for mark in branch.marks[:many]),
        safe=safe[:many],
        series_known=branch.series_known,
        credits=door.settings.credits,
        max_rows=door.settings.max_rows,
        max_body=door.limits.max_body,
        forks=tuple(mark.fork for mark in branch.marks[:many]),
        start=tuple(mark.start for mark in branch.marks[:many]),
        gap_rows=tuple(mark.gap_rows for mark in branch.marks[:many]),
        parent=door.incarnation,
        held=tuple(SourceMark(one.node, one.lane, one.seq, one.chain, one.branch) for one in held if one.lane in lanes),
        region=door.region,
        region_lane=_region(branch.marks[Lane.REGION], safe[Lane.REGION]) if Lane.REGION in lanes else None,
        knows_again=True,
        any_kind=door.takes_any_kind(),
    )


def _region(mark: Mark, safe: int) -> RegionWelcome:
    return RegionWelcome(WireMark(mark.wm, mark.chain), safe, mark.fork, mark.start, mark.gap_rows)
