-- An alert of a rule by series is about one metric of its device, '' = about the device as a whole.
ALTER TABLE alerts ADD COLUMN metric TEXT NOT NULL DEFAULT '';
DROP INDEX alerts_open;
CREATE UNIQUE INDEX alerts_open ON alerts (node, device, rule, metric) WHERE cleared_ns = 0;

-- What people said of detectors' alerts: confirmed or rejected. alert: its number; event: id of the event that raised it;
-- raised: that event (msgpack), without samples. known: what the rule engine has been told of it, '' = nothing yet: where
-- that isn't the label, it's told again after a start. Times in ns UTC.
CREATE TABLE alert_labels (
    alert      INTEGER PRIMARY KEY,
    event      TEXT NOT NULL,
    raised     BLOB NOT NULL,
    cleared_ns INTEGER NOT NULL,
    label      TEXT NOT NULL,
    known      TEXT NOT NULL,
    by_whom    TEXT NOT NULL,
    comment    TEXT NOT NULL,
    made_ns    INTEGER NOT NULL
);
