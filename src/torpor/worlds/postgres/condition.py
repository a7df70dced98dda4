"""In which condition a database is: settings, connections, dead rows, replication, what is in between, and clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
from msgspec.structs import replace

from torpor.clock import SystemClock
from torpor.worlds.condition import Condition, condition, size_text
from torpor.worlds.postgres import embedded
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.faults import failure_of
from torpor.worlds.postgres.schema import MIGRATIONS
from torpor.worlds.postgres.url import Settings, parse
from torpor.worlds.urls import shown

BESIDE_CONNECTIONS: Final = 3
"""Connections of a worker process beside those for its work: two for queries and one that listens."""

_DEAD_ROWS_NOTED: Final = 10_000
_DEAD_SHARE_NOTED: Final = 0.4
_OLD_MS: Final = 600_000
_AGE_NOTED, _AGE_FAILED = 1_000_000_000, 1_800_000_000
_LAG_NOTED: Final = 64 * 1024 * 1024
_KEPT_NOTED: Final = 1024 * 1024 * 1024
_STATEMENT_LEAST_MS: Final = 60_000
_OFFSET_NOTED_MS: Final = 1_000

_SETTINGS: Final = "SELECT name, setting, unit FROM pg_settings WHERE name = ANY(%s)"
_NAMES: Final = (
    "server_version", "fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names", "autovacuum",
    "statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout",
    "max_connections", "superuser_reserved_connections", "default_transaction_read_only",
)  # fmt: skip
_CONNECTIONS: Final = (
    "SELECT count(*), count(*) FILTER (WHERE application_name = 'torpor'), "
    "coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 * 1000 "
    "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_TABLES: Final = (
    "SELECT relname, n_live_tup, n_dead_tup, pg_total_relation_size(relid), "
    "coalesce(extract(epoch FROM now() - greatest(last_autovacuum, last_vacuum)), -1)::float8 * 1000 "
    "FROM pg_stat_user_tables WHERE schemaname = 'torpor' ORDER BY 4 DESC"
)
_REFUSED: Final = (
    "SELECT relname, string_agg(wanted, '/' ORDER BY wanted) FROM pg_class c, "
    "unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) wanted "
    "WHERE relnamespace = 'torpor'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'migrations' "
    "AND NOT has_table_privilege(c.oid, wanted) GROUP BY relname ORDER BY relname"
)
_AGE: Final = "SELECT age(datfrozenxid), pg_database_size(datname) FROM pg_database WHERE datname = current_database()"
_STANDBYS: Final = (
    "SELECT application_name, state, sync_state, "
    "coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint, "
    "coalesce(extract(epoch FROM replay_lag), 0)::float8 * 1000 FROM pg_stat_replication"
)
_SLOTS: Final = (
    "SELECT slot_name, active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint "
    "FROM pg_replication_slots"
)
_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8 * 1000, pg_backend_pid()"


def look(url: str) -> list[Condition]:
    """
    Answer :func:`torpor.worlds.conditions.conditions`.

    Raises:
        ConfigurationError: the server lets nobody in by this URL.
        WorldError: it cannot be reached, or refuses to tell.
    """
    settings = parse(url)
    if settings.folder:
        settings = replace(settings, server=embedded.start(settings.folder))
    connection = Connection(settings)
    try:
        connection.try_to_connect()
        known = {name: (value, unit) for name, value, unit in connection.rows(_SETTINGS, [*_NAMES])}
        parts: list[Callable[[], Condition]] = [
            lambda: _settings(known),
            lambda: _schema(connection),
            lambda: _connections(connection, known, settings),
            lambda: _rows(connection),
            lambda: _replication(connection, known),
            lambda: _between(connection, settings),
            lambda: _clock(connection),
        ]
        return [part() for part in parts]
    except psycopg.Error as error:
        raise failure_of(error, shown(url), "looking at the server") from error
    finally:
        connection.drop()


Known = dict[str, tuple[str, str | None]]
"""Settings of the server: value and unit, by name."""


def _settings(known: Known) -> Condition:
    values = {name: value for name, (value, _) in known.items()}
    facts: dict[str, Any] = {name: values[name] for name in values if name != "max_connections"}
    failed = [
        f"{name} is off: a crash of the machine may lose or damage what was stored"
        for name in ("fsync", "full_page_writes")
        if values[name] != "on"
    ]
    if values["autovacuum"] != "on":
        failed.append("autovacuum is off: tables grow without end")
    if values["default_transaction_read_only"] == "on":
        failed.append("transactions are read-only by default: is this a standby?")
    notes = []
    if values["synchronous_commit"] == "off":
        notes.append("synchronous_commit is off: a crash of the server may undo the newest commits")
    elif values["synchronous_commit"] == "local" and values["synchronous_standby_names"]:
        notes.append("synchronous_commit is local: a standby that takes over may lack the newest commits")
    for name, least in (
        ("statement_timeout", _STATEMENT_LEAST_MS),
        ("lock_timeout", _STATEMENT_LEAST_MS),
        ("idle_in_transaction_session_timeout", _STATEMENT_LEAST_MS),
    ):
        if 0 < int(values[name]) < least:
            notes.append(f"{name} is {values[name]} ms: maintenance may take longer; give this role {least} ms or 0")
    good = f"Postgres {values['server_version']}, fsync on, synchronous_commit={values['synchronous_commit']}"
    return condition("settings", good, facts, failed=failed, notes=notes)


def _schema(connection: Connection) -> Condition:
    [(number,)] = connection.rows("SELECT coalesce(max(number), 0) FROM torpor.migrations")
    refused: dict[str, str] = dict(connection.rows(_REFUSED))
    facts = {"version": number, "newest": len(MIGRATIONS), "refused": refused}
    failed = []
    if refused:
        told = ", ".join(f"{rights} on {name}" for name, rights in refused.items())
        failed.append(f"this role lacks {told}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA torpor")
    if number < len(MIGRATIONS):
        failed.append(f"{len(MIGRATIONS) - number} migrations are pending: torpor migrate")
    return condition("schema", f"version {number}, the newest; all tables may be used", facts, failed=failed, notes=[])


def _connections(connection: Connection, known: Known, settings: Settings) -> Condition:
    [(used, ours, oldest_ms)] = connection.rows(_CONNECTIONS)
    most = int(known["max_connections"][0]) - int(known["superuser_reserved_connections"][0])
    takes = settings.connections + BESIDE_CONNECTIONS
    more = max(0, most - used) // takes
    facts = {
        "most": most, "used": used, "ours": ours, "of_a_worker": takes, "more_workers": more,
        "oldest_transaction_ms": round(oldest_ms),
    }  # fmt: skip
    notes = []
    if not more:
        notes.append(
            f"{used} of {most} connections are taken, and a worker process takes {takes}: raise max_connections, lower "
            "connections= in the URL, or put PgBouncer in between"
        )
    if oldest_ms > _OLD_MS:
        notes.append(f"a transaction has been open for {oldest_ms / 60_000:.0f} minutes: no dead row can go meanwhile")
    good = f"{used} of {most} taken, {ours} by torpor; room for {more} more worker processes of {takes}"
    return condition("connections", good, facts, failed=[], notes=notes)


def _rows(connection: Connection) -> Condition:
    [(age, size)] = connection.rows(_AGE)
    tables = {
        name: {"live": live, "dead": dead, "bytes": its, "vacuumed_ms_ago": None if ago < 0 else round(ago)}
        for name, live, dead, its, ago in connection.rows(_TABLES)
    }
    ours = sum(table["bytes"] for table in tables.values())
    facts = {"bytes": ours, "database_bytes": size, "transaction_age": age, "tables": tables}
    notes = [
        f"{table['dead']} of {table['dead'] + table['live']} rows of {name} are dead: does autovacuum keep up?"
        for name, table in tables.items()
        if table["dead"] > max(_DEAD_ROWS_NOTED, _DEAD_SHARE_NOTED * (table["dead"] + table["live"]))
    ]
    failed = []
    if age > _AGE_FAILED:
        failed.append(f"the oldest transaction id is {age} transactions old; the server stops at 2 billion: VACUUM now")
    elif age > _AGE_NOTED:
        notes.append(f"the oldest transaction id is {age} transactions old; see why autovacuum does not freeze rows")
    largest = ", ".join(f"{name} {size_text(table['bytes'])}" for name, table in [*tables.items()][:3])
    good = f"{size_text(ours)}: {largest}; {sum(table['dead'] for table in tables.values())} dead rows"
    return condition("tables", good, facts, failed=failed, notes=notes)


def _replication(connection: Connection, known: Known) -> Condition:
    [(is_standby,)] = connection.rows("SELECT pg_is_in_recovery()")
    if is_standby:
        text = "this server is a standby, which takes no writes; add target_session_attrs=read-write to the URL"
        return Condition("replication", "failed", text, {"standby": True})
    standbys = [
        {"name": name, "state": state, "sync": sync, "lag_bytes": lag, "lag_ms": round(lag_ms)}
        for name, state, sync, lag, lag_ms in connection.rows(_STANDBYS)
    ]
    slots = [{"name": name, "active": active, "kept_bytes": kept} for name, active, kept in connection.rows(_SLOTS)]
    facts = {"standby": False, "standbys": standbys, "slots": slots}
    if any(each["state"] is None for each in standbys):
        text = "this role may not see how standbys do: GRANT pg_monitor TO it"
        return Condition("replication", "note", text, facts)
    failed = []
    if known["synchronous_standby_names"][0] and not any(each["sync"] in ("sync", "quorum") for each in standbys):
        failed.append("commits wait for a synchronous standby, and none is there: see synchronous_standby_names")
    notes = [
        f"standby {each['name']} is {size_text(each['lag_bytes'])} behind"
        for each in standbys
        if each["lag_bytes"] > _LAG_NOTED
    ]
    notes += [
        f"slot {each['name']} keeps {size_text(each['kept_bytes'])} of write-ahead log, and nobody reads it"
        for each in slots
        if not each["active"] and each["kept_bytes"] > _KEPT_NOTED
    ]
    told = ", ".join(f"{each['name']} ({each['sync']}, {each['lag_ms']} ms behind)" for each in standbys)
    return condition("replication", told or "no standby", facts, failed=failed, notes=notes)


def _between(connection: Connection, settings: Settings) -> Condition:
    """Look for a pooler: it gives its clients process ids that are no backend's."""
    [(_, backend)] = connection.rows(_NOW)
    is_pooled = connection.db.info.backend_pid != backend
    facts = {"pooler": is_pooled, "prepare": settings.prepare, "listen": settings.listen}
    if not is_pooled:
        return Condition("pooler", "ok", "nothing in between", facts)
    if settings.prepare or settings.listen:
        text = "a pooler is in between: if it pools transactions, add prepare=off&listen=off to the URL"
        return Condition("pooler", "note", text, facts)
    return Condition("pooler", "ok", "a pooler is in between, and the URL allows for it", facts)


def _clock(connection: Connection) -> Condition:
    clock = SystemClock()
    offsets = []
    for _ in range(3):
        before = time.perf_counter()
        at = clock.now()
        [(there, _)] = connection.rows(_NOW)
        trip_ms = (time.perf_counter() - before) * 1000
        offsets.append((trip_ms, there - at - trip_ms / 2))
    trip_ms, offset_ms = min(offsets)
    facts = {"offset_ms": round(offset_ms), "round_trip_ms": round(trip_ms, 2)}
    notes = []
    if abs(offset_ms) > _OFFSET_NOTED_MS:
        which = "ahead of" if offset_ms > 0 else "behind"
        notes.append(
            f"the server's clock is {abs(offset_ms) / 1000:.1f} s {which} this machine's, and what is due goes by it"
        )
    good = f"{abs(offset_ms):.0f} ms apart from this machine's; a round trip takes {trip_ms:.1f} ms"
    return condition("clock", good, facts, failed=[], notes=notes)
