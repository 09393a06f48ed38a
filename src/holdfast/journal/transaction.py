"""What a write may do inside a commit. Lives on the writer thread, only while `Journal.submit`'s function runs."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.journal import blobs
from holdfast.journal.records import Group, GroupKind, Mark, PeerState, QuarantineRow
from holdfast.journal.state import Draft
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Series
from holdfast.storage.sqlite import Connection, Row, row, rows

LANE_SHIFT = 56


class Transaction:
    """One commit in the making. Every method is atomic with all others of the same commit."""

    def __init__(self, db: Connection, draft: Draft, catalogue: Catalogue) -> None:
        self._db = db
        self.draft = draft
        self._catalogue = catalogue

    def append_readings(self, lane: Lane, batch: Batch, origin: str = "") -> int:
        """Store a non-empty batch as the next group of `lane`; returns its last seq."""
        canonical = blobs.canonical_readings(batch)
        bounds = int(batch.ts.min()), int(batch.ts.max())
        return self._append(
            lane, GroupKind.READINGS, len(batch), bounds, canonical, blobs.encode_readings(batch), origin
        )

    def append_events(self, lane: Lane, events: Sequence[Event], origin: str = "") -> int:
        """Store some events as the next group of `lane`; returns its last seq."""
        canonical = blobs.canonical_events(events)
        times = [e.ts for e in events]
        bounds = min(times), max(times)
        return self._append(lane, GroupKind.EVENTS, len(events), bounds, canonical, blobs.encode_events(events), origin)

    def set_cursor(self, consumer: str, lane: Lane, seq: int) -> None:
        """Remember that `consumer` has everything of `lane` up to `seq`."""
        self._db.execute(
            "INSERT INTO cursors VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq",
            (consumer, int(lane), seq),
        )
        self.draft.cursors[consumer, lane] = seq

    def count(self, name: str, by: int = 1) -> None:
        """Add to a ledger counter."""
        if by:
            self.draft.counters[name] += by

    def quarantine(self, rows: Iterable[QuarantineRow], keep: int) -> None:
        """Keep rejected messages with their raw bytes; the oldest beyond `keep` go, counted. Row ids are given here."""
        self._db.executemany(
            "INSERT INTO quarantine (received_ns, source, topic, reason, detail, payload) VALUES (?, ?, ?, ?, ?, ?)",
            [(r.received_ns, r.source, r.topic, r.reason, r.detail, r.payload) for r in rows],
        )
        self._db.execute("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (keep,))
        self.count("quarantine_dropped", self._db.changes())

    def take_quarantined(self, ids: Sequence[int]) -> set[int]:
        """Delete quarantined messages; returns the ids that were still there."""
        wanted = msgspec.json.encode(ids).decode()
        return {
            number
            for (number,) in rows(
                self._db,
                "DELETE FROM quarantine WHERE id IN (SELECT value FROM json_each(?)) RETURNING id",
                (wanted,),
            )
        }

    def requalify(self, verdicts: Iterable[tuple[int, str, str]]) -> set[int]:
        """Give quarantined messages another (id, reason, detail); returns the ids that were still there."""
        sql = "UPDATE quarantine SET reason = ?, detail = ? WHERE id = ? RETURNING id"
        return {number for i, reason, detail in verdicts for (number,) in rows(self._db, sql, (reason, detail, i))}

    def remember_keys(self, keys: NDArray[np.uint64], keep: int) -> None:
        """Store the dedupe keys of this commit's messages; forget the oldest commits beyond `keep` keys."""
        self._db.execute("INSERT INTO dedupe (n, keys) VALUES (?, ?)", (len(keys), keys.astype("<u8").tobytes()))
        self.draft.counters["dedupe_keys"] += len(keys)
        while self.draft.counters["dedupe_keys"] > keep:
            oldest = rows(self._db, "SELECT id, n FROM dedupe ORDER BY id LIMIT 64")
            if len(oldest) <= 1:
                return
            self._db.execute("DELETE FROM dedupe WHERE id <= ?", (oldest[-2][0],))
            self.draft.counters["dedupe_keys"] -= sum(n for _, n in oldest[:-1])

    def retain(self, messages: Mapping[str, bytes]) -> None:
        """Keep retained messages by topic; an empty payload removes one (MQTT 5 §3.3.1.3)."""
        gone = [(topic,) for topic, payload in messages.items() if not payload]
        kept = [(topic, payload) for topic, payload in messages.items() if payload]
        if gone:
            self._db.executemany("DELETE FROM retained WHERE topic = ?", gone)
        if kept:
            self._db.executemany("INSERT OR REPLACE INTO retained VALUES (?, ?)", kept)

    def checkpoint(self, consumer: str, seq: int, data: bytes) -> None:
        """Store a consumer's own state as of `seq`."""
        self._db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (consumer, seq, data))

    def peer(self, name: str) -> PeerState | None:
        """What this node remembers of a child."""
        return read_peer(self._db, name)

    def set_peer(self, state: PeerState) -> None:
        """Remember a child's session, incarnation, known series and marks."""
        self._db.execute(
            "INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?)",
            (state.name, state.session, state.incarnation, state.series_known),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)",
            [(state.name, lane, mark.wm, mark.chain) for lane, mark in enumerate(state.marks)],
        )

    def map_series(self, peer: str, first_id: int, series: Sequence[Series]) -> None:
        """Learn a dense run of a child's series ids, starting at `first_id`."""
        mapped = [(peer, first_id + i, self._catalogue.intern(s)) for i, s in enumerate(series)]
        self.store_series()
        self._db.executemany("INSERT INTO peer_series VALUES (?, ?, ?)", mapped)

    def series_map(self, peer: str) -> NDArray[np.int32]:
        """A child's series id -> own id, shape (known,)."""
        known = rows(self._db, "SELECT series FROM peer_series WHERE peer = ? ORDER BY remote", (peer,))
        return np.array([series for (series,) in known], np.int32)

    def drop_delivered(self, consumer: str, lane: Lane, max_groups: int) -> int:
        """Delete the oldest groups of `lane` that `consumer` has delivered; returns the rows dropped."""
        base = int(lane) << LANE_SHIFT
        upto = self.draft.cursors.get((consumer, lane), 0)
        oldest = rows(
            self._db,
            "SELECT place, last FROM groups WHERE place > ? AND place < ? ORDER BY place LIMIT ?",
            (base, base + (1 << LANE_SHIFT), max_groups),
        )
        gone = [(place, last - (place - base) + 1) for place, last in oldest if last <= upto]
        self._db.executemany("DELETE FROM groups WHERE place = ?", [(place,) for place, _ in gone])
        return sum(n for _, n in gone)

    def store_series(self) -> None:
        """Persist every series named since the last commit; runs before any row that may use them."""
        new = self._catalogue.since(self.draft.series_stored)
        start = self.draft.series_stored
        if not new:
            return
        self._db.executemany(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?)",
            [(start + i, *s[:4], int(s.kind)) for i, s in enumerate(new)],
        )
        self.draft.series_stored += len(new)

    def store_counters(self, committed: Mapping[str, int]) -> None:
        """Persist the counters and lane heads that differ from what is committed."""
        changed = [(k, v) for k, v in self.draft.counters.items() if committed.get(k) != v]
        self._db.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", changed)

    def _append(
        self, lane: Lane, kind: GroupKind, n: int, bounds: tuple[int, int], canonical: bytes, blob: bytes, origin: str
    ) -> int:
        self.store_series()
        first = self.draft.heads[lane] + 1
        last = first + n - 1
        chain = blobs.link(self.draft.chains[lane], canonical)
        self._db.execute(
            "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (int(lane) << LANE_SHIFT | first, last, int(kind), *bounds, origin, chain, blob),
        )
        self._db.execute("INSERT OR REPLACE INTO lanes VALUES (?, ?, ?)", (int(lane), last, chain))
        self.draft.heads[lane] = last
        self.draft.chains[lane] = chain
        self.count(f"rows_committed.lane{int(lane)}", n)
        return last


def read_peer(db: Connection, name: str) -> PeerState | None:
    """What the journal remembers of a child, on any connection."""
    found = row(db, "SELECT session, incarnation, series_known FROM peers WHERE name = ?", (name,))
    if found is None:
        return None
    session, incarnation, known = found
    marks = {
        lane: Mark(wm, chain)
        for lane, wm, chain in rows(db, "SELECT lane, wm, chain FROM marks WHERE peer = ?", (name,))
    }
    return PeerState(name, session, incarnation, known, tuple(marks.get(int(lane), Mark()) for lane in Lane))


def group_of(stored: Row) -> Group:
    """A `groups` row as a value."""
    place, last, kind, ts_min, ts_max, origin, chain, blob = stored
    lane = place >> LANE_SHIFT
    first = place & ((1 << LANE_SHIFT) - 1)
    return Group(Lane(lane), first, last, GroupKind(kind), ts_min, ts_max, chain, blob, origin)
