-- One file holds log, cursors, dedupe keys and counters: in WAL mode a transaction is atomic per file only.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row per process start, committed before its first write (G3). heads: JSON list, one head per lane.
CREATE TABLE incarnations (
    n          INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    boot_id    TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    heads      TEXT NOT NULL
);

-- Dense: ids are 0, 1, 2 … in order of first sight, never reused.
CREATE TABLE series (
    id     INTEGER PRIMARY KEY,
    node   TEXT NOT NULL,
    device TEXT NOT NULL,
    metric TEXT NOT NULL,
    unit   TEXT NOT NULL,
    kind   INTEGER NOT NULL
);

-- head: last committed seq; chain: hash chain there. Survives the deletion of delivered groups.
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, head INTEGER NOT NULL, chain BLOB NOT NULL);

-- place = lane << 56 | first seq: one b-tree in lane and seq order, no second index to write.
CREATE TABLE groups (
    place  INTEGER PRIMARY KEY,
    last   INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    ts_min INTEGER NOT NULL,
    ts_max INTEGER NOT NULL,
    origin TEXT NOT NULL,
    chain  BLOB NOT NULL,
    blob   BLOB NOT NULL
);

CREATE TABLE cursors (
    consumer TEXT NOT NULL,
    lane     INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (consumer, lane)
) WITHOUT ROWID;

CREATE TABLE peers (
    name         TEXT PRIMARY KEY,
    session      INTEGER NOT NULL,
    incarnation  TEXT NOT NULL,
    series_known INTEGER NOT NULL
) WITHOUT ROWID;

-- How far each child's lane is applied; changes only in the transaction that stores the rows (G2).
CREATE TABLE marks (
    peer  TEXT NOT NULL,
    lane  INTEGER NOT NULL,
    wm    INTEGER NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (peer, lane)
) WITHOUT ROWID;

CREATE TABLE peer_series (
    peer   TEXT NOT NULL,
    remote INTEGER NOT NULL,
    series INTEGER NOT NULL,
    PRIMARY KEY (peer, remote)
) WITHOUT ROWID;

CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY,
    received_ns INTEGER NOT NULL,
    source      TEXT NOT NULL,
    topic       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    payload     BLOB NOT NULL
);

-- One row per commit: the dedupe keys of its messages as u64 little endian.
CREATE TABLE dedupe (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, keys BLOB NOT NULL);

CREATE TABLE retained (topic TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;

-- A consumer's own state as of a position in the log (rule engine: seq of lane 2).
CREATE TABLE checkpoints (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
