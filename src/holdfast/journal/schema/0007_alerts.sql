-- Alerts as people deal with them: a row from the event that raised one until its history is forgotten. Open: cleared_ns
-- = 0. event: id of the event that raised it; raised, cleared: those events (msgpack). raised_ns, cleared_ns: the events'
-- own times; heard_ns: when this node took the first. acked_ns: 0 = nobody has acknowledged it. Times in ns UTC.
CREATE TABLE alerts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    node       TEXT NOT NULL,
    device     TEXT NOT NULL,
    rule       TEXT NOT NULL,
    severity   TEXT NOT NULL,
    event      TEXT NOT NULL,
    raised_ns  INTEGER NOT NULL,
    heard_ns   INTEGER NOT NULL,
    raised     BLOB NOT NULL,
    cleared_ns INTEGER NOT NULL DEFAULT 0,
    cleared    BLOB,
    acked_ns   INTEGER NOT NULL DEFAULT 0,
    acked_by   TEXT NOT NULL DEFAULT '',
    comment    TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX alerts_open ON alerts (node, device, rule) WHERE cleared_ns = 0;
CREATE INDEX alerts_by_event ON alerts (event);

-- What nobody shall be told of for a while. match: JSON. gone_ns: 0, or when somebody took it back.
CREATE TABLE silences (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    match    TEXT NOT NULL,
    by_whom  TEXT NOT NULL,
    why      TEXT NOT NULL,
    made_ns  INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    gone_ns  INTEGER NOT NULL DEFAULT 0
);

-- What a channel has yet to tell about an alert; delivered ones go. key: the same for every try, unique in the world.
-- what: raised, cleared, both (raised and cleared before it could be told), again (a reminder), step (of an escalation).
-- due_ns: not before; wait_ns: how long it may gather with others before that; since_ns: when the tries began to count.
-- held: the silence that holds it until due_ns, 0 = none. clears: is the channel told when the alert is cleared?
-- text: the rule's own words for this channel, '' = the event's.
CREATE TABLE alert_dispatches (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    channel  TEXT NOT NULL,
    alert    INTEGER NOT NULL,
    key      TEXT NOT NULL,
    what     TEXT NOT NULL,
    since_ns INTEGER NOT NULL,
    due_ns   INTEGER NOT NULL,
    wait_ns  INTEGER NOT NULL,
    held     INTEGER NOT NULL DEFAULT 0,
    clears   INTEGER NOT NULL,
    text     TEXT NOT NULL,
    UNIQUE (channel, key)
);
CREATE INDEX alert_dispatches_of ON alert_dispatches (alert);

-- Escalations under way: the step that comes next, and when. wait_ns: how long that was in advance.
CREATE TABLE alert_steps (
    alert   INTEGER NOT NULL,
    name    TEXT NOT NULL,
    step    INTEGER NOT NULL,
    due_ns  INTEGER NOT NULL,
    wait_ns INTEGER NOT NULL,
    PRIMARY KEY (alert, name)
) WITHOUT ROWID;

-- Which channels know of an alert that isn't cleared yet, and how often each was told. Other columns as above.
CREATE TABLE alert_told (
    alert   INTEGER NOT NULL,
    channel TEXT NOT NULL,
    times   INTEGER NOT NULL,
    clears  INTEGER NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (alert, channel)
) WITHOUT ROWID;
