-- What runs can do since rows stand alone: streams, schedules, mailboxes, queues with limits and all the rest.

-- Streams, which steps write for others to read. A stream's chunk number n is stored under the key stream << 32 | n.
CREATE TABLE streams (
    k           INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES runs,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL, -- 'bytes', or '' for values
    count       INTEGER NOT NULL,
    size        INTEGER NOT NULL, -- bytes of all chunks
    created_at  INTEGER NOT NULL,
    written_at  INTEGER NOT NULL,
    end_writer  TEXT, -- who has closed it, NULL while it is open; the other columns of its end are 0 and empty then
    end_attempt INTEGER NOT NULL,
    end_n       INTEGER NOT NULL,
    end_tag     BLOB NOT NULL,
    end_at      INTEGER NOT NULL,
    UNIQUE (run, name)
) STRICT;

-- Who has written to a stream: steps, and others who hold it.
CREATE TABLE writers (
    k       INTEGER PRIMARY KEY,
    stream  INTEGER NOT NULL REFERENCES streams,
    id      TEXT NOT NULL,
    attempt INTEGER NOT NULL, -- the newest
    sent    INTEGER NOT NULL, -- chunks of that attempt
    UNIQUE (stream, id)
) STRICT;

CREATE TABLE chunks (
    k       INTEGER PRIMARY KEY,
    writer  INTEGER NOT NULL REFERENCES writers,
    attempt INTEGER NOT NULL,
    n       INTEGER NOT NULL, -- among those of the attempt
    at      INTEGER NOT NULL,
    tag     BLOB NOT NULL,
    data    BLOB NOT NULL
) STRICT;

-- Streams go with their run, whoever deletes it.
CREATE TRIGGER runs_deleted AFTER DELETE ON runs BEGIN
    DELETE FROM streams WHERE run = old.k;
END;
CREATE TRIGGER streams_deleted AFTER DELETE ON streams BEGIN
    DELETE FROM writers WHERE stream = old.k;
    DELETE FROM chunks WHERE k BETWEEN old.k << 32 AND old.k << 32 | 0xffffffff;
END;

-- When runs are started. body is the whole schedule; what claims and looks compare stands beside it. wakes_at is NULL when
-- time alone does not make it due, and waits_for is the run whose end a buffered slot awaits, '' when none does.
CREATE TABLE schedules (
    app       TEXT NOT NULL,
    name      TEXT NOT NULL,
    version   INTEGER NOT NULL,
    wakes_at  INTEGER,
    moved_at  INTEGER NOT NULL,
    waits_for TEXT NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (app, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (app, wakes_at) WHERE wakes_at IS NOT NULL;

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

-- Messages to runs: how many were sent, how many the run's code has received, and in which mailboxes it waits (JSON).
-- Their ids are kept in resumes, with an empty hook.
ALTER TABLE runs ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN received INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN receiving TEXT NOT NULL DEFAULT '[]';

-- A run that is cancelled may clean up: for how long and with how many steps, and once it was asked, by when it ends and
-- why. Runs that are here already have guests that cannot be told, and end at once, as before.
ALTER TABLE runs ADD COLUMN cleanup_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cleanup_steps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cancel_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cancel_reason TEXT NOT NULL DEFAULT '';

-- A run is cancelled together with the one that started it, unless it is detached.
ALTER TABLE runs ADD COLUMN detached INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_parent ON runs (parent) WHERE parent <> '' AND status < 2;

-- Whether nothing of a run is to happen for now.
ALTER TABLE runs ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;

-- What is kept for how long: runs in the order in which they ended, and a run's attributes without a search.
CREATE INDEX runs_ended ON runs (workflow, ended_at) WHERE ended_at > 0;
CREATE INDEX attributes_run ON attributes (run);

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

-- How long the token of a hook stays reserved once the hook is gone, and the class of its payloads ('' for any).
ALTER TABLE hooks ADD COLUMN retention_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hooks ADD COLUMN takes TEXT NOT NULL DEFAULT '';

-- Tokens of hooks that are gone, with the run that they are reserved for, and until when.
CREATE TABLE reservations (
    token TEXT PRIMARY KEY,
    run   INTEGER NOT NULL REFERENCES runs,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_until ON reservations (until);

-- A step whose newest attempt must not be made again when nobody knows how it ended: it is blocked then (status 3).
ALTER TABLE steps ADD COLUMN once INTEGER NOT NULL DEFAULT 0;

-- Reserved tokens go with their run, without a search.
CREATE INDEX reservations_run ON reservations (run);

-- The ids under which tokens were resumed and runs were sent messages (token '' then), as long as the run is kept. A resume
-- is recorded once for its token, also when the hook that received it is gone or another one has the token.
CREATE TABLE new_resumes (
    run       INTEGER NOT NULL REFERENCES runs,
    token     TEXT NOT NULL,
    resume_id TEXT NOT NULL,
    PRIMARY KEY (run, token, resume_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX resumes_token ON new_resumes (token, resume_id) WHERE token <> '';
INSERT INTO new_resumes SELECT run, '', resume_id FROM resumes WHERE hook = '';
-- A token may have been resumed under one id at several hooks till now; the live one's counts, or else the newest run's.
INSERT OR IGNORE INTO new_resumes
    SELECT e.run, h.token, e.resume_id FROM resumes e JOIN hooks h ON h.run = e.run AND h.id = e.hook
    WHERE e.hook <> '' ORDER BY h.status, e.run DESC;
DROP TABLE resumes;
ALTER TABLE new_resumes RENAME TO resumes;

-- What the attempts of a step have told of its progress, packed. Like its input it is written alone: turns do not know it.
ALTER TABLE steps ADD COLUMN progress BLOB;

-- By when a step must begin and have its outcome, 0 for never; and when it is ended because nobody has it, which follows
-- from these and from who has it, so that what is overdue is found by one comparison.
ALTER TABLE steps ADD COLUMN start_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN close_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN gives_up_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX steps_giving_up ON steps (gives_up_at) WHERE gives_up_at > 0;

-- Who may run programs that came as text; and what each run of a tenant has used. What of an ended run is added up in its
-- tenant's row already stands in no number but kept, so that little is left to add up (folded).
CREATE TABLE tenants (
    name TEXT PRIMARY KEY,
    app  TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE usages (
    run      INTEGER PRIMARY KEY REFERENCES runs,
    tenant   TEXT NOT NULL,
    ended    INTEGER NOT NULL,
    folded   INTEGER NOT NULL,
    runs     INTEGER NOT NULL,
    cpu_us   INTEGER NOT NULL,
    steps    INTEGER NOT NULL,
    stored   INTEGER NOT NULL,
    snapshot INTEGER NOT NULL,
    kept     INTEGER NOT NULL
) STRICT;
CREATE INDEX usages_counted ON usages (tenant, ended) WHERE NOT folded;
