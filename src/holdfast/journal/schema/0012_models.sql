-- Deployed models. book: their versions, shares and history (JSON); watched: what monitors had learned when it was last
-- written (zstd), '' = nothing; a restart goes on from it, losing what came since, and never the book.
CREATE TABLE model_books (
    deployment TEXT PRIMARY KEY,
    book       TEXT NOT NULL,
    watched    BLOB NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- What people know of devices: a true state for a time. body: the label (JSON). Times in ns UTC.
CREATE TABLE model_labels (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment TEXT NOT NULL,
    device     TEXT NOT NULL,
    start_ns   INTEGER NOT NULL,
    end_ns     INTEGER NOT NULL,
    alert      INTEGER NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX model_labels_by_deployment ON model_labels (deployment, id);
CREATE UNIQUE INDEX model_labels_by_alert ON model_labels (deployment, alert) WHERE alert > 0;
