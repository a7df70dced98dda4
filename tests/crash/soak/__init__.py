"""
The soak: real workers on one file, a mixed population of runs, and everything that may befall a process.

::

    python -m tests.crash.soak --minutes 10 --seed 1

Workers are killed, frozen beyond their lease, robbed of descriptors and of memory, and the wall clock jumps by hours.
In the end no run may be lost, doubled or failed, and the ledger that steps write must agree with the logs. The dice are
seeded, the moments are the machine's.
"""
