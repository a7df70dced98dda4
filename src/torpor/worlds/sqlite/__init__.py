"""
The SQLite world: one file, any number of processes.

::

    world.py       the contract, asynchronous: hands each operation to a connection thread and waits for it
    connection.py  a thread with a connection: writer.py commits what came together as one transaction, reader.py reads
    store.py       a connection with what every operation needs: numbers.py for texts, reading
    answers.py     what a store answers to the requests of an operation; changes.py stores what a rule decided
    queue.py       claiming; workers.py who lives, and what they bring
    streams.py     streams and their chunks
    queries.py     lists and counts for people, on a connection thread of their own
    rows.py        rows ↔ values; codes.py statuses and types as the integers that are stored
    schema.py      opening a file: what it must be, migrations; file.py whose it is, and whether it is still there
    watch.py       hearing that the file was written
    faults.py      SQLite's errors in our words
"""

from torpor.worlds.sqlite.world import SqliteWorld

__all__ = ["SqliteWorld"]
