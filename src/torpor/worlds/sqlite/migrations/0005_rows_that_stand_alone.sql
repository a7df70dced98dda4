-- Rows that stand alone: what is open carries its facts, what has ended is read from the log, and a log may begin late.
-- Files of version 0.1.0 are carried over. Its workers are gone: what they had claimed is ready for anybody.

INSERT OR IGNORE INTO labels (text) VALUES (''); -- the build that version 0.1.0 did not know

-- A workflow of an application. Lists of runs are merged from one list for each.
CREATE TABLE workflows (
    k    INTEGER PRIMARY KEY,
    app  TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (app, name)
) STRICT;
INSERT INTO workflows (app, name) SELECT DISTINCT '', l.text FROM runs r JOIN labels l ON l.k = r.workflow;

-- What a claim matches. A run's turn has one, and its step tasks have another without a guest.
CREATE TABLE routes (
    k      INTEGER PRIMARY KEY,
    app    TEXT NOT NULL,
    queue  TEXT NOT NULL,
    guest  TEXT NOT NULL,
    key_id TEXT NOT NULL,
    UNIQUE (app, queue, guest, key_id)
) STRICT;
INSERT INTO routes (app, queue, guest, key_id)
    SELECT DISTINCT '', '', l.text, r.key FROM runs r JOIN labels l ON l.k = r.guest
    UNION SELECT '', '', '', key FROM runs;

-- A kind of step: its name, and what programs take its signature for.
CREATE TABLE kinds (
    k         INTEGER PRIMARY KEY,
    name      TEXT NOT NULL,
    signature TEXT NOT NULL,
    UNIQUE (name, signature)
) STRICT;
INSERT INTO kinds (name, signature)
    SELECT DISTINCT e.name, '' FROM steps s JOIN events e ON e.k = s.run << 32 | s.seq WHERE s.status < 3;

-- A run and its turn. ready_at is NULL when there is nothing to do, 0 for at once; worker is NULL when nobody has it.
CREATE TABLE new_runs (
    k            INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    workflow     INTEGER NOT NULL REFERENCES workflows,
    program      INTEGER NOT NULL REFERENCES labels,
    build        INTEGER NOT NULL REFERENCES labels,
    runtime      INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    seed         BLOB NOT NULL,
    key_id       TEXT NOT NULL,
    public       BLOB NOT NULL,
    parent       TEXT NOT NULL,
    root         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    error_code   TEXT NOT NULL,
    base         INTEGER NOT NULL, -- the log begins after it
    head         INTEGER NOT NULL,
    latest_at    INTEGER NOT NULL, -- of its events
    ops          INTEGER NOT NULL,
    logs         INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    route        INTEGER NOT NULL REFERENCES routes,
    ready_at     INTEGER,
    queued_at    INTEGER NOT NULL,
    worker       TEXT,
    redeliveries INTEGER NOT NULL,
    snoozes      INTEGER NOT NULL,
    snoozed      TEXT NOT NULL
) STRICT;
INSERT INTO new_runs
    SELECT r.k, r.id, w.k, r.program, unknown.k, r.runtime, r.status, r.seed, r.key, r.public, r.parent, r.root,
        r.created_at, r.started_at, r.ended_at, r.error_code, 0, r.head, r.latest_at, r.ops, r.logs,
        r.epoch + (r.claimed_by IS NOT NULL), t.k,
        iif(r.claimed_by IS NULL, r.ready_at, 0), iif(r.claimed_by IS NULL, ifnull(r.ready_at, 0), r.latest_at), NULL,
        r.deliveries, 0, ''
    FROM runs r
    JOIN labels workflow ON workflow.k = r.workflow
    JOIN labels guest ON guest.k = r.guest
    JOIN labels unknown ON unknown.text = ''
    JOIN workflows w ON w.app = '' AND w.name = workflow.text
    JOIN routes t ON t.app = '' AND t.queue = '' AND t.guest = guest.text AND t.key_id = r.key
    ORDER BY r.k;

-- Steps without an outcome, also those of runs that ended without one. A task is claimed apart from its run, and has a
-- route. input is NULL while the log has it at seq.
CREATE TABLE new_steps (
    run          INTEGER NOT NULL REFERENCES runs,
    id           TEXT NOT NULL,
    op           INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    kind         INTEGER NOT NULL REFERENCES kinds,
    status       INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER NOT NULL, -- of the newest attempt
    input        BLOB,
    task         INTEGER NOT NULL,
    route        INTEGER REFERENCES routes,
    ready_at     INTEGER,
    queued_at    INTEGER NOT NULL,
    worker       TEXT,
    epoch        INTEGER NOT NULL,
    redeliveries INTEGER NOT NULL,
    snoozed      TEXT NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_steps
    SELECT s.run, s.id, e.op, s.seq, kind.k, s.status, s.attempt, s.failures, e.at,
        ifnull((
            SELECT max(at) FROM events WHERE k > s.run << 32 | s.seq AND k < (s.run + 1) << 32 AND type = 6 AND id = s.id
        ), 0),
        NULL, s.task, iif(s.task, t.k, NULL),
        iif(s.claimed_by IS NULL, s.ready_at, 0), iif(s.claimed_by IS NULL, ifnull(s.ready_at, 0), r.latest_at), NULL,
        s.epoch + (s.claimed_by IS NOT NULL), s.deliveries, ''
    FROM steps s
    JOIN runs r ON r.k = s.run
    JOIN events e ON e.k = s.run << 32 | s.seq
    JOIN kinds kind ON kind.name = e.name AND kind.signature = ''
    JOIN routes t ON t.app = '' AND t.queue = '' AND t.guest = '' AND t.key_id = r.key
    WHERE s.status < 3 AND r.status <> 2;

-- Waits that have not ended. Version 0.1.0 let go of those that were open when a run failed or was cancelled.
CREATE TABLE new_waits (
    run INTEGER NOT NULL REFERENCES runs,
    id  TEXT NOT NULL,
    op  INTEGER NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_waits
    SELECT w.run, w.id, e.op, e.due FROM waits w JOIN events e ON e.k = w.run << 32 | w.seq WHERE w.status = 0;
INSERT INTO new_waits
    SELECT r.k, e.id, e.op, e.due
    FROM runs r CROSS JOIN events e ON e.k > r.k << 32 AND e.k < (r.k + 1) << 32 -- run by run, each along its log
    WHERE r.status > 2 AND +e.type = 10 AND NOT EXISTS (SELECT 1 FROM waits WHERE run = r.k AND id = e.id);

-- Hooks that are not disposed of. watch is the run whose end one awaits, '' when it awaits the outside world. Version
-- 0.1.0 disposed of all of a run at its end, which its log does not tell; and a hook that was told of an end (4) looked
-- like one that was not.
CREATE TABLE new_hooks (
    run        INTEGER NOT NULL REFERENCES runs,
    id         TEXT NOT NULL,
    op         INTEGER NOT NULL,
    token      TEXT NOT NULL,
    status     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    metadata   BLOB,
    watch      TEXT NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_hooks
    SELECT h.run, h.id, e.op, h.token,
        CASE
            WHEN r.status > 2 THEN 3
            WHEN h.watch IS NOT NULL AND EXISTS (
                SELECT 1 FROM events WHERE k > e.k AND k < (h.run + 1) << 32 AND type = 14 AND id = h.id
            ) THEN 4
            ELSE h.status
        END,
        e.at, e.payload, iif(h.watch IS NULL, '', e.ref)
    FROM hooks h JOIN runs r ON r.k = h.run JOIN events e ON e.k = h.run << 32 | h.seq
    WHERE r.status < 2 AND h.status <> 1 OR r.status > 2 AND NOT EXISTS (
        SELECT 1 FROM events WHERE k > h.run << 32 | h.seq AND k < (h.run + 1) << 32 AND type = 15 AND id = h.id
    );

-- Payloads that a hook has received, by the caller's id.
CREATE TABLE new_resumes (
    run       INTEGER NOT NULL,
    hook      TEXT NOT NULL,
    resume_id TEXT NOT NULL,
    PRIMARY KEY (run, hook, resume_id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_resumes
    SELECT h.run, h.id, e.resume_id FROM resumes e JOIN hooks h ON h.run = e.hook >> 32 AND h.seq = e.hook & 0xffffffff;

DROP TABLE resumes;
DROP TABLE hooks;
DROP TABLE waits;
DROP TABLE steps;
DROP TABLE runs;
DROP TABLE workers;
ALTER TABLE new_runs RENAME TO runs;
ALTER TABLE new_steps RENAME TO steps;
ALTER TABLE new_waits RENAME TO waits;
ALTER TABLE new_hooks RENAME TO hooks;
ALTER TABLE new_resumes RENAME TO resumes;

-- A claim reads what is ready at once (ready_at = 0) in the order of queued_at, and what is due in that of ready_at.
CREATE INDEX runs_ready ON runs (route, ready_at, queued_at) WHERE ready_at IS NOT NULL AND worker IS NULL;
CREATE INDEX runs_worker ON runs (worker) WHERE worker IS NOT NULL;
CREATE INDEX runs_listed ON runs (workflow, status);
CREATE INDEX runs_key ON runs (key_id, status) WHERE key_id <> '';
CREATE INDEX runs_snoozed ON runs (latest_at) WHERE snoozed <> '' AND status < 2;
CREATE INDEX steps_ready ON steps (route, kind, ready_at, queued_at, run, seq) WHERE ready_at IS NOT NULL;
CREATE INDEX steps_worker ON steps (worker) WHERE worker IS NOT NULL;
CREATE UNIQUE INDEX hooks_token ON hooks (token) WHERE status = 0 AND watch = '';
CREATE INDEX hooks_live ON hooks (id) WHERE status = 0 AND watch = '';
CREATE INDEX hooks_watch ON hooks (watch) WHERE status = 0 AND watch <> '';

-- beat is the time of the last heartbeat by a clock that does not jump, which tells nothing across a boot.
CREATE TABLE workers (
    id         TEXT PRIMARY KEY,
    machine    TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    born       INTEGER NOT NULL,
    lease_ms   INTEGER NOT NULL,
    app        TEXT NOT NULL,
    deployment TEXT NOT NULL,
    seen_at    INTEGER NOT NULL,
    boot       TEXT NOT NULL,
    beat       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What workers bring. The largest k of an application is its newest.
CREATE TABLE deployments (
    k          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    app        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX deployments_app ON deployments (app);
