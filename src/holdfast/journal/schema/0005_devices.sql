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
CREATE INDEX mqtt_letters_of ON mqtt_letters (session)
