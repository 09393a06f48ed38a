-- MQTT wills with a delay, of sessions that outlive their connections: published when the client stays away for so long,
-- also when the node was killed meanwhile. session: of mqtt_sessions; one that ended may leave its will behind until the
-- commit that publishes it. crc: CRC-32 of body.
CREATE TABLE mqtt_wills (
    session INTEGER PRIMARY KEY,
    crc     INTEGER NOT NULL,
    body    BLOB NOT NULL
);

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
