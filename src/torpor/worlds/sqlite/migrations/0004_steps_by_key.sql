-- A worker asks for steps of the keys that it has, as for turns; steps of other keys may be many and are not looked
-- through. The order of claiming is that of the index, so that a claim reads no more steps than it takes.
ALTER TABLE steps ADD COLUMN key TEXT NOT NULL DEFAULT '';
UPDATE steps SET key = (SELECT key FROM runs WHERE k = steps.run) WHERE run IN (SELECT k FROM runs WHERE key <> '');
DROP INDEX steps_ready;
CREATE INDEX steps_ready ON steps (key, ready_at, run, seq) WHERE ready_at IS NOT NULL;
