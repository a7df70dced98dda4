"""
The SQLite world: one file, any number of processes.

::

    world.py       the contract, asynchronous: hands each operation to a connection thread and waits for it
    connection.py  a thread with a connection: writer.py commits what came together as one transaction, reader.py reads
    store.py       a connection with what every operation needs
    draft.py       one change to one run: events, and the rows that they change
    turns.py queue.py runs.py hooks.py blobs.py      the operations, as plain functions of a store
    codes.py       statuses and types as the integers that are stored
    schema.py      opening a file: what it must be, migrations
    faults.py      SQLite's errors in our words
"""

from torpor.worlds.sqlite.world import SqliteWorld

__all__ = ["SqliteWorld"]
