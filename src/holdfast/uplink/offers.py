"""From an offer to a body: reads journal groups, and says what is wrong with them. Blocking, any thread."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from holdfast.journal.blobs import decode_events, decode_gap, decode_readings
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Bound, Group, GroupKind
from holdfast.model.series import Catalogue
from holdfast.uplink.errors import RowsMissing
from holdfast.uplink.plan import Offer
from holdfast.wire.columns import encode_events, encode_gaps, encode_readings
from holdfast.wire.messages import BatchHeader, GapRow, Kind, SourceMark

KINDS: dict[GroupKind, Kind] = {
    GroupKind.READINGS: "readings",
    GroupKind.EVENTS: "events",
    GroupKind.GAP: "gaps",
}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be sent. rows: seqs it carries, gap_rows of them as gaps; end: its last seq and chain."""

    body: bytes
    rows: int
    gap_rows: int
    end: Bound


def encode(reader: JournalReader, catalogue: Catalogue, offer: Offer, at: Bound | None, branch: int) -> Encoded:
    """The body of an offer.

    at: where the parent is, with the chain there, as the parent told it; the group that ends there may be gone here

    Raises:
        RowsMissing: when the rows after `offer.after` are not in the journal.
        GroupCorrupt: when the first of them is damaged.
    """
    groups = _same_kind(reader.read(offer.lane, offer.after, offer.max_rows))
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
    )
    rows = groups[-1].last - offer.after
    gap_rows = rows if header.kind == "gaps" else 0
    return Encoded(_body(header, groups, catalogue), rows, gap_rows, Bound(header.last, header.chain))


def _body(header: BatchHeader, groups: Sequence[Group], catalogue: Catalogue) -> bytes:
    if header.kind == "events":
        return encode_events(header, [decode_events(group.blob) for group in groups])
    if header.kind == "gaps":
        return encode_gaps(header, [_gap_row(group) for group in groups])
    batches = [decode_readings(group.blob) for group in groups]
    # Only what these rows need: a younger series may not be committed yet, and its number could be given anew.
    needed = max(int(batch.series.max()) + 1 for batch in batches)
    series = tuple(catalogue.since(header.series_from)[: max(0, needed - header.series_from)])
    return encode_readings(msgspec.structs.replace(header, series=series), batches)


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


def _same_kind(groups: Sequence[Group]) -> list[Group]:
    kept = []
    for group in groups:
        if group.kind is not groups[0].kind:
            break
        kept.append(group)
    return kept
