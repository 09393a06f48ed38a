-- MQTT wills with a delay, of sessions that outlive their connections: published when the client stays away for so long,
-- also when the node was killed meanwhile. session: of mqtt_sessions; one that ended may leave its will behind until the
-- commit that publishes it. crc: CRC-32 of body.
CREATE TABLE mqtt_wills (
    session INTEGER PRIMARY KEY,
    crc     INTEGER NOT NULL,
    body    BLOB NOT NULL
);
