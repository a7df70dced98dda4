-- Messages to runs: how many were sent, how many the run's code has received, and in which mailboxes it waits (JSON).
-- Their ids are kept in resumes, with an empty hook.
ALTER TABLE runs ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN received INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN receiving TEXT NOT NULL DEFAULT '[]';
