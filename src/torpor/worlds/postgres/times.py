"""How the server is asked for its time; see :mod:`torpor.worlds.server_times`."""

from __future__ import annotations

from typing import Final

SERVER_NOW: Final = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
"""The server's time, as SQL."""

STARTED: Final = "extract(epoch FROM pg_postmaster_start_time())::text"
"""When the server was started, which tells it from others, and from what it was before; as SQL."""

LOCK_OF_PRESENCE: Final = "hashtextextended({}, 5)"
"""The lock of a process whose presence goes by a name, as SQL; see :mod:`torpor.worlds.presence`."""

ASK: Final = f"SELECT {SERVER_NOW}, floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint"
"""Asks for the server's time, and when it was started."""
