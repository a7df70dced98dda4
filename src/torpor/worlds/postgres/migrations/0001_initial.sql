-- What belongs to a run has the run's id at the beginning of its key, and goes with it.
-- What is looked up in another way (the queue, leases, tokens, watchers, limits, attributes) has a small table for that:
-- an index of a large table would have to be kept whenever a row changes, and no update of it could stay within its page.
-- Texts are compared by their bytes, as Python compares them.

CREATE TABLE torpor.runs (
    -- facts
    id text COLLATE "C" PRIMARY KEY,
    n bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- order of creation
    workflow text COLLATE "C" NOT NULL,
    program text NOT NULL,
    guest text NOT NULL,
    runtime text NOT NULL,
    seed bytea NOT NULL,
    created_at bigint NOT NULL,
    parent text COLLATE "C" NOT NULL,
    root text NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    public bytea NOT NULL,
    app text COLLATE "C" NOT NULL,
    queue text NOT NULL,
    priority integer NOT NULL,
    starts_at bigint NOT NULL,
    detached boolean NOT NULL,
    key text NOT NULL,
    -- what changes now and then
    build text NOT NULL,
    status text NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    error_code text NOT NULL,
    base bigint NOT NULL,
    snoozes bigint NOT NULL,
    snoozed text NOT NULL,
    deadline bigint NOT NULL,
    attributes text NOT NULL, -- JSON
    paused boolean NOT NULL,
    sent bigint NOT NULL,
    received bigint NOT NULL,
    receiving text NOT NULL, -- JSON
    cleanup_ms bigint NOT NULL,
    cleanup_steps bigint NOT NULL,
    cancel_by bigint NOT NULL,
    cancel_reason text NOT NULL,
    -- what nearly every commit changes, side by side, so that little of a row goes to the write-ahead log
    head bigint NOT NULL,
    ops bigint NOT NULL,
    logs bigint NOT NULL,
    latest_at bigint NOT NULL,
    epoch bigint NOT NULL,
    ready_at bigint,
    queued_at bigint NOT NULL,
    worker text NOT NULL,
    redeliveries bigint NOT NULL,
    slot text NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX runs_listed ON torpor.runs (app, workflow, status, n);
CREATE INDEX runs_children ON torpor.runs (parent, n) WHERE parent <> '';
CREATE INDEX runs_deadline ON torpor.runs (deadline) WHERE deadline > 0 AND ended_at = 0;
CREATE INDEX runs_ended ON torpor.runs (app, workflow, ended_at) WHERE ended_at > 0;
CREATE INDEX runs_key ON torpor.runs (key_id, ended_at) WHERE key_id <> '';
CREATE INDEX runs_snoozed ON torpor.runs (n) WHERE snoozed <> '' AND ended_at = 0;

CREATE TABLE torpor.events (
    run text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    id text NOT NULL,
    op bigint NOT NULL,
    digest bytea NOT NULL,
    name text NOT NULL,
    attempt bigint NOT NULL,
    due bigint NOT NULL,
    ref text NOT NULL,
    payload bytea,
    PRIMARY KEY (run, seq)
);

CREATE TABLE torpor.snapshots (
    run text COLLATE "C" PRIMARY KEY,
    cursor bigint NOT NULL,
    ops bigint NOT NULL,
    logs bigint NOT NULL,
    image text NOT NULL,
    at bigint NOT NULL,
    data bytea NOT NULL -- compressed already
) WITH (fillfactor = 60);

CREATE TABLE torpor.steps (
    run text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    op bigint NOT NULL,
    seq bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    attempt bigint NOT NULL,
    failures bigint NOT NULL,
    started_at bigint NOT NULL,
    input bytea, -- NULL while the log has it
    signature text NOT NULL,
    task boolean NOT NULL,
    ready_at bigint,
    queued_at bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    redeliveries bigint NOT NULL,
    snoozed text NOT NULL,
    lane text COLLATE "C", -- name of its own queue, NULL for the one of its run
    key text COLLATE "C" NOT NULL,
    weight bigint NOT NULL,
    once boolean NOT NULL,
    start_by bigint NOT NULL,
    close_by bigint NOT NULL,
    progress bytea,
    gives_up_at bigint NOT NULL, -- follows from the others
    -- of tasks: where they wait
    app text COLLATE "C",
    route integer,
    n bigint,
    PRIMARY KEY (run, id)
) WITH (fillfactor = 80);
CREATE INDEX steps_ready ON torpor.steps (route, name, ready_at, queued_at, n, seq)
    WHERE ready_at IS NOT NULL AND lane IS NULL;
CREATE INDEX steps_waiting ON torpor.steps (route, key, queued_at, n, seq)
    WHERE ready_at IS NOT NULL AND lane IS NOT NULL;
CREATE INDEX steps_held ON torpor.steps (worker) WHERE worker <> '';
CREATE INDEX steps_slots ON torpor.steps (app, lane, key) WHERE worker <> '' AND lane IS NOT NULL;

CREATE INDEX steps_giving_up ON torpor.steps (gives_up_at) WHERE gives_up_at > 0;

CREATE TABLE torpor.waits (
    run text COLLATE "C" NOT NULL,
    id text NOT NULL,
    op bigint NOT NULL,
    due bigint NOT NULL,
    PRIMARY KEY (run, id)
);

CREATE TABLE torpor.hooks (
    run text COLLATE "C" NOT NULL,
    id text NOT NULL,
    op bigint NOT NULL,
    token text NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    metadata bytea,
    watch text NOT NULL,
    retention_ms bigint NOT NULL,
    takes text NOT NULL,
    PRIMARY KEY (run, id)
);

CREATE TABLE torpor.resumes ( -- ids under which tokens were resumed and runs were sent messages (token '' then)
    run text COLLATE "C" NOT NULL,
    token text NOT NULL,
    resume_id text NOT NULL,
    PRIMARY KEY (run, token, resume_id)
);
CREATE UNIQUE INDEX resumes_token ON torpor.resumes (token, resume_id) WHERE token <> '';

CREATE TABLE torpor.lines (
    run text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    at bigint NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (run, n)
);

CREATE TABLE torpor.attributes (
    run text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (run, name)
);
CREATE INDEX attributes_found ON torpor.attributes (name, value, n);

CREATE TABLE torpor.streams (
    run text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    type text NOT NULL,
    count bigint NOT NULL,
    size bigint NOT NULL,
    created_at bigint NOT NULL,
    written_at bigint NOT NULL,
    end_writer text,
    end_attempt bigint,
    end_n bigint,
    end_tag bytea,
    end_at bigint,
    PRIMARY KEY (run, name)
) WITH (fillfactor = 60);

CREATE TABLE torpor.writers (
    run text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    id text NOT NULL,
    attempt bigint NOT NULL,
    sent bigint NOT NULL,
    PRIMARY KEY (run, stream, id)
) WITH (fillfactor = 60);

CREATE TABLE torpor.chunks (
    run text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    index bigint NOT NULL,
    data bytea NOT NULL,
    tag bytea NOT NULL,
    writer text NOT NULL,
    attempt bigint NOT NULL,
    n bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (run, stream, index)
);

-- What is looked up otherwise

CREATE TABLE torpor.routes (
    k integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    guest text COLLATE "C" NOT NULL, -- '' for steps
    key_id text COLLATE "C" NOT NULL,
    priority integer NOT NULL,
    UNIQUE (app, queue, guest, key_id, priority)
);

CREATE TABLE torpor.turns ( -- the turn of each run that has not ended: where it waits, or who has it
    run text COLLATE "C" PRIMARY KEY,
    n bigint NOT NULL,
    route integer NOT NULL,
    app text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    ready_at bigint,
    queued_at bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    slot text NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX turns_ready ON torpor.turns (route, ready_at, queued_at, n)
    WHERE worker = '' AND ready_at IS NOT NULL AND slot <> 'waits';
CREATE INDEX turns_waiting ON torpor.turns (route, key, queued_at, n)
    WHERE worker = '' AND ready_at IS NOT NULL AND slot = 'waits';
CREATE INDEX turns_held ON torpor.turns (worker) WHERE worker <> '';
CREATE INDEX turns_slots ON torpor.turns (app, queue, key) WHERE slot IN ('holds', 'awake');

CREATE TABLE torpor.tokens ( -- of live hooks that await the outside world
    token text COLLATE "C" PRIMARY KEY,
    run text COLLATE "C" NOT NULL,
    hook text COLLATE "C" NOT NULL,
    n bigint NOT NULL
);
CREATE INDEX tokens_run ON torpor.tokens (run, hook);
CREATE INDEX tokens_listed ON torpor.tokens (hook, n);

CREATE TABLE torpor.watchers ( -- live hooks that watch a run
    watch text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    hook text NOT NULL,
    op bigint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (watch, run, hook)
);
CREATE INDEX watchers_run ON torpor.watchers (run, hook);

CREATE TABLE torpor.reservations (
    token text COLLATE "C" PRIMARY KEY,
    run text COLLATE "C" NOT NULL,
    until bigint NOT NULL
);
CREATE INDEX reservations_run ON torpor.reservations (run);
CREATE INDEX reservations_until ON torpor.reservations (until);

CREATE TABLE torpor.queues (
    app text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (app, name)
) WITH (fillfactor = 50);

CREATE TABLE torpor.schedules (
    app text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    wakes_at bigint,
    moved_at bigint NOT NULL,
    waits_for text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (app, name)
);

CREATE TABLE torpor.tenants (
    name text COLLATE "C" PRIMARY KEY,
    app text COLLATE "C" NOT NULL,
    body bytea NOT NULL
) WITH (fillfactor = 50);

-- What each run of a tenant has used. What of an ended run is added up in its tenant's row already stands in no number
-- but kept, so that little is left to add up (folded).
CREATE TABLE torpor.usages (
    run text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    ended boolean NOT NULL,
    folded boolean NOT NULL,
    runs bigint NOT NULL,
    cpu_us bigint NOT NULL,
    steps bigint NOT NULL,
    stored bigint NOT NULL,
    snapshot bigint NOT NULL,
    kept bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX usages_counted ON torpor.usages (tenant, ended) WHERE NOT folded;

CREATE TABLE torpor.workers (
    id text COLLATE "C" PRIMARY KEY,
    machine text NOT NULL,
    pid bigint NOT NULL,
    born bigint NOT NULL,
    lease_ms bigint NOT NULL,
    app text NOT NULL,
    deployment text NOT NULL,
    seen_at bigint NOT NULL,
    beat bigint NOT NULL,
    presence text NOT NULL,
    server text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE torpor.deployments (
    k bigint NOT NULL,
    id text COLLATE "C" PRIMARY KEY,
    app text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    body bytea NOT NULL
);

CREATE TABLE torpor.blobs (
    key text COLLATE "C" PRIMARY KEY,
    data bytea NOT NULL
);

-- What is compressed already, or is not worth it, is not compressed again.
ALTER TABLE torpor.snapshots ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE torpor.chunks ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE torpor.blobs ALTER COLUMN data SET STORAGE EXTERNAL;
