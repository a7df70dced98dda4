"""Looking through keys that belong to no run: foreign ones, those of another type, and those with what is not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec

from torpor.errors import DamagedError
from torpor.model import Deployment, WorkerRow
from torpor.model.flow import QueueState
from torpor.model.schedules import Schedule
from torpor.model.tenants import Tenant
from torpor.worlds.redis.keys import OF_RUN, SHARED, is_place
from torpor.worlds.redis.rows import routes_of, unpack
from torpor.worlds.redis.store import Store
from torpor.worlds.redis.workers import beat_of

_PAGE: Final = 500


def all_keys(store: Store) -> Iterator[tuple[bytes, str, bytes]]:
    """Yield the world's keys, each with its kind and what it is about."""
    prefix, cursor = store.keys.prefix, 0
    while True:
        cursor, some = store.connection.ask(("SCAN", cursor, "MATCH", prefix + b"*", "COUNT", _PAGE))[0]
        for key in some:
            kind, _, about = key.removeprefix(prefix).partition(b":")
            yield key, kind.decode(errors="replace"), about
        if not int(cursor):
            return


def damaged(store: Store) -> list[DamagedError]:
    """Return what is wrong with keys that belong to no run, and with the types of all."""
    found: list[DamagedError] = []
    page: list[tuple[bytes, str, bytes]] = []
    for each in all_keys(store):
        page.append(each)
        if len(page) >= _PAGE:
            found += _of(store, page)
            page = []
    return found + _of(store, page)


def _of(store: Store, page: list[tuple[bytes, str, bytes]]) -> list[DamagedError]:
    found = []
    kinds = store.connection.ask(*(("TYPE", key) for key, _, _ in page)) if page else []
    for (key, kind, _), is_kind in zip(page, kinds, strict=True):
        must = OF_RUN.get(kind) or SHARED.get(kind)
        if must is None:
            found.append(DamagedError(f"key {kind}", "Torpor has none of that name; it may be another's"))
        elif is_kind.decode() not in (must, "none"):
            row, run_id = store.keys.told(key)
            found.append(DamagedError(row, f"it is a {is_kind.decode()} instead of a {must}", run_id=run_id))
        elif kind in _CHECKS:
            with suppress(DamagedError):  # another key, which is named itself
                if problem := _CHECKS[kind](store, key):
                    found.append(DamagedError(f"key {kind}", problem))
    return found


def _members(what: str, is_one: Callable[[bytes], object]) -> Callable[[Store, bytes], str]:
    def check(store: Store, key: bytes) -> str:
        [members] = store.connection.ask(("ZRANGE", key, 0, -1))
        wrong = sum(not is_one(member) for member in members)
        return f"{wrong} of its {len(members)} members are no {what}; remove them: ZREM" if wrong else ""

    return check


def _values(what: str, kind: type[msgspec.Struct]) -> Callable[[Store, bytes], str]:
    def is_one(row: bytes) -> bool:
        try:
            unpack(row, kind, what)
        except DamagedError:
            return False
        return True

    return _fields(what, is_one)


def _fields(what: str, is_one: Callable[[bytes], object]) -> Callable[[Store, bytes], str]:
    def check(store: Store, key: bytes) -> str:
        [fields] = store.connection.ask(("HGETALL", key))
        wrong = [field.decode(errors="replace") for field, row in fields.items() if not is_one(row)]
        return f"its field {wrong[0]!r} is no {what}; remove it, and set it anew: HDEL" if wrong else ""

    return check


def _is_text(name: bytes) -> bool:
    return name.decode(errors="replace").encode() == name


def _created(store: Store, key: bytes) -> str:
    asked = ("GET", key), ("ZREVRANGE", store.keys.runs, 0, 0, "WITHSCORES")
    found, newest = store.connection.ask_of_one_moment(*asked)  # a run may begin in between
    least = int(float(newest[1])) if newest else 0
    if found is None or (found.isdigit() and int(found) >= least):
        return ""
    return f"it says {found!r}, and runs have numbers up to {least}; set it to {least + 1_000}: SET"


def _format(store: Store, key: bytes) -> str:
    [found] = store.connection.ask(("GET", key))
    return "" if found is None or found.isdigit() else f"it says {found!r}, which is no format"


_runs: Final = _members("ids of runs", _is_text)
_places: Final = _members("places in a queue", is_place)
_CHECKS: Final[dict[str, Callable[[Store, bytes], Any]]] = {
    "format": _format,
    "created": _created,
    "runs": _runs,
    "ids": _runs,
    "ended": _runs,
    "status": _runs,
    "deadlines": _runs,
    "giving-up": _runs,
    "keys": _members("keys of a queue", _is_text),
    "routes": _members("routes", lambda packed: routes_of([packed])),
    "ready": _places,
    "later": _places,
    "deployments": _values("deployment", Deployment),
    "workers": _values("worker", WorkerRow),
    "schedules": _values("schedule", Schedule),
    "tenants": _values("tenant", Tenant),
    "queues": _values("queue", QueueState),
    "beats": _fields("sign of life", lambda stored: beat_of(stored) != [b"0", b"0"]),
    "tokens": _fields("hook", _is_text),
    "resumed": _fields("run", _is_text),
}
