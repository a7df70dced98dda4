-- A step whose newest attempt must not be made again when nobody knows how it ended: it is blocked then (status 3).
ALTER TABLE steps ADD COLUMN once INTEGER NOT NULL DEFAULT 0;
