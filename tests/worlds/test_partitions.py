"""The schema on Postgres may be divided by runs: each large table's key begins with the run."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.postgres_server import execute, server_url
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.schema import MIGRATIONS, migrate
from torpor.worlds.postgres.url import parse

SMALL: Final = {
    "blobs", "deployments", "migrations", "queues", "reservations", "routes", "schedules", "tenants", "tokens",
    "watchers", "workers",
}  # fmt: skip
"""Tables that have few rows, or one a run of a kind that is looked up otherwise; docs/scale.md says what of each."""

BY_ID: Final = {"runs": "id"}
"""The run's own table calls it so."""

_KEYS: Final = (
    "SELECT c.relname, a.attname, i.indisprimary FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
    "WHERE c.relnamespace = 'torpor'::regnamespace AND i.indisunique ORDER BY 1, 3 DESC"
)


@pytest.fixture
def scratch() -> Iterator[str]:
    """Yield the URL of a database of its own."""
    url, name = server_url(), f"torpor_partitions_{secrets.token_hex(4)}"
    execute(url, f"CREATE DATABASE {name}")
    yield re.sub(r"/postgres(?=\?|$)", f"/{name}", url)
    execute(url, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    connection = Connection(parse(url))
    try:
        yield connection
    finally:
        connection.drop()


def test_keys_of_large_tables_begin_with_the_run(scratch: str) -> None:
    """Two further unique indexes do not, which stand in the page; a new table has to choose."""
    with _connected(scratch) as connection:  # as whoever opens a world first does
        assert migrate(connection, scratch) == len(MIGRATIONS)
    keys = execute(scratch, _KEYS)
    primary = {table: column for table, column, is_primary in keys if is_primary and table not in SMALL}
    assert primary == {table: BY_ID.get(str(table), "run") for table in primary}
    assert {(table, column) for table, column, is_primary in keys if not is_primary and table not in SMALL} == {
        ("runs", "n"),
        ("resumes", "token"),
    }
