"""Statements go to the server and rows come back as they are, whatever their size, and whatever fails between."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.worlds.empty_postgres import server
from torpor.worlds.postgres import wire as wires
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.parameters import Blobs, Flags, Numbers, Texts
from torpor.worlds.postgres.statements import numbered
from torpor.worlds.postgres.url import parse

__all__ = ["server"]

_PREPARED = "SELECT count(*) FROM pg_prepared_statements"
_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_TEXTS = st.text(st.characters(codec="utf-8"))


@pytest.fixture(scope="module")
def connection(server: str) -> Iterator[Connection]:
    """A connection for all tests here."""
    made = Connection(parse(server))
    yield made
    made.drop()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.none() | _INTEGERS,
    text=st.none() | _TEXTS,
    data=st.none() | st.binary(),
    flag=st.none() | st.booleans(),
    share=st.none() | st.floats(allow_nan=False),
    texts=st.lists(_TEXTS),
    numbers=st.lists(_INTEGERS),
)
def test_values_come_back(connection: Connection, **sent: object) -> None:
    """Of every type that statements have, also in lists, with characters that Postgres lacks and with none."""
    [found] = connection.rows(
        "SELECT %s::bigint, %s::text, %s::bytea, %s::boolean, %s::float8, "
        "(SELECT string_agg(t, '.' ORDER BY n) FROM unnest(%s::text[]) WITH ORDINALITY a (t, n)), "
        "(SELECT string_agg(t::text, '.' ORDER BY n) FROM unnest(%s::bigint[]) WITH ORDINALITY a (t, n))",
        *sent.values(),
    )
    expected = [".".join(map(str, each)) if each else None for each in sent.values() if isinstance(each, list)]
    assert list(found) == [*list(sent.values())[:5], *expected]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*(st.none() | kind for kind in (_INTEGERS, _TEXTS, st.binary(), st.booleans()))), min_size=1))
def test_columns_come_back(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    """Of every type that columns have, also where nothing stands in them."""
    columns = [
        kind(values) for kind, values in zip((Numbers, Texts, Blobs, Flags), zip(*rows, strict=True), strict=True)
    ]
    query = "SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::boolean[])"
    assert connection.rows(query, *columns) == rows


def test_placeholders_have_names_or_places() -> None:
    """The same name is the same number, and two percent signs are one."""
    assert numbered("SELECT %s, %s, '%%'") == ("SELECT $1, $2, '%'", None)
    assert numbered("SELECT %(a)s, %(b)s, %(a)s") == ("SELECT $1, $2, $1", ("a", "b"))


def test_a_value_without_a_way_is_refused_before_anything_is_sent(connection: Connection) -> None:
    """What stands before it is not carried out either, and the connection goes on."""
    with pytest.raises(TypeError, match="dict"):
        connection.ask(("CREATE TABLE nowhere ()", ()), ("SELECT %s", ({},)))
    assert connection.rows("SELECT to_regclass('nowhere')::text") == [(None,)]


def test_much_goes_both_ways_at_once(connection: Connection) -> None:
    """More than all buffers hold: the server's answers are taken while the rest is sent."""
    data = bytes(range(256)) * 4096
    found = connection.ask(*[("SELECT %s::bytea", (data,))] * 24)
    assert found == [[(data,)]] * 24


def test_what_stands_behind_a_failure_is_prepared_later(connection: Connection) -> None:
    """The server has not seen it, so its name means nothing there."""
    for n in range(4):
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.ask(("SELECT 1 / %s", (0,)), (f"SELECT %s + {n // 2} AS behind", (n,)))
        assert connection.rows(f"SELECT %s + {n // 2} AS behind", n) == [(n + n // 2,)]


def test_a_failure_leaves_no_transaction_open(connection: Connection) -> None:
    """Neither one that statements of one moment have begun, nor one in which something was put off."""
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.ask_of_one_moment(("SELECT 1 / %s", (0,)))
    with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
        connection.put_off([("CREATE TABLE nowhere ()", ()), ("SELECT 1 / %s", (0,))])
    assert connection.rows("SELECT to_regclass('nowhere')::text") == [(None,)]


def test_what_comes_again_is_prepared_and_not_for_ever(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement is prepared when it comes a second time; when there are too many the server forgets them all."""
    monkeypatch.setattr(wires, "_SHAPES_MAX", 30)
    connection.drop()
    for n in range(20):
        assert connection.rows(f"SELECT {n}") == [(n,)]
    assert connection.rows(_PREPARED) == [(0,)]
    for n in range(20):
        assert connection.rows(f"SELECT {n}") == [(n,)]
    assert connection.rows(_PREPARED)[0][0] >= 20
    for n in range(200):
        assert connection.rows(f"SELECT {n}") == [(n,)]
        assert connection.rows(f"SELECT {n}") == [(n,)]
    assert connection.rows(_PREPARED)[0][0] <= 31


def test_nothing_is_prepared_behind_a_pooler(server: str) -> None:
    """As the URL says."""
    connection = Connection(replace(parse(server), prepare=False))
    for _ in range(3):
        assert connection.rows("SELECT %s::text", "x") == [("x",)]
    assert connection.rows(_PREPARED) == [(0,)]
    connection.drop()


def test_a_session_that_is_ended_says_why(server: str, connection: Connection) -> None:
    """The error is the server's own, and the next statement goes over a new connection."""
    other = Connection(parse(server))
    [(pid,)] = other.rows("SELECT pg_backend_pid()")
    connection.rows("SELECT pg_terminate_backend(%s::int)", pid)
    with pytest.raises(psycopg.OperationalError) as caught:
        other._wire.send([("SELECT pg_sleep(60)", ())])
    assert other.is_lost(caught.value)
    other.reset()
    assert other.rows("SELECT 1") == [(1,)]
    other.drop()
