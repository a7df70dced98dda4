-- What is kept for how long: runs in the order in which they ended, and a run's attributes without a search.
CREATE INDEX runs_ended ON runs (workflow, ended_at) WHERE ended_at > 0;
CREATE INDEX attributes_run ON attributes (run);
