"""Applies a batch inside one transaction: decide, store, advance the mark. Repeatable, as every write must be."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.ingest.errors import SeriesUnknown, TextUnknown
from holdfast.ingest.hearing import same_region
from holdfast.ingest.notices import gap_taken
from holdfast.ingest.receive import Apply, Held, advanced, decide, held_elsewhere
from holdfast.ingest.welcoming import Door
from holdfast.journal import commanded, shedding
from holdfast.journal.branches import is_token_of
from holdfast.journal.records import Branch, Gap, GapReason, Source
from holdfast.journal.stays import MarkedBy, mark
from holdfast.journal.transaction import Origin, Transaction
from holdfast.model.batch import Batch, concatenate
from holdfast.model.event import Event
from holdfast.model.lane import OPEN_LANES, Lane, Stay
from holdfast.model.series import Series
from holdfast.wire.columns import Content
from holdfast.wire.errors import WireError
from holdfast.wire.messages import BatchHeader, BatchReply, GapRow


@dataclass(slots=True)
class Applied:
    """What a batch brought, for those who must know after the commit. Filled anew by each run of the transaction."""

    readings: list[Batch] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    last: int = 0
    """This node's own seq of the last of them."""


def apply_batch(
    tx: Transaction, door: Door, child: str, content: Content, chains: Sequence[bytes], applied: Applied
) -> BatchReply:
    """Decide and store. `applied` gets what was stored."""
    applied.readings.clear()
    applied.gaps.clear()
    applied.events.clear()
    header = content.header
    lane = Lane(header.lane)
    if lane.stays and not (lane is Lane.REGION and same_region(header.region, door.region)):
        return BatchReply("forbidden", detail=f"this node is not of the region that {child}'s rows stay in")
    branch = tx.branch(child, header.branch)
    if branch is None:
        return BatchReply("fenced", detail=f"no branch {header.branch} is known here; say hello")
    if not is_token_of(header.session, door.incarnation):
        # A session of an earlier life: this journal may be an old image that has to hear from its own parent first.
        return BatchReply("fenced", applied=branch.marks[lane].wm, session=branch.session)
    verdict = decide(branch, header, chains, _held(tx, branch, lane))
    if isinstance(verdict, BatchReply):
        if verdict.status == "duplicate":
            tx.count("ingest_duplicates", len(header))
        return verdict
    known = _learn_series(tx, branch, content)
    gap_rows = _store(tx, door.node, branch, content, verdict, applied, chains)
    marks = list(branch.marks)
    marks[lane] = advanced(branch.marks[lane], header, verdict, gap_rows)
    tx.set_mark(child, branch.number, lane, marks[lane])
    if header.sources:
        tx.set_sources(
            child, [Source(one.node, Lane(one.lane), one.seq, one.chain, one.branch) for one in header.sources]
        )
    taken = header.last - branch.marks[lane].wm
    tx.count(f"ingest_rows.lane{int(lane)}", taken - verdict.shared - gap_rows)
    tx.count(f"ingest_gap_rows.lane{int(lane)}", gap_rows)
    tx.count("ingest_duplicates", verdict.repeated + verdict.shared)
    tx.count("ingest_batches")
    safe = door.safe(marks)
    return BatchReply(
        "applied",
        applied=header.last,
        series_known=known,
        safe=safe[: len(OPEN_LANES)],
        region_safe=safe[Lane.REGION],
    )


def _held(tx: Transaction, branch: Branch, lane: Lane) -> list[Held]:
    """Rows of this history that other branches brought, or that this node's own parent has."""
    above = tx.held_elsewhere(branch.peer, branch.number, lane)
    held = [Held(above)] if above else []
    if tx.has_branches(branch.peer):
        held += held_elsewhere(tx.branches(branch.peer), branch, lane)
    return held


def _store(
    tx: Transaction,
    node: str,
    branch: Branch,
    content: Content,
    verdict: Apply,
    applied: Applied,
    chains: Sequence[bytes],
) -> int:
    """Store what is new; returns how many of the rows are gaps."""
    header, skip = content.header, verdict.skip
    lane = Lane(header.lane)
    first = header.bounds[skip - 1] + 1 if skip else header.first
    origin = Origin(branch.peer, branch.number, first, header.chain)
    if header.kind == "gaps":
        applied.gaps += _gaps(branch, lane, content.gaps[skip:], branch.marks[lane].wm)
        for gap in applied.gaps:
            shedding.add_gap(tx, gap)
        events = [gap_taken(node, gap) for gap in applied.gaps]
        if events:
            tx.append_events(Lane.CRITICAL, events)
            tx.count("events_accepted", len(events))
        return sum(map(len, applied.gaps))
    if header.kind == "readings" and content.readings[skip:]:
        applied.readings.append(_store_readings(tx, branch, content.readings[skip:], lane, origin))
        applied.last = tx.draft.heads[lane]
    elif header.kind == "events" and content.events[skip:]:
        applied.events += [event for group in content.events[skip:] for event in group]
        applied.last = tx.append_events(lane, applied.events, origin)
        commanded.hear(tx, branch.peer, applied.events)
    elif header.kind == "messages":
        _store_messages(tx, branch, content, skip, chains)
    return 0


def _store_messages(tx: Transaction, branch: Branch, content: Content, skip: int, chains: Sequence[bytes]) -> None:
    """Group by group as the child sent them: joined, large ones would grow with every hop."""
    header = content.header
    first = header.bounds[skip - 1] + 1 if skip else header.first
    for last, group, chain in zip(header.bounds[skip:], content.messages[skip:], chains[skip:], strict=True):
        tx.append_messages(group, Origin(branch.peer, branch.number, first, chain))
        first = last + 1


def _gaps(branch: Branch, lane: Lane, gaps: Sequence[GapRow], wm: int) -> list[Gap]:
    found = []
    for gap in gaps:
        try:
            reason = GapReason(gap.reason)
        except ValueError:
            raise WireError(f"a gap has the unknown reason {gap.reason!r}") from None
        first = max(gap.first, wm + 1)
        found.append(
            Gap(lane, first, gap.last, gap.bytes, reason, gap.ts_min, gap.ts_max, gap.at_ns, branch.peer, branch.number)
        )
    return found


def _learn_series(tx: Transaction, branch: Branch, content: Content) -> int:
    header = content.header
    for one in header.again:
        if one.id < branch.series_known:
            own = tx.remap_series(branch.peer, branch.number, one.id, one.series)
            mark(tx, [own], Stay(one.stay), MarkedBy.CHILD)
    new = header.series[branch.series_known - header.series_from :]
    if not new or header.series_from + len(header.series) <= branch.series_known:
        return branch.series_known
    tx.map_series(branch.peer, branch.number, branch.series_known, new)
    _mark_kept(tx, header, branch.series_known - header.series_from, new)
    return branch.series_known + len(new)


def _mark_kept(tx: Transaction, header: BatchHeader, skip: int, new: Sequence[Series]) -> None:
    """Series that the child says stay in the region: this node must not tell them to another one."""
    if header.stays:
        bits = np.unpackbits(np.frombuffer(header.stays, np.uint8), bitorder="little")[skip : skip + len(new)]
        kept = [tx.catalogue.intern(new[i]) for i in np.flatnonzero(bits).tolist()]
        mark(tx, kept, Stay.REGION, MarkedBy.CHILD)


def _store_readings(tx: Transaction, branch: Branch, groups: Sequence[Batch], lane: Lane, origin: Origin) -> Batch:
    own = tx.series_map(branch.peer, branch.number)
    renamed = [_renamed(group, own) for group in groups]
    for group in renamed:
        _check_texts(group, tx.catalogue.is_text[group.series])
    batch = concatenate(renamed, tx.catalogue.is_text)
    if lane is Lane.REGION:  # whatever the child said of its series: these rows are the proof
        free = [one for one in np.unique(batch.series).tolist() if not tx.catalogue.stay_of[one]]
        mark(tx, free, Stay.REGION, MarkedBy.CHILD)
    tx.append_readings(lane, batch, origin)
    return batch


def _renamed(group: Batch, own: NDArray[np.int32]) -> Batch:
    if len(group) and (int(group.series.max()) >= len(own) or int(group.series.min()) < 0):
        raise SeriesUnknown(f"the batch has rows of series {int(group.series.max())}, but {len(own)} are defined")
    return Batch(own[group.series], group.ts, group.value, group.quality, group.texts)


def _check_texts(group: Batch, is_text: NDArray[np.bool_]) -> None:
    places = group.value[is_text]
    known = (places >= 0) & (places < len(group.texts)) & (places == np.floor(places))
    known |= np.isnan(places)  # a row that has no value, only a quality that says why
    if not known.all():
        raise TextUnknown(f"the batch has a text row without its text; the group holds {len(group.texts)}")
