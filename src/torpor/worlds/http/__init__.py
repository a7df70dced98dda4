"""
A world behind a URL: whoever has a token works on its runs, or looks at them, without the database and its password.

::

    contract.py     what crosses the border: each method of the world is one request; who may; which versions fit
    faults.py       errors as they travel
    frames.py       notices as they travel
    connection.py   one request: tried again until it is known to be answered
    listening.py    the connection on which notices come
    clock.py        the server's time
    world.py        the world

The other end is :mod:`torpor.http.remote`. See docs/adr/0055 and docs/remote.md.
"""

from torpor.worlds.http.world import HttpWorld

__all__ = ["HttpWorld"]
