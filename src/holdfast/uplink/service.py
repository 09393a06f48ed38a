"""The uplink's shell: does what the plan says, and tells it what happened."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.journal import Journal
from holdfast.journal.records import Group, GroupKind
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.breaker import Breaker
from holdfast.uplink.happenings import UplinkConnected, UplinkDiverged, UplinkLost
from holdfast.uplink.plan import Answered, Appended, Fact, Failed, Offer, Session, Tick, Turn, UplinkPlan, Welcomed
from holdfast.uplink.ports import ParentLink
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.columns import encode_events, encode_readings
from holdfast.wire.errors import LinkDown, LinkRefused
from holdfast.wire.messages import GENESIS, BatchHeader, Hello

CONSUMER = "uplink"
PERSIST_EVERY_S = 1.0
DRAIN_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """The link as an operator sees it. Times are CLOCK_MONOTONIC seconds."""

    parent: str
    is_up: bool
    since: float
    trouble: str
    backlog: dict[Lane, int]
    rtt_s: float
    rows_sent: int
    batches_sent: int
    failures: int
    sent_bytes: int


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
    ) -> None:
        """may_sync: may rows leave now? Asked at every turn."""
        breaker = Breaker(settings.trip_after, settings.backoff_min, settings.backoff_max, rng)
        self._plan = UplinkPlan(settings, breaker)
        self._settings = settings
        self._journal = journal
        self._link = link
        self._clock = clock
        self._telemetry = telemetry
        # Bounded by the calls that can be under way: one hello or one batch a lane, and one Appended.
        self._facts: deque[Fact] = deque()
        self._wake = asyncio.Event()
        self._may_sync = may_sync
        self._offered: dict[Lane, int] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._is_up = False
        self._since = clock.monotonic()
        self._cause = "not connected yet"
        self._rtt_s = 0.0
        self._rows = self._batches = self._failures = 0
        # Where the parent is, with the chain there: the group that ends there may have been dropped since.
        self._bounds: dict[Lane, tuple[int, bytes]] = {}
        self._persisted: dict[Lane, int] = {}
        self._persist_due = 0.0
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
        self._plan.hurry = True
        self._wake.set()
        until = self._clock.monotonic() + deadline_s
        while not self._plan.is_idle and self._is_up and self._clock.monotonic() < until:  # noqa: ASYNC110  # the plan has no event to wait for, and this runs once, at the end
            await asyncio.sleep(DRAIN_POLL_S)
        self._persist()
        return self._plan.is_idle

    def offered(self) -> Mapping[Lane, int] | None:
        """How far each lane's rows may have left in this process's life; None while calls are under way."""
        return None if self._calls else dict(self._offered)

    def status(self) -> UplinkStatus:
        """How things stand now."""
        heads = {lane: self._journal.head(lane) for lane in Lane}
        acked = self._plan.acked()
        return UplinkStatus(
            parent=self._settings.url,
            is_up=self._is_up,
            since=self._since,
            trouble="" if self._is_up else (self._plan.trouble or self._cause),
            backlog={lane: heads[lane] - max(acked[lane], self._journal.cursor(CONSUMER, lane)) for lane in Lane},
            rtt_s=self._rtt_s,
            rows_sent=self._rows,
            batches_sent=self._batches,
            failures=self._failures,
            sent_bytes=self._link.sent_bytes,
        )

    def _learn_all(self) -> Turn:
        self._plan.held = not self._may_sync()
        self._facts.append(Appended(tuple(self._journal.head(lane) for lane in Lane)))
        turn = Turn()
        while self._facts:
            turn = self._plan.learn(self._facts.popleft(), self._clock.monotonic())
            if turn.hello:
                self._start(self._hello())
            for offer in turn.offers:
                self._start(self._offer(offer))
        return turn

    async def _sleep(self, turn: Turn) -> None:
        """Until a fact comes, a commit returns, or the plan's time is there."""
        pause = None if turn.wake_at is None else max(0.0, turn.wake_at - self._clock.monotonic())
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            self._facts.append(Tick())
        self._wake.clear()
        if self._clock.monotonic() >= self._persist_due:
            self._persist_due = self._clock.monotonic() + PERSIST_EVERY_S
            self._persist()

    def _start(self, call: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _tell(self, fact: Fact) -> None:
        self._facts.append(fact)
        self._wake.set()

    async def _hello(self) -> None:
        heads = tuple(self._journal.head(lane) for lane in Lane)
        count = len(self._journal.catalogue)
        chains = await asyncio.to_thread(self._chains, heads)
        hello = Hello(self._journal.node, self._journal.incarnation, heads, chains, count)
        try:
            welcome = await self._link.hello(hello)
        except HoldfastError as error:
            self._lost(error)
            self._tell(Failed(None, _asked(error)))
            return
        if welcome.status == "welcome":
            self._up(welcome.session)
            self._bounds = {lane: (mark.wm, mark.chain) for lane, mark in zip(Lane, welcome.marks, strict=True)}
        else:
            self._telemetry.emit(UplinkDiverged(parent=self._settings.url, detail=welcome.detail))
        self._tell(Welcomed(welcome))

    async def _offer(self, offer: Offer) -> None:
        try:
            body, rows, bound = await asyncio.to_thread(self._encode, offer)
            began = self._clock.monotonic()
            reply = await self._link.batch(body)
        except HoldfastError as error:  # a group that can't be read, too: a lane must not stay in flight for ever
            self._lost(error)
            self._tell(Failed(offer.lane, _asked(error)))
            return
        self._rtt_s = self._clock.monotonic() - began
        if reply.status == "applied":
            self._bounds[offer.lane] = bound
            self._rows += rows
            self._batches += 1
        elif reply.status == "diverged":
            self._lost(LinkDown(reply.detail))
            self._telemetry.emit(UplinkDiverged(parent=self._settings.url, detail=reply.detail))
        self._tell(Answered(offer.lane, reply))

    def _encode(self, offer: Offer) -> tuple[bytes, int, tuple[int, bytes]]:
        """The body of an offer, its number of rows, and the last row's seq and chain. Blocking."""
        groups = _same_kind(self._journal.read(offer.lane, offer.after, offer.max_rows))
        seq, chain = self._bounds.get(offer.lane, (0, GENESIS))
        before = chain if seq == offer.after else self._journal.chain_at(offer.lane, offer.after)
        if not groups or before is None or groups[0].first != offer.after + 1:
            raise LinkDown(f"rows after {offer.after} of lane {int(offer.lane)} are not in the journal any more")
        readings = [decode_readings(g.blob) for g in groups] if groups[0].kind is GroupKind.READINGS else []
        # Only what these rows need: a younger series may not be committed yet, and its number could be given anew.
        needed = max((int(batch.series.max()) + 1 for batch in readings), default=0)
        series = self._journal.catalogue.since(offer.series_known)[: max(0, needed - offer.series_known)]
        header = BatchHeader(
            session=offer.session,
            lane=offer.lane,
            first=groups[0].first,
            last=groups[-1].last,
            chain_before=before,
            chain=groups[-1].chain,
            kind="readings" if groups[0].kind is GroupKind.READINGS else "events",
            bounds=tuple(group.last for group in groups),
            series_from=offer.series_known,
            series=tuple(series),
            head=self._journal.head(offer.lane),
        )
        rows = groups[-1].last - offer.after
        self._offered[offer.lane] = max(self._offered.get(offer.lane, 0), header.last)
        bound = header.last, header.chain
        if readings:
            return encode_readings(header, readings), rows, bound
        return encode_events(header, [decode_events(group.blob) for group in groups]), rows, bound

    def _chains(self, heads: tuple[int, ...]) -> tuple[bytes, ...]:
        found = (self._journal.chain_at(lane, head) for lane, head in zip(Lane, heads, strict=True))
        return tuple(chain or GENESIS for chain in found)

    def _persist(self) -> None:
        """Remember what the parent has: only a hint, and what may be dropped under disk pressure."""
        acked = self._plan.acked()
        if self._plan.session is not Session.OPEN or acked == self._persisted:
            return
        self._persisted = acked

        def write(transaction: Transaction) -> None:
            for lane, seq in acked.items():
                transaction.set_cursor(CONSUMER, lane, seq)

        self._journal.submit(write)

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


def _same_kind(groups: list[Group]) -> list[Group]:
    kept = []
    for group in groups:
        if group.kind is not groups[0].kind:
            break
        kept.append(group)
    return kept


def _asked(error: HoldfastError) -> float:
    return error.retry_after_s if isinstance(error, LinkRefused) else 0.0
