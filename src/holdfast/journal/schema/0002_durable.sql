-- crc: CRC-32 of the row's other columns, 0 = written before schema 2. branch, origin_first: where a child's rows stood
-- in the child's own lane, so that the child can have a damaged group back.
ALTER TABLE groups ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN branch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN origin_first INTEGER NOT NULL DEFAULT 0;
-- The child's own chain at the group's end.
ALTER TABLE groups ADD COLUMN origin_chain BLOB NOT NULL DEFAULT x'';
CREATE INDEX groups_of_children ON groups (origin, branch, place >> 56, origin_first) WHERE origin <> '';

-- cut: rows up to here were dropped after delivery; cut_chain: the chain there, NULL = dropped before schema 2.
ALTER TABLE lanes ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN cut_chain BLOB;
UPDATE lanes SET cut = coalesce(
    (SELECT min(place) - (lanes.lane << 56) - 1 FROM groups WHERE place >> 56 = lanes.lane),
    head
);
UPDATE lanes SET cut_chain = zeroblob(16) WHERE cut = 0;
UPDATE lanes SET cut_chain = chain WHERE cut = head;

-- Rows that are gone and counted: own ones (origin '') and those that a child reported.
CREATE TABLE gaps (
    id     INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    branch INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    reason TEXT NOT NULL,
    ts_min INTEGER NOT NULL,
    ts_max INTEGER NOT NULL,
    at_ns  INTEGER NOT NULL
);
CREATE INDEX gaps_in_lane ON gaps (origin, branch, lane, last);

-- Groups that were not what was written, as found; their rows are a gap with reason "damaged".
CREATE TABLE damaged (place INTEGER PRIMARY KEY, last INTEGER NOT NULL, at_ns INTEGER NOT NULL, row BLOB NOT NULL);

-- A child's histories. Branch 0 is the first; a restored or cloned child gets the next one (G3).
CREATE TABLE branches (
    peer         TEXT NOT NULL,
    branch       INTEGER NOT NULL,
    parent       INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    opened_ns    INTEGER NOT NULL,
    session      INTEGER NOT NULL,
    series_known INTEGER NOT NULL,
    suspect      INTEGER NOT NULL,
    PRIMARY KEY (peer, branch)
) WITHOUT ROWID;

-- The process starts of a child that this node was told of. heads: JSON list, one head a lane, at that start.
CREATE TABLE branch_incarnations (
    peer   TEXT NOT NULL,
    branch INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    uuid   TEXT NOT NULL,
    heads  TEXT NOT NULL,
    PRIMARY KEY (peer, branch, n)
) WITHOUT ROWID;

-- wm changes only in the transaction that stores the rows (G2). wm - start = rows + gap_rows + shared, always.
CREATE TABLE branch_marks (
    peer      TEXT NOT NULL,
    branch    INTEGER NOT NULL,
    lane      INTEGER NOT NULL,
    wm        INTEGER NOT NULL,
    chain     BLOB NOT NULL,
    head_seen INTEGER NOT NULL,
    fork      INTEGER NOT NULL,
    start     INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    gap_rows  INTEGER NOT NULL,
    shared    INTEGER NOT NULL,
    bounds    BLOB NOT NULL,
    PRIMARY KEY (peer, branch, lane)
) WITHOUT ROWID;

CREATE TABLE branch_series (
    peer   TEXT NOT NULL,
    branch INTEGER NOT NULL,
    remote INTEGER NOT NULL,
    series INTEGER NOT NULL,
    PRIMARY KEY (peer, branch, remote)
) WITHOUT ROWID;

-- What a child (peer) said it holds of its own children (source): up to here those rows are in this journal, too.
CREATE TABLE sources (
    peer   TEXT NOT NULL,
    source TEXT NOT NULL,
    branch INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    chain  BLOB NOT NULL,
    PRIMARY KEY (peer, source, branch, lane)
) WITHOUT ROWID;

-- After this node was restored: what its parent holds of the children, and whether a branch of theirs contains it.
CREATE TABLE elsewhere (
    child TEXT NOT NULL,
    lane  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (child, lane, seq, chain)
) WITHOUT ROWID;

CREATE TABLE elsewhere_checked (
    child  TEXT NOT NULL,
    branch INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    chain  BLOB NOT NULL,
    holds  INTEGER NOT NULL,
    PRIMARY KEY (child, branch, lane, seq, chain)
) WITHOUT ROWID;

INSERT INTO branches SELECT name, 0, -1, 'first', 0, session, series_known, 0 FROM peers;
INSERT INTO branch_incarnations
    SELECT name, 0, 0, incarnation,
           json_array(
               coalesce((SELECT wm FROM marks WHERE peer = name AND lane = 0), 0),
               coalesce((SELECT wm FROM marks WHERE peer = name AND lane = 1), 0),
               coalesce((SELECT wm FROM marks WHERE peer = name AND lane = 2), 0)
           )
    FROM peers;
INSERT INTO branch_marks SELECT peer, 0, lane, wm, chain, wm, 0, 0, wm, 0, 0, x'' FROM marks;
INSERT INTO branch_series SELECT peer, 0, remote, series FROM peer_series;
DROP TABLE peers;
DROP TABLE marks;
DROP TABLE peer_series;
