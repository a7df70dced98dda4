-- The deployment key that a run's payloads are encrypted with, '' for none, and the public half of the run's own key. The
-- seed of such a run is empty: it is derived from the key.
ALTER TABLE runs ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN public BLOB NOT NULL DEFAULT x'';

-- A worker asks for turns of the keys that it has, too.
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (guest, key, ready_at) WHERE ready_at IS NOT NULL AND claimed_by IS NULL;

-- Which keys are in use, and how much.
CREATE INDEX runs_key ON runs (key, status) WHERE key <> '';
