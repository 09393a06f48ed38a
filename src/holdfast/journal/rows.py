"""The `groups` table as values: places, columns, and the checksum that tells a flipped bit.

place = lane << 56 | first seq, so one b-tree holds all lanes in order.
"""

import struct
import zlib
from collections.abc import Iterator

from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.records import Group, GroupKind
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, Row

LANE_SHIFT = 56
SEQ_MASK = (1 << LANE_SHIFT) - 1
COLUMNS = "place, last, kind, ts_min, ts_max, origin, chain, blob, crc, branch, origin_first, origin_chain"
SELECT = f"SELECT {COLUMNS} FROM groups "  # noqa: S608  # constants
_FIXED = struct.Struct("<qqBqqqq")


def place_of(lane: Lane, seq: int) -> int:
    """Where a group with this first seq lies."""
    return int(lane) << LANE_SHIFT | seq


def span(lane: Lane, first: int = 1) -> tuple[int, int]:
    """[low, high) of the places of a lane from `first` on."""
    base = int(lane) << LANE_SHIFT
    return base | first, base + (1 << LANE_SHIFT)


def insert(db: Connection, group: Group) -> None:
    """Store a group at its place."""
    db.execute(
        f"INSERT INTO groups ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # constants
        (
            place_of(group.lane, group.first),
            group.last,
            int(group.kind),
            group.ts_min,
            group.ts_max,
            group.origin,
            group.chain,
            group.blob,
            checksum(group),
            group.branch,
            group.origin_first,
            group.origin_chain,
        ),
    )


def group_of(stored: Row) -> Group:
    """A row of `SELECT` as a value.

    Raises:
        GroupCorrupt: when it is not what `insert` wrote; names the place.
    """
    place, last, kind, ts_min, ts_max, origin, chain, blob, crc, branch, origin_first, origin_chain = stored
    lane, first = place >> LANE_SHIFT, place & SEQ_MASK
    try:
        group = Group(
            lane=Lane(lane),
            first=first,
            last=last,
            kind=GroupKind(kind),
            ts_min=ts_min,
            ts_max=ts_max,
            chain=chain,
            blob=blob,
            origin=origin,
            branch=branch,
            origin_first=origin_first,
            origin_chain=origin_chain,
        )
        is_whole = not crc or crc == checksum(group)
    except (ValueError, TypeError, struct.error, AttributeError) as error:
        raise GroupCorrupt(f"the group at {lane}/{first} has a malformed row: {error}", place) from error
    if not is_whole:
        raise GroupCorrupt(f"the group {lane}/{first}..{last} is not what was written", place)
    return group


def checksum(group: Group) -> int:
    """CRC-32 over everything else in the row; never 0."""
    fixed = _FIXED.pack(
        place_of(group.lane, group.first),
        group.last,
        group.kind,
        group.ts_min,
        group.ts_max,
        group.branch,
        group.origin_first,
    )
    head = zlib.crc32(group.origin_chain + group.chain, zlib.crc32(group.origin.encode(), zlib.crc32(fixed)))
    return zlib.crc32(group.blob, head) or 1


def clipped(group: Group, first: int) -> Group:
    """A gap from `first` on; only gaps can be cut, their rows being nothing but numbers."""
    return Group(
        group.lane, first, group.last, group.kind, group.ts_min, group.ts_max, group.chain, group.blob, group.origin
    )


def oldest(db: Connection, lane: Lane, after: int) -> int | None:
    """The first event time of the first group with rows above `after` that are there."""
    low, high = span(lane, after + 1)
    sql = "SELECT ts_min FROM groups WHERE place >= ? AND place < ? AND kind <> ? ORDER BY place LIMIT 1"
    found = db.execute(sql, (low, high, int(GroupKind.GAP))).fetchone()
    return None if found is None else int(found[0])


def read_groups(db: Connection, lane: Lane, after: int) -> Iterator[Group]:
    """Groups with rows above `after`, in order; a gap that straddles `after` is cut."""
    low, high = span(lane, after + 1)
    base = low - after - 1
    before = db.execute(SELECT + "WHERE place > ? AND place < ? ORDER BY place DESC LIMIT 1", (base, low)).fetchone()
    if before is not None and before[1] > after and before[2] == GroupKind.GAP:
        yield clipped(group_of(before), after + 1)
    for stored in db.execute(SELECT + "WHERE place >= ? AND place < ? ORDER BY place", (low, high)):
        yield group_of(stored)
