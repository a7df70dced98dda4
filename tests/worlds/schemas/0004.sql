CREATE TABLE labels (
    k    INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE runs (
    k          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    workflow   INTEGER NOT NULL REFERENCES labels,
    program    INTEGER NOT NULL REFERENCES labels,
    guest      INTEGER NOT NULL REFERENCES labels,
    runtime    INTEGER NOT NULL,
    status     INTEGER NOT NULL,
    seed       BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL DEFAULT 0,
    ended_at   INTEGER NOT NULL DEFAULT 0,
    error_code TEXT NOT NULL DEFAULT '',
    head       INTEGER NOT NULL,
    latest_at  INTEGER NOT NULL, -- of its events
    ops        INTEGER NOT NULL DEFAULT 0,
    logs       INTEGER NOT NULL DEFAULT 0,
    epoch      INTEGER NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0,
    ready_at   INTEGER,
    claimed_by TEXT
, parent TEXT NOT NULL DEFAULT '', root TEXT NOT NULL DEFAULT '', key TEXT NOT NULL DEFAULT '', public BLOB NOT NULL DEFAULT x'') STRICT;
CREATE INDEX runs_claimed ON runs (claimed_by) WHERE claimed_by IS NOT NULL;
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
CREATE TABLE steps (
    run        INTEGER NOT NULL REFERENCES runs,
    id         TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    status     INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    failures   INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    task       INTEGER NOT NULL DEFAULT 0,
    epoch      INTEGER NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0,
    ready_at   INTEGER,
    claimed_by TEXT, key TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX steps_open ON steps (run, task) WHERE status < 3;
CREATE INDEX steps_claimed ON steps (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE TABLE waits (
    run    INTEGER NOT NULL REFERENCES runs,
    id     TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    status INTEGER NOT NULL,
    due    INTEGER NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX waits_open ON waits (run, due) WHERE status = 0;
CREATE TABLE hooks (
    run    INTEGER NOT NULL REFERENCES runs,
    id     TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    status INTEGER NOT NULL,
    token  TEXT NOT NULL, watch INTEGER,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX hooks_open ON hooks (run) WHERE status = 0;
CREATE TABLE resumes (
    hook      INTEGER NOT NULL,
    resume_id TEXT NOT NULL,
    PRIMARY KEY (hook, resume_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE workers (
    id      TEXT PRIMARY KEY,
    machine TEXT NOT NULL,
    pid     INTEGER NOT NULL,
    born    INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE blobs (
    key  TEXT PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX hooks_token ON hooks (token) WHERE status = 0 AND watch IS NULL;
CREATE INDEX hooks_watch ON hooks (watch) WHERE status = 0 AND watch IS NOT NULL;
CREATE INDEX runs_ready ON runs (guest, key, ready_at) WHERE ready_at IS NOT NULL AND claimed_by IS NULL;
CREATE INDEX runs_key ON runs (key, status) WHERE key <> '';
CREATE INDEX steps_ready ON steps (key, ready_at, run, seq) WHERE ready_at IS NOT NULL;
