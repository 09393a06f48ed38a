-- A piece is a set of readings that left the journal's groups for files: each reading is in exactly one piece, or in
-- a group above the cursor "history" of its lane, or in a group named in stragglers.
-- day: days since 1970-01-01 UTC of all its rows; keep: the pattern of the retention rule it was made under.
CREATE TABLE pieces (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    day    INTEGER NOT NULL,
    keep   TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    rows   INTEGER NOT NULL,
    ts_min INTEGER NOT NULL,
    ts_max INTEGER NOT NULL,
    crc    INTEGER NOT NULL
);
CREATE INDEX pieces_by_day ON pieces (day);

-- The same rows at one or more steps. step: 0 = as they came, else the length of a step in s, -1 = those as they came
-- that lie around alerts. places: bits, 1 = on
-- local disk, 2 = in the cold store, 4 = sending it there began, 8 = damaged on local disk. sums: CRC-32 of each 64 KiB.
CREATE TABLE piece_files (
    piece  INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    name   TEXT NOT NULL UNIQUE,
    bytes  INTEGER NOT NULL,
    rows   INTEGER NOT NULL,
    error  REAL NOT NULL,
    places INTEGER NOT NULL,
    sums   BLOB NOT NULL,
    crc    INTEGER NOT NULL,
    PRIMARY KEY (piece, step)
) WITHOUT ROWID;

-- Files that no piece has any more, kept for a while for those who still read them.
CREATE TABLE piece_trash (name TEXT PRIMARY KEY, places INTEGER NOT NULL, at_ns INTEGER NOT NULL) WITHOUT ROWID;

-- Groups that were put back below the cursor "history" (repaired from the parent); they wait to become pieces.
CREATE TABLE stragglers (place INTEGER PRIMARY KEY);
-- Damaged groups whose readings were in a piece already: put back, they are no stragglers.
CREATE TABLE pieced (place INTEGER PRIMARY KEY);

-- What went by age or quota: readings of a day under a rule that are gone, or left at a coarser step only.
CREATE TABLE piece_losses (
    id     INTEGER PRIMARY KEY,
    day    INTEGER NOT NULL,
    keep   TEXT NOT NULL,
    step   INTEGER NOT NULL,
    rows   INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at_ns  INTEGER NOT NULL,
    crc    INTEGER NOT NULL
);
CREATE INDEX piece_losses_by_day ON piece_losses (day);
-- When alerts were raised, and about which device: readings around them stay as they came for longer.
CREATE TABLE alert_marks (
    ts     INTEGER NOT NULL,
    node   TEXT NOT NULL,
    device TEXT NOT NULL,
    PRIMARY KEY (ts, node, device)
) WITHOUT ROWID;

-- Days (since 1970-01-01 UTC, both inclusive) of readings that were dropped after delivery without being in a piece: of
-- those the parent has more than this node. What was dropped before this schema lies anywhere up to now.
CREATE TABLE journal_drops (
    first_day INTEGER NOT NULL,
    last_day  INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    PRIMARY KEY (first_day, last_day)
) WITHOUT ROWID;
INSERT INTO journal_drops
SELECT -106752,
       max(strftime('%s', 'now') / 86400, coalesce((SELECT max(ts_max) / 86400000000000 FROM groups), 0)),
       sum(cut)
FROM lanes WHERE lane > 0 AND cut > 0 HAVING sum(cut) > 0;

-- Messages of applications (ADR 10). How far a stream was taken into a queue here: exactly once by watermark. id: the
-- last message's, which tells a repeat from an application's restored image.
CREATE TABLE queue_streams (
    queue  TEXT NOT NULL,
    app    TEXT NOT NULL,
    stream TEXT NOT NULL,
    n      INTEGER NOT NULL,
    id     BLOB NOT NULL,
    PRIMARY KEY (queue, app, stream)
) WITHOUT ROWID;

-- Queues consumed at this node: every message committed or applied since then lies in queue_messages, too.
CREATE TABLE queues_consumed (queue TEXT PRIMARY KEY) WITHOUT ROWID;

-- place: order of arrival, never reused. seq: its row in lane 0. dead: why no consumer gets it any more, '' = it waits.
CREATE TABLE queue_messages (
    place    INTEGER PRIMARY KEY AUTOINCREMENT,
    queue    TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    source   TEXT NOT NULL,
    n        INTEGER NOT NULL,
    id       BLOB NOT NULL,
    ts       INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    dead     TEXT NOT NULL,
    body     BLOB NOT NULL
);
CREATE INDEX queue_messages_in_order ON queue_messages (queue, dead, place, source);
CREATE INDEX queue_messages_in_log ON queue_messages (seq);
-- Alerts among a million messages of lane 0.
CREATE INDEX groups_of_events ON groups (place) WHERE kind = 1;

-- Shared documents (Yjs). version: names exactly this content; every stored edit gives a new one.
CREATE TABLE documents (name TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID;

-- A document is the merge of its rows, oldest first; now and then they become one. crc: CRC-32 of data.
CREATE TABLE document_updates (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    crc  INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX document_updates_of ON document_updates (name, id);

-- Series that a residency rule keeps, or once kept. stay: 0 = anywhere (again), 1 = region, 2 = site.
-- by: 1 = this node's rules, 2 = a child's word, 3 = made here to leave in place of others (pseudonym, aggregate).
CREATE TABLE series_stay (series INTEGER PRIMARY KEY, stay INTEGER NOT NULL, by INTEGER NOT NULL);

-- One row per commit since the rules' last checkpoint whose readings went to several lanes: the lanes' ends after it
-- (JSON list), and each row's lane in the order the readings came, so that a restart shows them to the rules in it.
CREATE TABLE weaves (id INTEGER PRIMARY KEY, ends TEXT NOT NULL, lanes BLOB NOT NULL);

-- What residency did, hash-chained: SHA-256 over the former row's chain and this row. body: JSON.
CREATE TABLE residency_log (
    id    INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    body  TEXT NOT NULL,
    chain BLOB NOT NULL
);
-- Today's counts, until the day is over and becomes a row of the log. day: days since 1970-01-01 UTC.
CREATE TABLE residency_counts (
    day  INTEGER NOT NULL,
    rule TEXT NOT NULL,
    what TEXT NOT NULL,
    n    INTEGER NOT NULL,
    PRIMARY KEY (day, rule, what)
) WITHOUT ROWID
