-- What people did and tried here, hash-chained like the residency register: chain is SHA-256 over the former row's and
-- its own id, time and body. The oldest rows may be dropped; the first that is left is then taken as it is.
CREATE TABLE audit_log (
    id    INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    body  TEXT NOT NULL,
    chain BLOB NOT NULL
);
