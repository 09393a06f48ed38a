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
-- that lie around alerts. places: 1 = on local disk, 2 = in the cold store. sums: CRC-32 of each 64 KiB.
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
    at_ns  INTEGER NOT NULL
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
FROM lanes WHERE lane > 0 AND cut > 0 HAVING sum(cut) > 0
