-- What else the rule engine was told, and when: in `weaves`, which from now on has a row for every commit of a node with
-- rules. lanes: empty where all readings went to one lane. steps: msgpack (stream/steps.py): rows and the time at which
-- they came, ticks, acknowledgements, clock steps, throttling, in order; NULL: rows alone.
ALTER TABLE weaves ADD COLUMN steps BLOB;
