-- What a run may be started with: a priority, a time before which it does not begin, one by which it has to end, and
-- attributes.

-- A route is of one priority, so that a claim finds what is ready of each in the order of its index. It is a text, as
-- all that numbers stand for.
CREATE TABLE new_routes (
    k        INTEGER PRIMARY KEY,
    app      TEXT NOT NULL,
    queue    TEXT NOT NULL,
    guest    TEXT NOT NULL,
    key_id   TEXT NOT NULL,
    priority TEXT NOT NULL,
    UNIQUE (app, queue, guest, key_id, priority)
) STRICT;
INSERT INTO new_routes SELECT k, app, queue, guest, key_id, '0' FROM routes;
DROP TABLE routes;
ALTER TABLE new_routes RENAME TO routes;

ALTER TABLE runs ADD COLUMN starts_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN deadline INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_deadline ON runs (deadline) WHERE deadline > 0 AND status < 2;

-- Attributes as a JSON object, and a row of each to find runs by, newest last.
ALTER TABLE runs ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
CREATE TABLE attributes (
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    run   INTEGER NOT NULL REFERENCES runs,
    PRIMARY KEY (name, value, run)
) STRICT, WITHOUT ROWID;
