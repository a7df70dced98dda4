"""
The soak: real workers on one file, a mixed population of runs, and everything that may befall a process.

::

    python -m tests.crash.soak --minutes 10 --seed 1

Workers are killed, frozen beyond their lease, robbed of descriptors and of memory, and the wall clock jumps by hours.
With ``--world http`` they have the file behind the URL of a server, which is killed and frozen as well, and connections
are cut in the middle of whatever goes over them.

In the end no run may be lost, doubled or failed, and the ledger that steps write must agree with the logs. The dice are
seeded, the moments are the machine's.
"""
