-- Queues with limits. A lane is a queue of an application. A run that was started in a queue, and a step that has one of its
-- own, lie in its lane by their keys; what lies in none is claimed as ever.

CREATE TABLE lanes (
    k     INTEGER PRIMARY KEY,
    app   TEXT NOT NULL,
    queue TEXT NOT NULL,
    UNIQUE (app, queue)
) STRICT;

-- What a queue allows, and what has begun there lately.
CREATE TABLE queues (
    app  TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (app, name)
) STRICT, WITHOUT ROWID;

-- slot is what a run has of its queue: nothing, as it is in none (0), or waits for one (1), or holds one (2, 3). A step
-- holds one while it is claimed.
ALTER TABLE runs ADD COLUMN lane INTEGER REFERENCES lanes;
ALTER TABLE runs ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN lane INTEGER REFERENCES lanes;
ALTER TABLE steps ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN weight INTEGER NOT NULL DEFAULT 0;

DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (route, ready_at, queued_at) WHERE ready_at IS NOT NULL AND worker IS NULL AND slot <> 1;
CREATE INDEX runs_waiting ON runs (route, key, ready_at, queued_at)
    WHERE slot = 1 AND worker IS NULL AND ready_at IS NOT NULL;
CREATE INDEX runs_holding ON runs (lane, key) WHERE slot > 1;
DROP INDEX steps_ready;
CREATE INDEX steps_ready ON steps (route, kind, ready_at, queued_at, run, seq, id, lane)
    WHERE ready_at IS NOT NULL AND lane IS NULL;
CREATE INDEX steps_waiting ON steps (route, key, ready_at, queued_at) WHERE ready_at IS NOT NULL AND lane IS NOT NULL;
CREATE INDEX steps_holding ON steps (lane, key) WHERE worker IS NOT NULL AND lane IS NOT NULL;
