-- Whether nothing of a run is to happen for now.
ALTER TABLE runs ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
