CREATE TABLE labels (
    k    INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE events (
    k       INTEGER PRIMARY KEY,
    type    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    id      TEXT NOT NULL,
    op      INTEGER NOT NULL,
    digest  BLOB NOT NULL,
    name    TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    due     INTEGER NOT NULL,
    ref     TEXT NOT NULL,
    payload BLOB
) STRICT;
CREATE TABLE lines (
    run   INTEGER NOT NULL REFERENCES runs,
    n     INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    level TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshots (
    run    INTEGER PRIMARY KEY REFERENCES runs,
    cursor INTEGER NOT NULL,
    ops    INTEGER NOT NULL,
    logs   INTEGER NOT NULL,
    image  INTEGER NOT NULL REFERENCES labels,
    at     INTEGER NOT NULL,
    data   BLOB NOT NULL
) STRICT;
CREATE TABLE blobs (
    key  TEXT PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE workflows (
    k    INTEGER PRIMARY KEY,
    app  TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (app, name)
) STRICT;
CREATE TABLE kinds (
    k         INTEGER PRIMARY KEY,
    name      TEXT NOT NULL,
    signature TEXT NOT NULL,
    UNIQUE (name, signature)
) STRICT;
CREATE TABLE "runs" (
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
, starts_at INTEGER NOT NULL DEFAULT 0, deadline INTEGER NOT NULL DEFAULT 0, attributes TEXT NOT NULL DEFAULT '{}', sent INTEGER NOT NULL DEFAULT 0, received INTEGER NOT NULL DEFAULT 0, receiving TEXT NOT NULL DEFAULT '[]', cleanup_ms INTEGER NOT NULL DEFAULT 0, cleanup_steps INTEGER NOT NULL DEFAULT 0, cancel_by INTEGER NOT NULL DEFAULT 0, cancel_reason TEXT NOT NULL DEFAULT '', detached INTEGER NOT NULL DEFAULT 0, paused INTEGER NOT NULL DEFAULT 0, lane INTEGER REFERENCES lanes, key TEXT NOT NULL DEFAULT '', slot INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE "steps" (
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
    snoozed      TEXT NOT NULL, lane INTEGER REFERENCES lanes, key TEXT NOT NULL DEFAULT '', weight INTEGER NOT NULL DEFAULT 0, once INTEGER NOT NULL DEFAULT 0, progress BLOB, start_by INTEGER NOT NULL DEFAULT 0, close_by INTEGER NOT NULL DEFAULT 0, gives_up_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE "waits" (
    run INTEGER NOT NULL REFERENCES runs,
    id  TEXT NOT NULL,
    op  INTEGER NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE "hooks" (
    run        INTEGER NOT NULL REFERENCES runs,
    id         TEXT NOT NULL,
    op         INTEGER NOT NULL,
    token      TEXT NOT NULL,
    status     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    metadata   BLOB,
    watch      TEXT NOT NULL, retention_ms INTEGER NOT NULL DEFAULT 0, takes TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_worker ON runs (worker) WHERE worker IS NOT NULL;
CREATE INDEX runs_listed ON runs (workflow, status);
CREATE INDEX runs_key ON runs (key_id, status) WHERE key_id <> '';
CREATE INDEX runs_snoozed ON runs (latest_at) WHERE snoozed <> '' AND status < 2;
CREATE INDEX steps_worker ON steps (worker) WHERE worker IS NOT NULL;
CREATE UNIQUE INDEX hooks_token ON hooks (token) WHERE status = 0 AND watch = '';
CREATE INDEX hooks_live ON hooks (id) WHERE status = 0 AND watch = '';
CREATE INDEX hooks_watch ON hooks (watch) WHERE status = 0 AND watch <> '';
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
CREATE TABLE deployments (
    k          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    app        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX deployments_app ON deployments (app);
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
CREATE TRIGGER runs_deleted AFTER DELETE ON runs BEGIN
    DELETE FROM streams WHERE run = old.k;
END;
CREATE TRIGGER streams_deleted AFTER DELETE ON streams BEGIN
    DELETE FROM writers WHERE stream = old.k;
    DELETE FROM chunks WHERE k BETWEEN old.k << 32 AND old.k << 32 | 0xffffffff;
END;
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
CREATE TABLE "routes" (
    k        INTEGER PRIMARY KEY,
    app      TEXT NOT NULL,
    queue    TEXT NOT NULL,
    guest    TEXT NOT NULL,
    key_id   TEXT NOT NULL,
    priority TEXT NOT NULL,
    UNIQUE (app, queue, guest, key_id, priority)
) STRICT;
CREATE INDEX runs_deadline ON runs (deadline) WHERE deadline > 0 AND status < 2;
CREATE TABLE attributes (
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    run   INTEGER NOT NULL REFERENCES runs,
    PRIMARY KEY (name, value, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_parent ON runs (parent) WHERE parent <> '' AND status < 2;
CREATE INDEX runs_ended ON runs (workflow, ended_at) WHERE ended_at > 0;
CREATE INDEX attributes_run ON attributes (run);
CREATE TABLE lanes (
    k     INTEGER PRIMARY KEY,
    app   TEXT NOT NULL,
    queue TEXT NOT NULL,
    UNIQUE (app, queue)
) STRICT;
CREATE TABLE queues (
    app  TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (app, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_ready ON runs (route, ready_at, queued_at) WHERE ready_at IS NOT NULL AND worker IS NULL AND slot <> 1;
CREATE INDEX runs_waiting ON runs (route, key, ready_at, queued_at)
    WHERE slot = 1 AND worker IS NULL AND ready_at IS NOT NULL;
CREATE INDEX runs_holding ON runs (lane, key) WHERE slot > 1;
CREATE INDEX steps_ready ON steps (route, kind, ready_at, queued_at, run, seq, id, lane)
    WHERE ready_at IS NOT NULL AND lane IS NULL;
CREATE INDEX steps_waiting ON steps (route, key, ready_at, queued_at) WHERE ready_at IS NOT NULL AND lane IS NOT NULL;
CREATE INDEX steps_holding ON steps (lane, key) WHERE worker IS NOT NULL AND lane IS NOT NULL;
CREATE TABLE reservations (
    token TEXT PRIMARY KEY,
    run   INTEGER NOT NULL REFERENCES runs,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_until ON reservations (until);
CREATE INDEX reservations_run ON reservations (run);
CREATE TABLE "resumes" (
    run       INTEGER NOT NULL REFERENCES runs,
    token     TEXT NOT NULL,
    resume_id TEXT NOT NULL,
    PRIMARY KEY (run, token, resume_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX resumes_token ON "resumes" (token, resume_id) WHERE token <> '';
CREATE INDEX steps_giving_up ON steps (gives_up_at) WHERE gives_up_at > 0;
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
