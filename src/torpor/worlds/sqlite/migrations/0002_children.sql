-- The run that started this one, and the first of its line; ids, because no other run need be looked up to show them.
ALTER TABLE runs ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN root TEXT NOT NULL DEFAULT '';

-- A worker asks for turns of the guests that it has; runs of other guests may be many and are not looked through.
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (guest, ready_at) WHERE ready_at IS NOT NULL AND claimed_by IS NULL;

-- The run whose end a hook awaits, 0 when that run had ended before. NULL for hooks of the outside world, which alone
-- are found by their tokens.
ALTER TABLE hooks ADD COLUMN watch INTEGER;
DROP INDEX hooks_token;
CREATE UNIQUE INDEX hooks_token ON hooks (token) WHERE status = 0 AND watch IS NULL;
CREATE INDEX hooks_watch ON hooks (watch) WHERE status = 0 AND watch IS NOT NULL;
