"""From an offer to a body: reads journal groups, and says what is wrong with them. Blocking, any thread."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.journal.blobs import decode_events, decode_gap, decode_messages, decode_readings
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Bound, Group, GroupKind
from holdfast.model.event import FIRST_KINDS
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue
from holdfast.uplink.errors import KindUnknown, LaneClosed, RowsMissing
from holdfast.uplink.naming import Names, Trust
from holdfast.uplink.plan import Offer
from holdfast.uplink.tracing import Follow
from holdfast.wire.columns import encode_events, encode_gaps, encode_messages, encode_readings
from holdfast.wire.frame import Effort
from holdfast.wire.messages import BatchHeader, GapRow, Kind, SourceMark

KINDS: dict[GroupKind, Kind] = {
    GroupKind.READINGS: "readings",
    GroupKind.EVENTS: "events",
    GroupKind.GAP: "gaps",
    GroupKind.MESSAGES: "messages",
}
# Rows of other lanes are numbers of a known size; a message may have 1 MB, and an alarm waits behind it.
MOST_BYTES = {Lane.CRITICAL: 1 << 20, Lane.NORMAL: 8 << 20, Lane.BULK: 8 << 20, Lane.REGION: 8 << 20}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be sent.

    rows:  seqs it carries, gap_rows of them as gaps
    end:   its last seq and chain
    cpu_s: what reading, packing and compressing took of this thread
    """

    body: bytes
    rows: int
    gap_rows: int
    end: Bound
    cpu_s: float = 0.0


STRANGER = Trust()


def encode(
    reader: JournalReader,
    catalogue: Catalogue,
    offer: Offer,
    at: Bound | None,
    branch: int,
    trust: Trust = STRANGER,
    follow: Follow | None = None,
) -> Encoded:
    """The body of an offer; `follow` takes note of the traces in it.

    at: where the parent is, with the chain there, as it told it; the group that ends there may be gone here

    Raises:
        LaneClosed: when the parent must not have the lane; nothing was read.
        KindUnknown: when the parent is too old for the first of them.
        RowsMissing: when the rows after `offer.after` are not in the journal.
        GroupCorrupt: when the first of them is damaged.
    """
    began = time.thread_time()
    if offer.lane.stays and not (offer.lane is Lane.REGION and trust.same_region):
        raise LaneClosed(offer.lane)  # the plan never offers it: a second lock on the door
    groups = _readable(reader.read(offer.lane, offer.after, offer.max_rows, MOST_BYTES[offer.lane]), trust)
    before = at.chain if at is not None and at.seq == offer.after else reader.chain_at(offer.lane, offer.after)
    if not groups or before is None or groups[0].first != offer.after + 1:
        raise RowsMissing(offer.lane, offer.after)
    header = BatchHeader(
        session=offer.session,
        lane=offer.lane,
        first=groups[0].first,
        last=groups[-1].last,
        chain_before=before,
        chain=groups[-1].chain,
        kind=KINDS[groups[0].kind],
        bounds=tuple(group.last for group in groups),
        series_from=offer.series_known,
        head=max(reader.heads()[offer.lane], groups[-1].last),
        branch=branch,
        sources=_sources(groups),
        region=trust.region if offer.lane.stays else "",
    )
    rows = groups[-1].last - offer.after
    body = _body(header, groups, Names(catalogue, trust), offer.effort, follow)
    gap_rows = rows if header.kind == "gaps" else 0
    return Encoded(body, rows, gap_rows, Bound(header.last, header.chain), time.thread_time() - began)


def _body(header: BatchHeader, groups: Sequence[Group], names: Names, effort: Effort, follow: Follow | None) -> bytes:
    if header.kind == "events":
        events = [decode_events(group.blob) for group in groups]
        if follow is not None:
            follow.events(groups, events)
        return encode_events(header, events)
    if header.kind == "gaps":
        return encode_gaps(header, [_gap_row(group) for group in groups])
    if header.kind == "messages":
        return encode_messages(header, [decode_messages(group.blob) for group in groups])
    batches = [decode_readings(group.blob) for group in groups]
    if follow is not None:
        follow.readings(groups, batches)
    # Only what these rows need: a younger series may not be committed yet, and its number could be given anew.
    needed = max(int(batch.series.max()) + 1 for batch in batches)
    return encode_readings(names.into(header, needed, batches), batches, effort)


def _sources(groups: Sequence[Group]) -> tuple[SourceMark, ...]:
    """How far each child is in these groups; the last of a child's groups says it all."""
    latest = {(group.origin, group.branch): group for group in groups if group.origin_chain}
    return tuple(
        SourceMark(child, group.lane, group.origin_first + len(group) - 1, group.origin_chain, branch)
        for (child, branch), group in latest.items()
    )


def _gap_row(group: Group) -> GapRow:
    gap = decode_gap(group)
    return GapRow(group.first, group.last, gap.bytes, str(gap.reason), gap.ts_min, gap.ts_max, gap.at_ns)


def _readable(groups: Sequence[Group], trust: Trust) -> list[Group]:
    """Those of one kind that the parent reads: an older one takes no events but those it knows."""
    same, kept = _same_kind(groups), list[Group]()
    if trust.any_kind or not same or same[0].kind is not GroupKind.EVENTS:
        return same
    for group in same:
        strange = next((one.kind for one in decode_events(group.blob) if one.kind not in FIRST_KINDS), None)
        if strange is not None and not kept:
            raise KindUnknown(group.lane, strange)
        if strange is not None:
            break
        kept.append(group)
    return kept


def _same_kind(groups: Sequence[Group]) -> list[Group]:
    kept = []
    for group in groups:
        if group.kind is not groups[0].kind:
            break
        kept.append(group)
    return kept
