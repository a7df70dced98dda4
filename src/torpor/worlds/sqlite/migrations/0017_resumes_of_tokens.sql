-- The ids under which tokens were resumed and runs were sent messages (token '' then), as long as the run is kept. A resume
-- is recorded once for its token, also when the hook that received it is gone or another one has the token.
CREATE TABLE new_resumes (
    run       INTEGER NOT NULL REFERENCES runs,
    token     TEXT NOT NULL,
    resume_id TEXT NOT NULL,
    PRIMARY KEY (run, token, resume_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX resumes_token ON new_resumes (token, resume_id) WHERE token <> '';
INSERT INTO new_resumes SELECT run, '', resume_id FROM resumes WHERE hook = '';
-- A token may have been resumed under one id at several hooks till now; the live one's counts, or else the newest run's.
INSERT OR IGNORE INTO new_resumes
    SELECT e.run, h.token, e.resume_id FROM resumes e JOIN hooks h ON h.run = e.run AND h.id = e.hook
    WHERE e.hook <> '' ORDER BY h.status, e.run DESC;
DROP TABLE resumes;
ALTER TABLE new_resumes RENAME TO resumes;
