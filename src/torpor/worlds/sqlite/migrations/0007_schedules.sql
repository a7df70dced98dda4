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
