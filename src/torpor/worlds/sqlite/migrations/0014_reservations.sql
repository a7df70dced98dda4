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
