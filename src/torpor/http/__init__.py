"""
The front door on HTTP: an ASGI application over a client, for whoever has no Python, or is elsewhere.

::

    routing.py      a route is one record: method, path, who may, what comes in and goes out
    auth.py         who asks: bearer tokens, their roles and scopes
    problems.py     errors as problem documents (RFC 9457)
    asgi.py         the routers put together
    one file a router beside

It needs the extra ``torpor[http]``. See docs/adr/0050.
"""
