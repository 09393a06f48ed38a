"""What this node says of itself to the parent: heads, chains, history. Blocking, any thread."""

from collections.abc import Sequence

from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GENESIS
from holdfast.model.lane import OPEN_LANES, SYNCED_LANES, Lane
from holdfast.wire.messages import MAX_HISTORY, Hello, Position, Proof, RegionHello, Start

# Enough for a parent that heard of us lately; it asks for the rest when it finds nothing it knows.
RECENT = 16


def greeting(
    reader: JournalReader,
    node: str,
    series: int,
    applied: Sequence[int],
    positions: Sequence[Position] = (),
    *,
    whole: bool = False,
    region: str = "",
) -> Hello:
    """A hello as of what is committed now, with proofs for what the parent asked.

    applied: what the parent once said it has, by lane
    whole: every process start that the message has room for, instead of the latest
    """
    heads = reader.heads()
    chains = {lane: reader.chain_at(lane, heads[lane]) or GENESIS for lane in SYNCED_LANES}
    starts = reader.incarnations(MAX_HISTORY if whole else RECENT)
    return Hello(
        node=node,
        incarnation=starts[-1].uuid,
        heads=tuple(heads[lane] for lane in OPEN_LANES),
        heads_chain=tuple(chains[lane] for lane in OPEN_LANES),
        series_count=series,
        history=tuple(Start(one.uuid, one.heads[: len(OPEN_LANES)]) for one in starts),
        proofs=tuple(_proof(reader, position) for position in positions),
        whole=whole or len(starts) < RECENT,
        applied=tuple(applied[: len(OPEN_LANES)]),
        region=region,
        region_lane=RegionHello(
            heads[Lane.REGION],
            chains[Lane.REGION],
            applied[Lane.REGION] if len(applied) > Lane.REGION else 0,
            tuple(one.heads[Lane.REGION] for one in starts),
        ),
        audit=reader.register_head(),
    )


def _proof(reader: JournalReader, position: Position) -> Proof:
    lane, seq = Lane(position.lane), position.seq
    chain = reader.chain_at(lane, seq)
    if chain is not None:
        return Proof(lane, seq, found=True, chain=chain)
    return Proof(lane, seq, found=reader.is_unknowable(lane, seq))
