-- What the attempts of a step have told of its progress, packed. Like its input it is written alone: turns do not know it.
ALTER TABLE steps ADD COLUMN progress BLOB;
