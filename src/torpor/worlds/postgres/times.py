"""How the server is asked for its time; see :mod:`torpor.worlds.server_times`."""

from __future__ import annotations

from typing import Final

SERVER_NOW: Final = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
"""The server's time, as SQL."""

ASK: Final = f"SELECT {SERVER_NOW}, floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint"
"""Asks for the server's time, and when it was started."""
