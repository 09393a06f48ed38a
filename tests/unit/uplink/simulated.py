"""A parent behind a link whose speed changes over virtual time, driven through `UplinkPlan`. No clock, no sockets.

The link is one queue (first in, first out) that all lanes share: a router's fat buffer, worse for lane 0 than TCP is.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from holdfast.model.lane import Lane
from holdfast.uplink.breaker import Breaker
from holdfast.uplink.plan import Answered, Appended, Clocked, Fact, Failed, Offer, Tick, Turn, UplinkPlan, Welcomed
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.messages import BatchReply, Mark, Welcome

Outcome = Literal["", "lost request", "lost answer", "busy"]
NS = 1_000_000_000


@dataclass
class World:
    """One child, one parent, one link.

    speeds:  (from, bytes/s), ascending; in force until the next
    outcome: of each call, in order; beyond the list all is well
    started: wall seconds at virtual time 0
    """

    settings: ParentSettings
    speeds: Sequence[tuple[float, float]] = ((0.0, 8_000.0),)
    rtt_s: float = 0.2
    row_bytes: tuple[float, float, float] = (180.0, 8.0, 8.0)
    credits: int = 4
    max_body: int = 16 * 1024 * 1024
    outcomes: list[Outcome] = field(default_factory=list)
    started: int = 1_700_000_000

    def __post_init__(self) -> None:
        self.plan = UplinkPlan(self.settings, Breaker(3, 0.2, 5.0, Random(1)))
        self.now = 0.0
        self.heads = [0, 0, 0]
        self.wms = [0, 0, 0]
        self.flying: set[Lane] = set()
        self.sent = [0, 0, 0]
        """Bytes of bodies, lane by lane."""
        self.bodies: list[tuple[float, Lane, int]] = []
        self.waits: list[float] = []
        """Seconds from a lane-0 row's commit to the answer that covers it."""
        self._born: list[tuple[float, int]] = []
        self._free_at = 0.0
        self._session = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._wake: float | None = None
        self._tell(Clocked(self.started * NS))

    def append(self, lane: Lane, rows: int, at: float = 0.0) -> None:
        """Rows are committed at that time."""

        def commit() -> None:
            self.heads[lane] += rows
            if lane is Lane.CRITICAL:
                self._born.append((self.now, self.heads[lane]))
            self._tell(Appended(tuple(self.heads)))

        self.at(at, commit)

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Do something at a time."""
        self._count += 1
        heapq.heappush(self._queue, (when, self._count, what))

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            event = self._queue[0][0] if self._queue else until
            if self._wake is not None and self._wake < min(event, until):
                self.now = max(self.now, self._wake)
                self._wake = None
                self._tell(Tick())
            elif event >= until:
                self.now = until
                return
            else:
                when, _, what = heapq.heappop(self._queue)
                self.now = max(self.now, when)
                what()

    def _tell(self, fact: Fact) -> None:
        turn = self.plan.learn(fact, self.now)
        self._wake = turn.wake_at
        self._check(turn)
        if turn.hello:
            self._call(600, None)
        for offer in turn.offers:
            self._send(offer)

    def _check(self, turn: Turn) -> None:
        """What must always hold."""
        for offer in turn.offers:
            assert offer.lane not in self.flying, "two batches of a lane"
            assert offer.max_rows >= 1
            self.flying.add(offer.lane)
        assert len(self.flying) <= max(1, self.credits) + 1
        assert len(self.flying - {Lane.CRITICAL}) <= max(1, self.credits)
        for lane, acked in self.plan.acked().items():
            assert acked <= self.heads[lane]

    def _send(self, offer: Offer) -> None:
        rows = min(offer.max_rows, self.heads[offer.lane] - offer.after)
        assert rows >= 1
        body = 400 + round(rows * self.row_bytes[offer.lane])
        self.sent[offer.lane] += body
        self.bodies.append((self.now, offer.lane, body))
        self._call(body, (offer, rows, body))

    def _call(self, size: int, batch: tuple[Offer, int, int] | None) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else ""
        began = self.now
        self._free_at = self._carried(max(self.now, self._free_at), size)
        lane = None if batch is None else batch[0].lane

        def answer() -> None:
            if lane is not None:
                self.flying.discard(lane)
            if outcome.startswith("lost"):
                if outcome == "lost answer":
                    self._reply(batch, began)
                self._tell(Failed(lane, body_bytes=size if batch else 0))
            elif outcome == "busy":
                self._tell(Failed(lane, asked_s=3.0, body_bytes=size if batch else 0))
            elif size > self.max_body:
                self._tell(Failed(lane, too_large=True, asked_s=5.0, body_bytes=size))
            else:
                self._tell(self._reply(batch, began))

        self.at(self._free_at + self.rtt_s, answer)

    def _reply(self, batch: tuple[Offer, int, int] | None, began: float) -> Fact:
        if batch is None:
            self._session += 1
            marks = tuple(Mark(wm) for wm in self.wms)
            welcome = Welcome("welcome", session=self._session, marks=marks, credits=self.credits)
            return Welcomed(welcome, self.now - began)
        offer, rows, body = batch
        if offer.session != self._session:
            reply = BatchReply("fenced")
        elif offer.after != self.wms[offer.lane]:
            reply = BatchReply("expected", applied=self.wms[offer.lane], expected=self.wms[offer.lane] + 1)
        else:
            self.wms[offer.lane] += rows
            reply = BatchReply("applied", applied=self.wms[offer.lane])
            if offer.lane is Lane.CRITICAL:
                while self._born and self._born[0][1] <= self.wms[0]:
                    self.waits.append(self.now - self._born.pop(0)[0])
        return Answered(offer.lane, reply, body, rows, self.now - began)

    def _carried(self, begin: float, size: float) -> float:
        """When the link has carried `size` bytes from `begin` on."""
        at = begin
        for i, (since, speed) in enumerate(self.speeds):
            until = self.speeds[i + 1][0] if i + 1 < len(self.speeds) else float("inf")
            if until <= at:
                continue
            span = until - max(at, since)
            if speed * span >= size:
                return max(at, since) + size / speed
            size -= speed * span
            at = until
        return at
