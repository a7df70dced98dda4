-- A run that is cancelled may clean up: for how long and with how many steps, and once it was asked, by when it ends and
-- why. Runs that are here already have guests that cannot be told, and end at once, as before.
ALTER TABLE runs ADD COLUMN cleanup_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cleanup_steps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cancel_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cancel_reason TEXT NOT NULL DEFAULT '';

-- A run is cancelled together with the one that started it, unless it is detached.
ALTER TABLE runs ADD COLUMN detached INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_parent ON runs (parent) WHERE parent <> '' AND status < 2;
