-- By when a step must begin and have its outcome, 0 for never; and when it is ended because nobody has it, which follows
-- from these and from who has it, so that what is overdue is found by one comparison.
ALTER TABLE steps ADD COLUMN start_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN close_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN gives_up_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX steps_giving_up ON steps (gives_up_at) WHERE gives_up_at > 0;
