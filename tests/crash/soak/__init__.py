"""
The soak: real workers on one world, a mixed population of runs, and everything that may befall a process.

::

    python -m tests.crash.soak --minutes 10 --seed 1 --world postgres

Workers are killed, frozen beyond their lease, robbed of descriptors and of memory; clocks jump, all at once or one
beside the others; notifications come late and twice; and in the first round the application's next version is
deployed, so that two of them are at work. What their world is in is tormented too: with ``--world http`` they have a
file behind the URL of a server, which is killed and frozen, and connections are cut in the middle of whatever goes over
them; with ``--world postgres`` a database server ends connections, stands still, restarts, crashes, and is replaced by
a standby.

In the end no run may be lost, doubled or failed, nothing may be left behind, and the ledger that steps write must agree
with the logs. The dice are seeded, the moments are the machine's.
"""
