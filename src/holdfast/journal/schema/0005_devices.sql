-- MQTT sessions that outlive their connections (adapters/mqtt). id: given by the broker, so that rows of a session that
-- ended meanwhile find nobody. expiry_s: how long it may be without a connection; left_ns: since when it is, ns UTC,
-- 0 = its client was connected.
CREATE TABLE mqtt_sessions (
    id       INTEGER PRIMARY KEY,
    client   TEXT NOT NULL,
    user     TEXT,
    expiry_s REAL NOT NULL,
    left_ns  INTEGER NOT NULL
);

-- grants: bits, 1-2 = QoS, 4 = no local, 8 = retain as published. identifier: 0 = none.
CREATE TABLE mqtt_subscriptions (
    session    INTEGER NOT NULL,
    filter     TEXT NOT NULL,
    grants     INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    PRIMARY KEY (session, filter)
) WITHOUT ROWID;

-- Packet identifiers of QoS 2 messages that were taken from a client and that it hasn't released.
CREATE TABLE mqtt_received (session INTEGER NOT NULL, pid INTEGER NOT NULL, PRIMARY KEY (session, pid)) WITHOUT ROWID;

-- Messages of QoS 1 and 2 that sessions are owed, in order of id. pid: 0 = not sent yet. released: the subscriber has it
-- (PUBREC) and is owed PUBREL. crc: CRC-32 of body.
CREATE TABLE mqtt_letters (
    id       INTEGER PRIMARY KEY,
    session  INTEGER NOT NULL,
    pid      INTEGER NOT NULL,
    released INTEGER NOT NULL,
    crc      INTEGER NOT NULL,
    body     BLOB NOT NULL
);
CREATE INDEX mqtt_letters_of ON mqtt_letters (session);

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
CREATE INDEX device_gaps_of ON device_gaps (device, id);

-- Devices of nodes below, as the child told of them that this node hears them through. n: the child's page that told it
-- last; data: msgpack (wire/devices.py). Which page was the last one is in meta.
CREATE TABLE child_devices (
    child TEXT NOT NULL,
    node  TEXT NOT NULL,
    name  TEXT NOT NULL,
    n     INTEGER NOT NULL,
    data  BLOB NOT NULL,
    PRIMARY KEY (child, node, name)
) WITHOUT ROWID;

-- Commands to devices (ADR 17). place: order of acceptance, never reused. via: the child it goes down to, '' = a device
-- of this node. sent_ns, delivered_ns: 0 = not. ended_ns: 0 = open, and then state is no terminal one, ever after the
-- same one. doubt: 1 = nobody here knows whether the device carried it out. result: JSON, as the device gave it.
-- late: what was heard after the end, which stays as it is.
CREATE TABLE commands (
    place        INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    node         TEXT NOT NULL,
    device       TEXT NOT NULL,
    name         TEXT NOT NULL,
    params       BLOB NOT NULL,
    origin       TEXT NOT NULL,
    via          TEXT NOT NULL,
    made_ns      INTEGER NOT NULL,
    deadline_ns  INTEGER NOT NULL,
    state        TEXT NOT NULL,
    sent_ns      INTEGER NOT NULL,
    delivered_ns INTEGER NOT NULL,
    ended_ns     INTEGER NOT NULL,
    doubt        INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    result       BLOB NOT NULL,
    late         TEXT NOT NULL
);
CREATE INDEX commands_open ON commands (via, place) WHERE ended_ns = 0;
CREATE INDEX commands_of ON commands (node, device, place)
