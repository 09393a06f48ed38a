-- The devices of this node (devices/). name: under which readings are stored now. status: new, accepted, retired.
-- labels: JSON list. made_ns: when the row was made.
CREATE TABLE devices (
    number  INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    status  TEXT NOT NULL,
    labels  TEXT NOT NULL,
    note    TEXT NOT NULL,
    made_ns INTEGER NOT NULL
);

-- Other names of a device. role: hardware = what it calls itself on the wire; replaced = hardware that was; former =
-- series are stored under it.
CREATE TABLE device_names (
    name   TEXT NOT NULL,
    role   TEXT NOT NULL,
    device INTEGER NOT NULL,
    at_ns  INTEGER NOT NULL,
    PRIMARY KEY (name, role)
) WITHOUT ROWID;

-- What was counted of each; a few seconds behind. Times of receipt, ns UTC, 0 = never; beat_ns: by its own clock.
CREATE TABLE device_counts (
    device   INTEGER PRIMARY KEY,
    first_ns INTEGER NOT NULL,
    last_ns  INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    repeats  INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    beat_ns  INTEGER NOT NULL
);

-- What was learned of each; some minutes behind. data: devices/learned.py.
CREATE TABLE device_learned (device INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, data BLOB NOT NULL);

-- Times without a device's messages, by its own clock where it tells one. missing: expected messages that aren't here;
-- filled: came later; down_ns: how much of it this node itself was down.
CREATE TABLE device_gaps (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    device  INTEGER NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    filled  INTEGER NOT NULL,
    down_ns INTEGER NOT NULL
);
CREATE INDEX device_gaps_of ON device_gaps (device, id)
