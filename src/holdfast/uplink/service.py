"""The uplink's shell: does what the plan says, and tells it what happened."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any

from holdfast.journal import register
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.journal import Journal
from holdfast.journal.parent import ACCOUNT, BUDGET, CONSUMER, SAFE, Account
from holdfast.journal.records import Source
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.lane import SYNCED_LANES, Lane
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.breaker import Breaker
from holdfast.uplink.budget import BudgetStateInvalid
from holdfast.uplink.errors import KindUnknown, RowsMissing, asked_pause_s
from holdfast.uplink.greeting import greeting
from holdfast.uplink.happenings import (
    UplinkBranched,
    UplinkBudgetForgotten,
    UplinkConnected,
    UplinkDiverged,
    UplinkForbidden,
    UplinkLaneWaits,
    UplinkLost,
    UplinkMinted,
    UplinkPaced,
    UplinkRewound,
    UplinkRowsLost,
    UplinkStumbled,
)
from holdfast.uplink.measuring import LinkNumbers
from holdfast.uplink.mending import mend
from holdfast.uplink.naming import Trust
from holdfast.uplink.offers import Encoded, encode
from holdfast.uplink.plan import (
    Answered,
    Appended,
    Clocked,
    Fact,
    Failed,
    Offer,
    Session,
    Tick,
    Turn,
    UplinkPlan,
    Welcomed,
)
from holdfast.uplink.ports import ParentLink
from holdfast.uplink.settings import ParentSettings
from holdfast.uplink.standing import Standing
from holdfast.uplink.status import UplinkStatus
from holdfast.uplink.tracing import follow
from holdfast.wire.errors import BodyTooLarge, LinkDown, LinkRefused
from holdfast.wire.messages import MAX_PROOFS, BatchReply, Position, SourceMark, Welcome

HELLO_ROUNDS = 6
STUMBLED_PAUSE_S = 5.0
DRAIN_POLL_S = 0.02


class UplinkService:
    """Keeps the parent supplied. `run` is its only task's body; the rest is loop-thread only."""

    def __init__(
        self,
        settings: ParentSettings,
        journal: Journal,
        link: ParentLink,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
        may_sync: Callable[[], bool] = lambda: True,
        region: str = "",
    ) -> None:
        """Take what an uplink needs.

        may_sync: may rows leave now? Asked at every turn.
        region:   where this node is; a parent of the same one gets the region lane. Empty = a region of its own.
        """
        breaker = Breaker(settings.trip_after, settings.backoff_min, settings.backoff_max, rng)
        self.plan = UplinkPlan(settings, breaker, region=region)
        """What it goes by: the session, and what was measured of the link."""
        self.standing = Standing(Trust(region, node=journal.node), Account.decode(journal.meta(ACCOUNT)))
        self._settings, self._journal, self._link = settings, journal, link
        self._clock, self._telemetry = clock, telemetry
        # Bounded by the calls that can be under way: one hello or one batch a lane, and one Appended.
        self._facts: deque[Fact] = deque()
        self._wake = asyncio.Event()
        self._may_sync = may_sync
        self._offered: dict[Lane, int] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self.is_settled = False
        """Has the parent welcomed this node since it started?"""
        self._is_up = False
        self._since = clock.monotonic()
        self._cause = "not connected yet"
        self._rows = self._batches = self._failures = 0
        self._cpu_s = 0.0
        self._persisted: dict[Lane, int] = {}
        self._persist_due = 0.0
        self._spent = b""
        self._pace = self.plan.pacing.level
        self._restore_budget()
        self._facts.append(Clocked(clock.wall_ns()))
        LinkNumbers(self.status, journal, clock).register(telemetry)
        journal.on_commit(self._wake.set)

    async def run(self) -> None:
        """Sync for ever; cancel to stop."""
        try:
            while True:
                turn = self._learn_all()
                await self._sleep(turn)
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def drain(self, deadline_s: float) -> bool:
        """Send what waits without lingering, while the link is up; was everything taken before the deadline?"""
        self.plan.hurry = True
        self._wake.set()
        await asyncio.sleep(DRAIN_POLL_S)  # `run` learns of what was committed just now
        until = self._clock.monotonic() + deadline_s
        while not self.plan.is_idle and self._is_up and self._clock.monotonic() < until:  # noqa: ASYNC110  # the plan has no event to wait for, and this runs once, at the end
            await asyncio.sleep(DRAIN_POLL_S)
        self._persist()
        return self.plan.is_idle

    def offered(self) -> Mapping[Lane, int] | None:
        """How far each lane's rows may have left in this process's life; None while calls are under way."""
        return None if self._calls else dict(self._offered)

    @property
    def branch(self) -> int | None:
        """What the parent calls this node's history; None while there is no session."""
        return self.standing.account.branch if self.plan.session is Session.OPEN else None

    def status(self) -> UplinkStatus:
        """How things stand now."""
        return UplinkStatus(
            parent=self._settings.url,
            is_up=self._is_up,
            since=self._since,
            trouble="" if self._is_up else (self.plan.trouble or self._cause),
            backlog={lane: self._backlog(lane) for lane in Lane},
            link=self.plan.report(self._clock.monotonic()),
            rows_sent=self._rows,
            batches_sent=self._batches,
            failures=self._failures,
            sent_bytes=self._link.sent_bytes,
            cpu_s=self._cpu_s,
        )

    def _backlog(self, lane: Lane) -> int:
        if not self.plan.is_open(lane):
            return 0
        head, has = self._journal.head(lane), self._journal.cursor(CONSUMER, lane)
        has = max(self.plan.acked().get(lane, 0), has)
        return head - has - self._journal.gap_rows(lane, has, head)

    def _learn_all(self) -> Turn:
        self.plan.held = not self._may_sync()
        self._facts.append(Appended(tuple(self._journal.head(lane) for lane in SYNCED_LANES)))
        turn = Turn()
        while self._facts:
            turn = self.plan.learn(self._facts.popleft(), self._clock.monotonic())
            if turn.hello:
                self._start(self._hello())
            for offer in turn.offers:
                self._start(self._offer(offer))
        self._tell_pace()
        return turn

    def _tell_pace(self) -> None:
        pacing = self.plan.pacing
        if pacing.level is not self._pace:
            self._pace = pacing.level
            self._telemetry.emit(UplinkPaced(pace=self._pace.value, goodput_bps=8 * (pacing.goodput.bytes_per_s or 0)))

    async def _sleep(self, turn: Turn) -> None:
        """Until a fact comes, a commit returns, or the plan's time is there."""
        wake_at = turn.wake_at
        if self._has_news():  # the journal should know it soon, even when nothing else happens
            wake_at = self._persist_due if wake_at is None else min(wake_at, self._persist_due)
        pause = None if wake_at is None else max(0.0, wake_at - self._clock.monotonic())
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            self._facts.append(Tick())
        self._wake.clear()
        if self._clock.monotonic() >= self._persist_due:
            self._persist_due = self._clock.monotonic() + self._settings.remember_every
            self._facts.append(Clocked(self._clock.wall_ns()))  # it may have been set
            self._persist()

    def _start(self, call: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _tell(self, fact: Fact) -> None:
        self._facts.append(fact)
        self._wake.set()

    async def _hello(self) -> None:
        began = self._clock.monotonic()
        try:
            welcome = await self._ask()
        except HoldfastError as error:
            self._lost(error)
            self._tell(Failed(None, asked_pause_s(error)))
            return
        except Exception as bug:  # noqa: BLE001  # a fault of ours must not leave the session half open for ever
            self._stumbled(bug, None)
            return
        if welcome.status == "welcome":
            self._welcomed(welcome)
        else:
            self._lost(LinkDown(welcome.detail))
        self._tell(Welcomed(welcome, self._clock.monotonic() - began))

    async def _ask(self) -> Welcome:
        """Say hello, prove what the parent asks for, mint a new incarnation where it demands one."""
        positions: tuple[Position, ...] = ()
        whole = False
        for _ in range(HELLO_ROUNDS):
            count = len(self._journal.catalogue)
            node, region = self._journal.node, self.standing.trust.region
            hello = await asyncio.to_thread(
                greeting, self._journal, node, count, self._applied(), positions, whole=whole, region=region
            )
            welcome = await self._link.hello(hello)
            if welcome.status == "prove":
                positions, whole = (*positions, *welcome.positions)[-MAX_PROOFS:], whole or welcome.whole
            elif welcome.status == "mint":
                fresh = await self._journal.mint()
                self._telemetry.emit(UplinkMinted(incarnation=fresh, detail=welcome.detail))
            elif welcome.status == "later":
                raise LinkRefused(welcome.detail, welcome.retry_after_s)
            else:
                if welcome.held:
                    await self._learn_held(welcome.held)
                return welcome
        raise LinkDown("the parent keeps asking for proof of this node's history")

    def _applied(self) -> list[int]:
        known = self.plan.acked()
        return [max(known.get(lane, 0), self._journal.cursor(CONSUMER, lane)) for lane in SYNCED_LANES]

    async def _learn_held(self, held: Sequence[SourceMark]) -> None:
        """This node came back with another history: its children's rows that the parent has must not go up again."""
        incarnation = self._journal.incarnation

        def write(tx: Transaction) -> None:
            tx.add_elsewhere([Source(one.node, Lane(one.lane), one.seq, one.chain) for one in held])
            tx.fence(incarnation)

        await self._journal.submit(write)

    def _welcomed(self, welcome: Welcome) -> None:
        self.is_settled = True
        self._up(welcome.session)
        if welcome.branch != self.standing.account.branch:
            self._telemetry.emit(UplinkBranched(parent=self._settings.url, branch=welcome.branch))
        before = self.standing.account.branch
        self.standing.welcomed(welcome)
        bounds = self.standing.bounds
        behind = sum(max(0, self._journal.cursor(CONSUMER, lane) - bound.seq) for lane, bound in bounds.items())
        if behind and welcome.branch == before:
            self._telemetry.emit(UplinkRewound(parent=self._settings.url, rows=behind))
        self._persisted.clear()

    async def _offer(self, offer: Offer) -> None:
        size = 0
        followed = follow(self._telemetry.tracer, self._journal.catalogue)
        try:
            encoded = await asyncio.to_thread(
                encode,
                self._journal,
                self._journal.catalogue,
                offer,
                self.standing.bounds.get(offer.lane),
                self.standing.account.branch,
                self.standing.trust,
                followed,
            )
            size = len(encoded.body)
            self._cpu_s += encoded.cpu_s
            self._offered[offer.lane] = max(self._offered.get(offer.lane, 0), encoded.end.seq)
            began = self._clock.monotonic()
            sent_ns = self._clock.wall_ns()
            reply = await self._link.batch(encoded.body)
        except (RowsMissing, GroupCorrupt) as fault:
            await self._mend(fault)
            self._tell(Failed(offer.lane, 0.0))
        except KindUnknown as why:
            self._telemetry.emit(UplinkLaneWaits(self._settings.url, int(offer.lane), str(why)))
            self._tell(Failed(offer.lane, waits=True))
        except HoldfastError as error:  # whatever it is, a lane must not stay in flight for ever
            self._lost(error)
            self._tell(Failed(offer.lane, asked_pause_s(error), isinstance(error, BodyTooLarge), size))
        except Exception as bug:  # noqa: BLE001  # nor a lane in flight
            self._stumbled(bug, offer.lane)
        else:
            self._answered(offer.lane, encoded, reply)
            if followed is not None and reply.status in {"applied", "duplicate"}:
                followed.answered(offer.lane, sent_ns, {"bytes": size, "rows": encoded.rows, "reply": reply.status})
            self._tell(Answered(offer.lane, reply, size, encoded.rows, self._clock.monotonic() - began))

    def _answered(self, lane: Lane, encoded: Encoded, reply: BatchReply) -> None:
        if reply.status == "applied":
            self.standing.applied(lane, encoded)
            self._rows += encoded.rows
            self._batches += 1
        elif reply.status == "forbidden":
            self._forbidden(encoded.rows, reply.detail)
        elif reply.status == "diverged":
            self._telemetry.emit(UplinkDiverged(parent=self._settings.url, detail=reply.detail))
        if reply.safe:
            self.standing.made_safe(lane, reply)

    def _forbidden(self, rows: int, detail: str) -> None:
        """The parent must not have them: they stay here, and the register says so."""
        self._telemetry.emit(UplinkForbidden(parent=self._settings.url, rows=rows, detail=detail))
        day = self._clock.wall_ns() // register.DAY_NS
        self._journal.submit(lambda tx: register.count(tx, day, "", "refused_by_parent", rows))

    def _stumbled(self, bug: Exception, lane: Lane | None) -> None:
        self._lost(LinkDown(f"unexpected: {bug!r}"))
        self._telemetry.emit(UplinkStumbled(detail=repr(bug)))
        self._tell(Failed(lane, STUMBLED_PAUSE_S))

    async def _mend(self, fault: RowsMissing | GroupCorrupt) -> None:
        """What can't be read can't be sent: a gap says so, and the lane goes on."""
        now_ns = self._clock.wall_ns()
        gap = await self._journal.submit(lambda tx: mend(tx, fault, now_ns))
        self._telemetry.emit(
            UplinkRowsLost(detail=str(fault), rows=len(gap) if gap else 0, reason=str(gap.reason) if gap else "none")
        )

    def _has_news(self) -> bool:
        """Did the parent take more than the journal knows?"""
        return self.plan.session is Session.OPEN and self.plan.acked() != self._persisted

    def _persist(self) -> None:
        """Remember what the parent has, and what the link has cost.

        The first is only a hint, and what may be dropped under disk pressure; a failing link costs too.
        """
        spent = self.plan.pacing.budget.snapshot()
        has_news = self._has_news()
        if not has_news and spent == self._spent:
            return
        self._spent = spent
        acked = self.plan.acked() if has_news else {}
        self._persisted = acked or self._persisted
        safe, account = self.standing.safe, self.standing.account.encode()

        def write(transaction: Transaction) -> None:
            for lane, seq in acked.items():
                transaction.set_cursor(CONSUMER, lane, seq)
                transaction.set_cursor(SAFE, lane, min(seq, safe.get(lane, seq)))
            transaction.set_meta(ACCOUNT, account)
            transaction.set_meta(BUDGET, spent.decode())

        self._journal.submit(write)

    def _restore_budget(self) -> None:
        stored = self._journal.meta(BUDGET)
        if stored is None:
            return
        try:
            self.plan.pacing.budget.restore(stored.encode())
        except BudgetStateInvalid as error:
            self._telemetry.emit(UplinkBudgetForgotten(detail=str(error)))

    def _up(self, session: int) -> None:
        if not self._is_up:
            self._is_up, self._since = True, self._clock.monotonic()
            rows = sum(self.status().backlog.values())
            self._telemetry.emit(UplinkConnected(parent=self._settings.url, session=session, backlog_rows=rows))

    def _lost(self, error: HoldfastError) -> None:
        self._failures += 1
        self._cause = str(error)
        if self._is_up:
            self._is_up, self._since = False, self._clock.monotonic()
            self._telemetry.emit(UplinkLost(parent=self._settings.url, cause=self._cause))
