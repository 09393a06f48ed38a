"""Takes children's rows: decode and hash on a worker thread, then one journal transaction per batch."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from holdfast.ingest.errors import SeriesForeign, SeriesUnknown, TextUnknown
from holdfast.ingest.happenings import IngestHistoryDiverged, IngestSessionOpened
from holdfast.ingest.receive import decide, refuse_hello
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal import blobs
from holdfast.journal.journal import Journal
from holdfast.journal.records import Mark, PeerState
from holdfast.journal.transaction import Transaction
from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue
from holdfast.telemetry.happenings import Telemetry
from holdfast.wire.columns import Content, decode
from holdfast.wire.errors import WireError
from holdfast.wire.messages import VERSION, BatchReply, Hello, Limits, Welcome
from holdfast.wire.messages import Mark as WireMark

BatchListener = Callable[[Batch], None]


class IngestService:
    """The parent's end of the sync. Loop thread only."""

    def __init__(self, journal: Journal, telemetry: Telemetry, settings: ChildrenSettings) -> None:
        self._journal = journal
        self._telemetry = telemetry
        self._settings = settings
        self._limits = Limits()
        self._listeners: list[BatchListener] = []

    def on_batch(self, listener: BatchListener) -> None:
        """Tell `listener` of every applied batch of readings, after its commit."""
        self._listeners.append(listener)

    async def hello(self, child: str, hello: Hello) -> Welcome:
        """Open a session for `child`: the truth about what this node has of it."""
        if hello.version != VERSION or hello.node != child:
            detail = f"the token is {child}'s, the hello {hello.node}'s; version {VERSION} is spoken here"
            return Welcome("unsupported", detail=detail)
        welcome = await self._journal.submit(lambda transaction: self._welcome(transaction, child, hello))
        if welcome.status == "diverged":
            self._telemetry.emit(IngestHistoryDiverged(child=child, detail=welcome.detail))
        else:
            self._telemetry.emit(
                IngestSessionOpened(child=child, session=welcome.session, incarnation=hello.incarnation)
            )
        return welcome

    async def batch(self, child: str, body: bytes) -> BatchReply:
        """Apply a batch exactly once.

        Raises:
            WireError: when the bytes are not a batch; nothing changed.
        """
        content, chains = await asyncio.to_thread(_open, body, self._limits)
        if any(series.node == self._journal.node for series in content.header.series):
            raise SeriesForeign(f"the child defines series of {self._journal.node}, which is this node")
        applied: list[Batch] = []
        reply = await self._journal.submit(
            lambda transaction: apply_batch(transaction, child, content, chains, self._journal.catalogue, applied)
        )
        if reply.status == "diverged":
            self._telemetry.emit(IngestHistoryDiverged(child=child, detail=reply.detail))
        for batch in applied:
            for listener in self._listeners:
                listener(batch)
        return reply

    def _welcome(self, transaction: Transaction, child: str, hello: Hello) -> Welcome:
        peer = transaction.peer(child) or PeerState(child)
        fault = refuse_hello(peer, hello)
        if fault:
            return Welcome("diverged", detail=fault)
        opened = PeerState(child, peer.session + 1, hello.incarnation, peer.series_known, peer.marks)
        transaction.set_peer(opened)
        return Welcome(
            "welcome",
            session=opened.session,
            marks=tuple(WireMark(m.wm, m.chain) for m in peer.marks),
            safe=tuple(m.wm for m in peer.marks),
            series_known=peer.series_known,
            credits=self._settings.credits,
            max_rows=self._settings.max_rows,
            max_body=self._limits.max_body,
        )


def apply_batch(
    transaction: Transaction,
    child: str,
    content: Content,
    chains: Sequence[bytes],
    catalogue: Catalogue,
    applied: list[Batch],
) -> BatchReply:
    """Decide and store inside one transaction; repeatable. `applied` gets the stored readings."""
    applied.clear()
    header = content.header
    peer = transaction.peer(child) or PeerState(child)
    verdict = decide(peer, header, chains)
    if isinstance(verdict, BatchReply):
        if verdict.status == "duplicate":
            transaction.count("ingest_duplicates", len(header))
        return verdict
    known = _learn_series(transaction, peer, content)
    lane = Lane(header.lane)
    if header.kind == "readings":
        applied.append(_store_readings(transaction, child, content.readings[verdict.skip :], catalogue, lane))
    else:
        events = [event for group in content.events[verdict.skip :] for event in group]
        transaction.append_events(lane, events, child)
    marks = list(peer.marks)
    marks[lane] = Mark(header.last, header.chain)
    transaction.set_peer(PeerState(child, peer.session, peer.incarnation, known, tuple(marks)))
    transaction.count(f"ingest_rows.lane{int(lane)}", len(header) - verdict.repeated)
    transaction.count("ingest_duplicates", verdict.repeated)
    transaction.count("ingest_batches")
    return BatchReply("applied", applied=header.last, series_known=known)


def _learn_series(transaction: Transaction, peer: PeerState, content: Content) -> int:
    header = content.header
    new = header.series[peer.series_known - header.series_from :]
    if not new or header.series_from + len(header.series) <= peer.series_known:
        return peer.series_known
    transaction.map_series(peer.name, peer.series_known, new)
    return peer.series_known + len(new)


def _store_readings(
    transaction: Transaction, child: str, groups: Sequence[Batch], catalogue: Catalogue, lane: Lane
) -> Batch:
    own = transaction.series_map(child)
    renamed = [_renamed(group, own) for group in groups]
    for group in renamed:
        _check_texts(group, catalogue.is_text[group.series])
    batch = concatenate(renamed, catalogue.is_text)
    transaction.append_readings(lane, batch, child)
    return batch


def _renamed(group: Batch, own: NDArray[np.int32]) -> Batch:
    if len(group) and (int(group.series.max()) >= len(own) or int(group.series.min()) < 0):
        raise SeriesUnknown(f"the batch has rows of series {int(group.series.max())}, but {len(own)} are defined")
    return Batch(own[group.series], group.ts, group.value, group.quality, group.texts)


def _check_texts(group: Batch, is_text: NDArray[np.bool_]) -> None:
    places = group.value[is_text]
    known = (places >= 0) & (places < len(group.texts)) & (places == np.floor(places))  # NaN is none of these
    if not known.all():
        raise TextUnknown(f"the batch has a text row without its text; the group holds {len(group.texts)}")


def _open(body: bytes, limits: Limits) -> tuple[Content, list[bytes]]:
    """Decode a body and compute the chain after each of its groups. Blocking."""
    content = decode(body, limits)
    canonical: list[bytes] = [blobs.canonical_readings(group) for group in content.readings]
    canonical += [blobs.canonical_events(group) for group in content.events]
    chains = [content.header.chain_before]
    for piece in canonical:
        chains.append(blobs.link(chains[-1], piece))
    _check_lengths(content)
    return content, chains[1:]


def _check_lengths(content: Content) -> None:
    header = content.header
    sizes = [after - before for before, after in pairwise((header.first - 1, *header.bounds))]
    rows = [len(g) for g in content.readings] or [len(g) for g in content.events]
    if sizes != rows:
        raise WireError("the batch's groups and bounds differ")
