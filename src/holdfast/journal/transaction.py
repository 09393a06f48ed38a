"""What a write may do inside a commit. Lives on the writer thread, only while `Journal.submit`'s function runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.journal import blobs, branches, queued
from holdfast.journal.records import OWN, Branch, Group, GroupKind, Mark, QuarantineRow, Source
from holdfast.journal.rows import insert
from holdfast.journal.state import Draft
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.message import Message
from holdfast.model.series import Catalogue, Series
from holdfast.storage.sqlite import Connection, row, rows


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose rows they are: a child, its branch, the first row's seq there, its chain at the last. Empty: own ones."""

    peer: str = OWN
    branch: int = 0
    first: int = 0
    chain: bytes = b""


NODE_ITSELF = Origin()
MADE_TO_LEAVE = Origin("!residency")
"""Origin of rows made to leave in place of others: no node's name, and so not shown to the rules."""
EXCERPT = Origin("!filter")
"""Origin of readings in lane 2 that are copies of some in lane LOCAL: for the parent only, here they'd count twice."""
REPORTS = Origin("!reports")
"""Origin of the node's own log lines and steps of traces: neither measured nor decided on, and so not for the rules."""
_BY_RULE, _MADE = 1, 3  # `stays.MarkedBy`, which stands above this module


class Transaction:
    """One commit in the making. Every method is atomic with all others of the same commit."""

    def __init__(self, db: Connection, draft: Draft, catalogue: Catalogue) -> None:
        self.db = db
        """For this room's own modules."""
        self.draft = draft
        self.catalogue = catalogue
        self.appended_bytes = 0
        """Bytes of the last appended group's blob."""

    def append_readings(self, lane: Lane, batch: Batch, origin: Origin = NODE_ITSELF) -> int:
        """Store a non-empty batch as the next group of `lane`; returns its last seq."""
        canonical = blobs.canonical_readings(batch)
        times = int(batch.ts.min()), int(batch.ts.max())
        blob = blobs.encode_readings(batch)
        return self._append(lane, GroupKind.READINGS, len(batch), times, canonical, blob, origin)

    def append_events(self, lane: Lane, events: Sequence[Event], origin: Origin = NODE_ITSELF) -> int:
        """Store some events as the next group of `lane`; returns its last seq."""
        canonical, blob = blobs.both_of_events(events)
        times = [e.ts for e in events]
        bounds = min(times), max(times)
        return self._append(lane, GroupKind.EVENTS, len(events), bounds, canonical, blob, origin)

    def append_messages(self, messages: Sequence[Message], origin: Origin = NODE_ITSELF) -> int:
        """Store messages as the next group of lane 0, and in queues that are consumed here; returns the last seq."""
        times = [one.ts for one in messages]
        bounds = min(times), max(times)
        canonical, blob = blobs.canonical_messages(messages), blobs.encode_messages(messages)
        last = self._append(Lane.CRITICAL, GroupKind.MESSAGES, len(messages), bounds, canonical, blob, origin)
        wanted = queued.consumed(self.db)
        for queue, n in queued.enqueue(self.db, last - len(messages) + 1, messages, wanted).items():
            self.count(f"queue_queued.{queue}", n)
        return last

    def set_cursor(self, consumer: str, lane: Lane, seq: int) -> None:
        """Remember that `consumer` has everything of `lane` up to `seq`."""
        self.db.execute(
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
        self.db.executemany(
            "INSERT INTO quarantine (received_ns, source, topic, reason, detail, payload) VALUES (?, ?, ?, ?, ?, ?)",
            [(r.received_ns, r.source, r.topic, r.reason, r.detail, r.payload) for r in rows],
        )
        self.db.execute("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (keep,))
        self.count("quarantine_dropped", self.db.changes())

    def take_quarantined(self, ids: Sequence[int]) -> set[int]:
        """Delete quarantined messages; returns the ids that were still there."""
        wanted = msgspec.json.encode(ids).decode()
        return {
            number
            for (number,) in rows(
                self.db,
                "DELETE FROM quarantine WHERE id IN (SELECT value FROM json_each(?)) RETURNING id",
                (wanted,),
            )
        }

    def requalify(self, verdicts: Iterable[tuple[int, str, str]]) -> set[int]:
        """Give quarantined messages another (id, reason, detail); returns the ids that were still there."""
        sql = "UPDATE quarantine SET reason = ?, detail = ? WHERE id = ? RETURNING id"
        return {number for i, reason, detail in verdicts for (number,) in rows(self.db, sql, (reason, detail, i))}

    def remember_keys(self, keys: NDArray[np.uint64], keep: int) -> None:
        """Store the dedupe keys of this commit's messages; forget the oldest commits beyond `keep` keys."""
        self.db.execute("INSERT INTO dedupe (n, keys) VALUES (?, ?)", (len(keys), keys.astype("<u8").tobytes()))
        self.draft.counters["dedupe_keys"] += len(keys)
        while self.draft.counters["dedupe_keys"] > keep:
            oldest = rows(self.db, "SELECT id, n FROM dedupe ORDER BY id LIMIT 64")
            if len(oldest) <= 1:
                return
            self.db.execute("DELETE FROM dedupe WHERE id <= ?", (oldest[-2][0],))
            self.draft.counters["dedupe_keys"] -= sum(n for _, n in oldest[:-1])

    def retain(self, messages: Mapping[str, bytes]) -> None:
        """Keep retained messages by topic; an empty payload removes one (MQTT 5 §3.3.1.3)."""
        gone = [(topic,) for topic, payload in messages.items() if not payload]
        kept = [(topic, payload) for topic, payload in messages.items() if payload]
        if gone:
            self.db.executemany("DELETE FROM retained WHERE topic = ?", gone)
        if kept:
            self.db.executemany("INSERT OR REPLACE INTO retained VALUES (?, ?)", kept)

    def checkpoint(self, consumer: str, seq: int, data: bytes) -> None:
        """Store a consumer's own state as of `seq`."""
        self.db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (consumer, seq, data))

    def branches(self, peer: str) -> tuple[Branch, ...]:
        """Every history of a child, oldest first."""
        return branches.read_branches(self.db, peer)

    def branch(self, peer: str, number: int) -> Branch | None:
        """One history of a child, without its incarnations."""
        return branches.read_branch(self.db, peer, number)

    def has_branches(self, peer: str) -> bool:
        """Does a child have more than one history?"""
        return row(self.db, "SELECT 1 FROM branches WHERE peer = ? AND branch = 1", (peer,)) is not None

    def set_branch(self, branch: Branch) -> None:
        """Store everything of a history."""
        branches.write_branch(self.db, branch)

    def fence(self, incarnation: str) -> None:
        """Make every child say hello again."""
        for peer, number, session in rows(self.db, "SELECT peer, branch, session FROM branches"):
            self.db.execute(
                "UPDATE branches SET session = ? WHERE peer = ? AND branch = ?",
                (branches.next_token(session, incarnation), peer, number),
            )

    def sources(self, peer: str) -> tuple[Source, ...]:
        """What this journal holds of a child's children."""
        return branches.read_sources(self.db, peer)

    def set_sources(self, peer: str, sources: Iterable[Source]) -> None:
        """Remember how far a child's children are held here, through that child."""
        branches.write_sources(self.db, peer, sources)

    def add_elsewhere(self, sources: Iterable[Source]) -> None:
        """This node's own parent holds this of the children."""
        branches.write_elsewhere(self.db, sources)

    def unchecked_elsewhere(self, child: str, branch: int) -> tuple[Source, ...]:
        """What the parent holds of a child, where it's not known yet whether this branch contains it."""
        return branches.unchecked_elsewhere(self.db, child, branch)

    def check_elsewhere(self, source: Source, *, holds: bool) -> None:
        """A child's branch contains what the parent holds, or it doesn't."""
        branches.check_elsewhere(self.db, source, holds=holds)

    def held_elsewhere(self, child: str, branch: int, lane: Lane) -> int:
        """Up to which seq this node's own parent holds a branch's rows; 0 = nothing is known."""
        return branches.held_elsewhere(self.db, child, branch, lane)

    def set_mark(self, peer: str, number: int, lane: Lane, mark: Mark) -> None:
        """Store how far a lane of a child's branch is applied; belongs beside its rows (G2)."""
        branches.write_mark(self.db, peer, number, lane, mark)

    def set_safe(self, marks: Sequence[tuple[str, int, int, int]]) -> None:
        """The newest backup goes this far: (child, branch, lane, watermark)."""
        branches.write_safe(self.db, marks)

    def map_series(self, peer: str, number: int, first: int, series: Sequence[Series]) -> None:
        """Learn a dense run of a child's series ids, starting at `first`."""
        own = [self.catalogue.intern(s) for s in series]
        self.store_series()
        branches.map_series(self.db, peer, number, first, own)
        branches.write_series_known(self.db, peer, number, first + len(own))

    def remap_series(self, peer: str, number: int, remote: int, series: Series) -> int:
        """Learn what a child's series is that was known by a placeholder; returns its own id."""
        own = self.catalogue.intern(series)
        self.store_series()
        branches.remap_series(self.db, peer, number, remote, own)
        return own

    def series_map(self, peer: str, number: int) -> NDArray[np.int32]:
        """A child's series id -> own id, shape (known,)."""
        return branches.series_map(self.db, peer, number)

    def meta(self, key: str) -> str | None:
        """A small fact kept across restarts."""
        found = row(self.db, "SELECT value FROM meta WHERE key = ?", (key,))
        return None if found is None else str(found[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small fact across restarts."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def store_series(self) -> None:
        """Persist every series named since the last commit; runs before any row that may use them."""
        new = self.catalogue.since(self.draft.series_stored)
        start = self.draft.series_stored
        if not new:
            return
        self.db.executemany(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?)",
            [(start + i, *s[:4], int(s.kind)) for i, s in enumerate(new)],
        )
        self._store_stays(start, len(new))
        self.draft.series_stored += len(new)

    def _store_stays(self, start: int, n: int) -> None:
        """What keeps these new series; a commit that is undone stores them again with their series."""
        stays, made = self.catalogue.stay_of[start : start + n], self.catalogue.made
        marks = [(start + int(i), int(stays[i]), _BY_RULE) for i in np.flatnonzero(stays)]
        marks += [(one, 0, _MADE) for one in range(start, start + n) if one in made] if made else []
        self.db.executemany("INSERT OR REPLACE INTO series_stay VALUES (?, ?, ?)", marks)

    def store_counters(self, committed: Mapping[str, int]) -> None:
        """Persist the counters and lane heads that differ from what is committed."""
        changed = {k: v for k, v in self.draft.counters.items() if committed.get(k) != v}
        if changed:  # one statement: after each the thread has to wait for its turn again
            wanted = msgspec.json.encode(changed).decode()
            self.db.execute("INSERT OR REPLACE INTO counters SELECT key, value FROM json_each(?)", (wanted,))

    def _append(
        self,
        lane: Lane,
        kind: GroupKind,
        n: int,
        times: tuple[int, int],
        canonical: bytes,
        blob: bytes,
        origin: Origin,
    ) -> int:
        self.store_series()
        self.appended_bytes = len(blob)
        first = self.draft.heads[lane] + 1
        last = first + n - 1
        chain = blobs.link(self.draft.chains[lane], canonical)
        insert(
            self.db,
            Group(lane, first, last, kind, *times, chain, blob, origin.peer, origin.branch, origin.first, origin.chain),
        )
        self.set_head(lane, last, chain)
        self.count(f"rows_committed.lane{int(lane)}", n)
        return last

    def set_head(self, lane: Lane, seq: int, chain: bytes) -> None:
        """A lane ends at `seq` now, with this chain."""
        self.db.execute(
            "INSERT INTO lanes (lane, head, chain, cut, cut_chain) VALUES (?, ?, ?, 0, zeroblob(16)) "
            "ON CONFLICT DO UPDATE SET head = excluded.head, chain = excluded.chain",
            (int(lane), seq, chain),
        )
        self.draft.heads[lane] = seq
        self.draft.chains[lane] = chain
