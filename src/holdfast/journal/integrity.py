"""Is what the disk gives back what was written? Verifies groups, isolates damaged ones, takes re-fetched ones back.

Three witnesses: the row's CRC-32, the dense seqs of a lane, and the hash chain, which also ties a group to its
neighbours. A damaged group becomes a gap with exact seqs; its row is kept as found in `damaged`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from holdfast.journal import blobs
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.pieces import HISTORY, mark_pieced, return_to_history
from holdfast.journal.reader import JournalReader, chain_at
from holdfast.journal.records import CHAIN_BYTES, GENESIS, Gap, GapReason, Group, GroupKind
from holdfast.journal.rows import SELECT, SEQ_MASK, group_of, insert, place_of, span
from holdfast.journal.shedding import place_gap
from holdfast.journal.transaction import Transaction
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.message import Message
from holdfast.storage.errors import StorageError
from holdfast.storage.sqlite import row, rows

Content = Batch | Sequence[Event] | Sequence[Message]
"""Rows of one group, decoded."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Rows first..last of a lane can't be trusted, and why."""

    lane: Lane
    first: int
    last: int
    what: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: groups verified so far, and the bytes of this step."""

    lane: Lane
    seq: int
    groups: int
    bytes: int = 0


def scan(reader: JournalReader, lane: Lane, after: int = 0, step: int = 256) -> Iterator[Damage | Progress]:
    """Verify a lane's groups from above `after` in steps; yields every damage, and the progress after each step.

    Blocking; any thread; may run beside the writer. Ends at the head that was committed when it got there.
    """
    expected, chain, groups = _start(reader, lane, after)
    while True:
        places = reader.places(lane, expected - 1, step)
        if not places:
            head = reader.heads()[lane]
            if expected <= head and not reader.places(lane, expected - 1, 1):
                yield Damage(lane, expected, head, "the rows are missing")
            return
        size = 0
        for place, length in places:
            size += length
            first = place & SEQ_MASK
            if first > expected:
                yield Damage(lane, expected, first - 1, "the rows are missing")
                chain = None
            last, chain, fault = _verify(reader, place, chain)
            if fault:
                yield Damage(lane, first, last, fault)
            expected = last + 1
            groups += 1
        yield Progress(lane, expected - 1, groups, size)


def isolate(tx: Transaction, lane: Lane, seq: int, now_ns: int) -> Gap | None:
    """Put a gap in the place of the damaged rows around `seq`; None when they are whole after all.

    The extent comes from the neighbours, since the damaged row's own columns can't be believed.
    """
    low, high = span(lane)
    at = place_of(lane, seq)
    before = row(
        tx.db,
        "SELECT place, last, chain FROM groups WHERE place >= ? AND place < ? ORDER BY place DESC LIMIT 1",
        (low, at),
    )
    after = row(tx.db, "SELECT place FROM groups WHERE place > ? AND place < ? ORDER BY place LIMIT 1", (at, high))
    cut = row(tx.db, "SELECT cut FROM lanes WHERE lane = ?", (int(lane),))
    first = (before[1] if before else cut[0] if cut else 0) + 1
    last = (after[0] & SEQ_MASK) - 1 if after else tx.draft.heads[lane]
    stored = row(tx.db, SELECT + "WHERE place = ?", (at,))
    if stored is not None and _is_whole(stored):
        return None
    if last < first:  # a row that strayed here: where it belongs the rows are missing, and that is found there
        tx.db.execute("DELETE FROM groups WHERE place = ?", (at,))
        return None
    chain = _chain_after(tx, lane, stored, last)
    rechain_unless(tx, lane, last, chain)
    tx.db.execute("DELETE FROM groups WHERE place BETWEEN ? AND ?", (place_of(lane, first), place_of(lane, last)))
    _keep(tx, stored, place_of(lane, first), last, now_ns)
    size = len(stored[7]) if stored is not None and isinstance(stored[7], bytes) else 0
    gap = Gap(lane, first, last, size, GapReason.DAMAGED, *_times(stored), now_ns)
    place_gap(tx, gap, chain)
    if last <= tx.draft.cursors.get((HISTORY, lane), 0):
        mark_pieced(tx.db, place_of(lane, first))
    tx.count("groups_damaged")
    return gap


def repair(tx: Transaction, lane: Lane, first: int, content: Content, chain_before: bytes) -> bool:
    """Put re-fetched rows back in the place of a damaged gap; False when they don't hash to the chain kept there."""
    stored = row(tx.db, SELECT + "WHERE place = ? AND kind = ?", (place_of(lane, first), int(GroupKind.GAP)))
    if stored is None or not _was_own(tx, stored[0]):
        return False
    gap = group_of(stored)
    fresh = _group_of(lane, first, gap.chain, content)
    if len(fresh) != len(gap) or blobs.link(chain_before, blobs.canonical(fresh)) != gap.chain:
        return False
    if group_of(stored).last <= tx.draft.cursors.get((HISTORY, lane), 0):
        return_to_history(tx.db, stored[0])
    tx.db.execute("DELETE FROM groups WHERE place = ?", (stored[0],))
    tx.db.execute("DELETE FROM damaged WHERE place = ?", (stored[0],))
    insert(tx.db, fresh)
    tx.db.execute(
        "DELETE FROM gaps WHERE origin = '' AND lane = ? AND first = ? AND last = ?", (int(lane), first, gap.last)
    )
    tx.count(f"rows_shed.lane{int(lane)}.{GapReason.DAMAGED}", -len(gap))
    tx.count("groups_repaired")
    return True


def _was_own(tx: Transaction, place: int) -> bool:
    """Were the damaged rows this node's? Whose a child's were can't be had back: no chain speaks for that."""
    kept = row(tx.db, "SELECT row FROM damaged WHERE place = ?", (place,))
    if kept is not None:
        return bool(msgspec.msgpack.decode(kept[0])[5] == "")
    return row(tx.db, "SELECT 1 FROM branches") is None


def _group_of(lane: Lane, first: int, chain: bytes, content: Content) -> Group:
    last = first + len(content) - 1
    if isinstance(content, Batch):
        times = int(content.ts.min()), int(content.ts.max())
        return Group(lane, first, last, GroupKind.READINGS, *times, chain, blobs.encode_readings(content))
    kind, blob = _of_list(content)
    stamps = [one.ts for one in content]
    return Group(lane, first, last, kind, min(stamps), max(stamps), chain, blob)


def _of_list(content: Sequence[Event] | Sequence[Message]) -> tuple[GroupKind, bytes]:
    messages = [one for one in content if isinstance(one, Message)]
    if messages:
        return GroupKind.MESSAGES, blobs.encode_messages(messages)
    return GroupKind.EVENTS, blobs.encode_events([one for one in content if isinstance(one, Event)])


def _start(reader: JournalReader, lane: Lane, after: int) -> tuple[int, bytes | None, int]:
    cut, cut_chain = reader.cut(lane)
    if after <= cut:
        return cut + 1, cut_chain, 0
    return after + 1, reader.chain_at(lane, after), 0


def _verify(reader: JournalReader, place: int, before: bytes | None) -> tuple[int, bytes | None, str]:
    """(last seq, chain after it, what is wrong) of the group at a place."""
    try:
        group = reader.group(place)
        if group is None:  # dropped or shed while we looked
            return reader.end_of(place), None, ""
        expected = None if group.kind is GroupKind.GAP or before is None else blobs.link(before, blobs.canonical(group))
    except (GroupCorrupt, StorageError) as error:
        return reader.end_of(place), None, str(error)
    if expected is not None and expected != group.chain:
        return group.last, group.chain, "the hash chain is broken"
    return group.last, group.chain, ""


def _is_whole(stored: tuple[object, ...]) -> bool:
    try:
        group = group_of(stored)
        if group.kind is not GroupKind.GAP:
            blobs.canonical(group)
    except GroupCorrupt:
        return False
    return True


def _chain_after(tx: Transaction, lane: Lane, stored: tuple[object, ...] | None, last: int) -> bytes:
    """The chain at the damaged rows' end: the lane's own at its head, else what the row says.

    When that is damaged too, any 16 bytes will do: what follows is chained anew from them.
    """
    if last == tx.draft.heads[lane]:
        return tx.draft.chains[lane]
    if stored is not None and isinstance(stored[6], bytes) and len(stored[6]) == CHAIN_BYTES:
        return stored[6]
    return chain_at(tx.db, lane, last) or GENESIS


def rechain_unless(tx: Transaction, lane: Lane, after: int, chain: bytes) -> None:
    """Unless the next group follows from `chain`, chain what comes after anew, up to the head or the next gap."""
    low, high = place_of(lane, after), span(lane)[1]
    places = rows(tx.db, "SELECT place FROM groups WHERE place > ? AND place < ? ORDER BY place", (low, high))
    for (place,) in places:
        stored = row(tx.db, SELECT + "WHERE place = ?", (place,))
        if stored is None or not _is_whole(stored) or stored[2] == GroupKind.GAP:
            return  # a gap's chain is only a word, and a damaged group is isolated in its own turn
        group = group_of(stored)
        chain = blobs.link(chain, blobs.canonical(group))
        if chain == group.chain:
            return
        tx.db.execute("DELETE FROM groups WHERE place = ?", (place,))
        insert(tx.db, replace(group, chain=chain))
    if places:
        tx.set_head(lane, tx.draft.heads[lane], chain)


def _times(stored: tuple[object, ...] | None) -> tuple[int, int]:
    if stored is None:
        return 0, 0
    low, high = stored[3], stored[4]
    return (low, high) if isinstance(low, int) and isinstance(high, int) and low <= high else (0, 0)


def _keep(tx: Transaction, stored: tuple[object, ...] | None, place: int, last: int, now_ns: int) -> None:
    if stored is not None:
        raw = msgspec.msgpack.encode([str(c) if not isinstance(c, int | bytes | str) else c for c in stored])
        tx.db.execute(
            "INSERT OR REPLACE INTO damaged (place, last, at_ns, row) VALUES (?, ?, ?, ?)", (place, last, now_ns, raw)
        )
