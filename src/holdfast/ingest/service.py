"""Takes children's rows: decode and hash on a worker thread, then one journal transaction per batch."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

from holdfast.ingest.applying import Applied, apply_batch
from holdfast.ingest.errors import SeriesForeign
from holdfast.ingest.fetching import fetched
from holdfast.ingest.happenings import (
    IngestBranched,
    IngestForbidden,
    IngestGapTaken,
    IngestHistoryDiverged,
    IngestSessionOpened,
    IngestSuspect,
)
from holdfast.ingest.settings import ChildrenSettings
from holdfast.ingest.tracing import ingested
from holdfast.ingest.welcoming import Door, Opened, open_session, refusal
from holdfast.journal import blobs, register
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.journal import Journal
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows
from holdfast.wire.columns import Content, decode
from holdfast.wire.errors import WireError
from holdfast.wire.messages import BatchHeader, BatchReply, Fetch, Hello, Limits, Welcome

BatchListener = Callable[[Batch], None]
EventListener = Callable[[str, Sequence[Event]], None]


class IngestService:
    """The parent's end of the sync. Loop thread only."""

    def __init__(
        self,
        journal: Journal,
        telemetry: Telemetry,
        settings: ChildrenSettings,
        clock: Clock,
        is_settled: Callable[[], bool] = lambda: True,
        *,
        keeps_backups: bool = False,
        region: str = "",
        takes_any_kind: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take what a parent needs.

        is_settled:    has this node's own parent, if it has one, welcomed it since it started?
        region:        where this node is; empty = a region of its own
        takes_any_kind: does this node's own parent, if it has one, take events that it doesn't know?
        keeps_backups: children are told to keep what is not in a backup of this journal yet
        """
        self._journal = journal
        self._telemetry = telemetry
        self._clock = clock
        self._door = Door(
            journal.node, journal.incarnation, settings, Limits(), is_settled, keeps_backups, region, takes_any_kind
        )
        self._listeners: list[BatchListener] = []
        self._event_listeners: list[EventListener] = []
        self.heard_ns: dict[str, int] = {}
        """When each child was heard last since the start, ns UTC."""
        heard = "When the child last greeted this node or sent it rows, UTC; absent = not since this node started."
        telemetry.table("gauge", "child_heard_timestamp_seconds", heard, ("child",), self._heard)

    def on_batch(self, listener: BatchListener) -> None:
        """Tell `listener` of every applied batch of readings, after its commit."""
        self._listeners.append(listener)

    def on_events(self, listener: EventListener) -> None:
        """Tell `listener` of every applied batch of events, with the child's name, after its commit."""
        self._event_listeners.append(listener)

    def _heard(self) -> Rows:
        return [((child,), at_ns / NS_PER_S) for child, at_ns in self.heard_ns.items()]

    async def hello(self, child: str, hello: Hello) -> Welcome:
        """Open a session for `child`: the truth about what this node has of it."""
        fault = refusal(child, hello)
        if fault:
            return Welcome("unsupported", detail=fault)
        now_ns = self.heard_ns[child] = self._clock.wall_ns()
        opened = await self._journal.submit(lambda tx: open_session(tx, self._door, hello, now_ns))
        self._tell(opened, child)
        return opened.welcome

    async def batch(self, child: str, body: bytes) -> BatchReply:
        """Apply a batch exactly once.

        Raises:
            WireError: when the bytes are not a batch; nothing changed.
        """
        tracer = self._telemetry.tracer
        began = 0 if tracer is None else tracer.now()
        content, chains = await asyncio.to_thread(open_body, body, self._door.limits)
        opened = 0 if tracer is None else tracer.now()
        told = (*content.header.series, *(one.series for one in content.header.again))
        if any(series.node == self._journal.node for series in told):
            raise SeriesForeign(f"the child defines series of {self._journal.node}, which is this node")
        applied = Applied()
        self.heard_ns[child] = self._clock.wall_ns()
        reply = await self._journal.submit(lambda tx: apply_batch(tx, self._door, child, content, chains, applied))
        if reply.status == "diverged":
            self._telemetry.emit(IngestHistoryDiverged(child=child, detail=reply.detail))
        elif reply.status == "forbidden":
            self._forbidden(child, content.header)
        for gap in applied.gaps:
            self._telemetry.emit(IngestGapTaken(child=child, lane=int(gap.lane), rows=len(gap), reason=str(gap.reason)))
        self._spread(child, applied)
        if tracer is not None and reply.status == "applied":
            ingested(tracer, self._journal.catalogue, child, content.header, applied, began, opened, len(body))
        return reply

    async def fetch(self, child: str, wanted: Fetch) -> bytes | None:
        """Rows that `child` sent once, as the body of a batch; None when they're not all here any more."""
        try:
            return await asyncio.to_thread(fetched, self._journal, child, wanted)
        except GroupCorrupt:
            return None  # damaged here, too: the scrub sees to it

    def _spread(self, child: str, applied: Applied) -> None:
        for batch in applied.readings:
            for listener in self._listeners:
                listener(batch)
        if applied.events:
            for tell in self._event_listeners:
                tell(child, applied.events)

    def _forbidden(self, child: str, header: BatchHeader) -> None:
        """A child offered rows that must not be here: nothing is kept of them but that it happened."""
        self._telemetry.emit(IngestForbidden(child=child, lane=int(header.lane), rows=len(header)))
        day = self._clock.wall_ns() // register.DAY_NS
        self._journal.submit(lambda tx: register.count(tx, day, "", "refused_from_child", len(header)))

    def _tell(self, opened: Opened, child: str) -> None:
        if opened.branch is None:
            return
        branch, fork = opened.branch, opened.fork
        if fork is not None:
            self._telemetry.emit(
                IngestBranched(
                    child=child,
                    branch=branch.number,
                    reason=branch.reason,
                    held_rows=sum(fork.held),
                    unseen_rows=sum(fork.unseen),
                )
            )
        if opened.is_revived:
            self._telemetry.emit(
                IngestSuspect(child=child, detail=f"branch {branch.number} goes on beside a newer one")
            )
        incarnation = branch.incarnations[-1].uuid
        self._telemetry.emit(
            IngestSessionOpened(child=child, branch=branch.number, session=branch.session, incarnation=incarnation)
        )


def open_body(body: bytes, limits: Limits) -> tuple[Content, list[bytes]]:
    """Decode a body and compute the chain after each of its groups; gaps keep the child's word. Blocking.

    Raises:
        WireError: when the bytes are not a batch.
    """
    content = decode(body, limits)
    _check_lengths(content)
    if content.gaps:
        return content, [content.header.chain] * len(content.gaps)
    canonical: list[bytes] = [blobs.canonical_readings(group) for group in content.readings]
    canonical += [blobs.canonical_events(group) for group in content.events]
    canonical += [blobs.canonical_messages(group) for group in content.messages]
    chains = [content.header.chain_before]
    for piece in canonical:
        chains.append(blobs.link(chains[-1], piece))
    return content, chains[1:]


def _check_lengths(content: Content) -> None:
    header = content.header
    sizes = [after - before for before, after in pairwise((header.first - 1, *header.bounds))]
    rows = [len(g) for g in content.readings] or [len(g) for g in content.events or content.messages] or sizes
    if sizes != rows:
        raise WireError("the batch's groups and bounds differ")
