"""
The Postgres world: one database, any number of processes on any number of machines.

::

    world.py       the contract, asynchronous: hands each operation to a thread and waits for it
    pool.py        connections and the threads that use them; carries an operation out again when that may help
    together.py    operations that came together, as one transaction
    connection.py  a connection: transactions, and what becomes of them when it is lost
    wire.py        statements.py over a connection in one round trip; parameters.py how their values travel
    store.py       a connection with what every operation needs: numbers.py for routes, reading
    answers.py     what a store answers to the requests of an operation; changes.py stores what a rule decided
    queue.py       claiming; workers.py who lives, and what they bring; deadlines.py, flow.py queues with limits
    streams.py     streams and their chunks
    queries.py     lists and counts for people, on connections of their own
    rows.py        rows ↔ values
    times.py       the server's clock
    listening.py   telling other processes of changes, and hearing of theirs
    schema.py      migrations; url.py what a URL says; embedded.py a server of the process's own
    faults.py      the driver's errors: what they mean, and in our words
"""

from torpor.worlds.postgres.world import PostgresWorld

__all__ = ["PostgresWorld"]
