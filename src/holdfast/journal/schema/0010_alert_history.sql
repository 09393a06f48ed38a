-- What became of an alert beside what its row says: who was told when by which channel, what people said, what held it
-- back. kind: commented, told, reminded, ended, escalated, silenced, planned, renewed, given_up. who: a person, or a
-- channel; detail: their words, or what belongs to the kind. event: of what travels, its id, '' = it's of this node alone.
CREATE TABLE alert_history (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    alert  INTEGER NOT NULL,
    at_ns  INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    who    TEXT NOT NULL,
    detail TEXT NOT NULL,
    event  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX alert_history_of ON alert_history (alert, id);
CREATE UNIQUE INDEX alert_history_event ON alert_history (event) WHERE event <> '';

-- The maintenance window in which an alert was raised, 0 = none.
ALTER TABLE alerts ADD COLUMN maintenance INTEGER NOT NULL DEFAULT 0;

-- Planned works: of what they mean nobody is told while they last. name: of node.yaml, '' = made by people. match, hours:
-- JSON; hours '' = once, else again and again between from_ns and to_ns (0 = for ever). gone_ns: 0, or when it was ended.
CREATE TABLE maintenance (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    match   TEXT NOT NULL,
    hours   TEXT NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    why     TEXT NOT NULL,
    made_ns INTEGER NOT NULL,
    gone_ns INTEGER NOT NULL DEFAULT 0
);

-- Rules as they were when they raised an alert, by their version.
CREATE TABLE rule_texts (
    version TEXT PRIMARY KEY,
    rule    TEXT NOT NULL,
    text    TEXT NOT NULL,
    seen_ns INTEGER NOT NULL
) WITHOUT ROWID;
