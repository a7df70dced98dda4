"""
What is shown of runs: typed, redacted, decrypted on demand, and never the seed.

The command line reads runs through this room alone, and so will everything else that shows them.

::

    reading.py      all that is read from a world
    redaction.py    what of encrypted runs may be seen
    readable.py     stored payloads as JSON data
    history.py      what became of each step, wait and hook
    details.py      one run, as far as it can be read
    streams.py      what is in its streams
    timeline.py     its history as rows in the order of time
    describe.py     what happens, as lines, while it happens
    parked.py       a copy of a parked run's VM
    timestamps.py   times, spans and sizes as text
"""
