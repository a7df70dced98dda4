-- Streams, which steps write for others to read. A stream's chunk number n is stored under the key stream << 32 | n.
CREATE TABLE streams (
    k           INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES runs,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL, -- 'bytes', or '' for values
    count       INTEGER NOT NULL,
    size        INTEGER NOT NULL, -- bytes of all chunks
    created_at  INTEGER NOT NULL,
    written_at  INTEGER NOT NULL,
    end_writer  TEXT, -- who has closed it, NULL while it is open; the other columns of its end are 0 and empty then
    end_attempt INTEGER NOT NULL,
    end_n       INTEGER NOT NULL,
    end_tag     BLOB NOT NULL,
    end_at      INTEGER NOT NULL,
    UNIQUE (run, name)
) STRICT;

-- Who has written to a stream: steps, and others who hold it.
CREATE TABLE writers (
    k       INTEGER PRIMARY KEY,
    stream  INTEGER NOT NULL REFERENCES streams,
    id      TEXT NOT NULL,
    attempt INTEGER NOT NULL, -- the newest
    sent    INTEGER NOT NULL, -- chunks of that attempt
    UNIQUE (stream, id)
) STRICT;

CREATE TABLE chunks (
    k       INTEGER PRIMARY KEY,
    writer  INTEGER NOT NULL REFERENCES writers,
    attempt INTEGER NOT NULL,
    n       INTEGER NOT NULL, -- among those of the attempt
    at      INTEGER NOT NULL,
    tag     BLOB NOT NULL,
    data    BLOB NOT NULL
) STRICT;

-- Streams go with their run, whoever deletes it.
CREATE TRIGGER runs_deleted AFTER DELETE ON runs BEGIN
    DELETE FROM streams WHERE run = old.k;
END;
CREATE TRIGGER streams_deleted AFTER DELETE ON streams BEGIN
    DELETE FROM writers WHERE stream = old.k;
    DELETE FROM chunks WHERE k BETWEEN old.k << 32 AND old.k << 32 | 0xffffffff;
END;
