-- Reserved tokens go with their run, without a search.
CREATE INDEX reservations_run ON reservations (run);
