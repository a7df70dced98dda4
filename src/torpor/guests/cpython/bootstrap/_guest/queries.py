"""Queries: functions that look at a copy of this run from outside, and what workflow code publishes for them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, TypeVar

from torpor.codec.guest import text_of, value_of
from torpor.codec.values import Kwargs
from torpor.errors import UsageError

from .program import workflow_of
from .run import run

F = TypeVar("F", bound=Callable[..., Any])

_queries: dict[str, list[Callable[..., Any]]] = {}
_published: dict[str, Any] = {}


def query(function: F) -> F:
    """Register a function as a query."""
    _queries.setdefault(function.__name__, []).append(function)
    return function


def state(**values: Any) -> dict[str, Any]:
    """
    Publish values under their names, for queries, and return all that are published.

    They are what they are, not copies: what is changed later is seen so.
    """
    _published.update(values)
    return dict(_published)


def answered(message: str) -> dict[str, str]:
    """Return the answer to a query, as :class:`torpor.vm.guest.Answer` has it; this run does not go on afterwards."""
    given = json.loads(message)
    run.phase = "queried"
    try:
        args = value_of(given["args"])
        keywords = args.pop() if args and isinstance(args[-1], Kwargs) else {}
        value = _found(given["name"])(*args, **keywords)
        if inspect.isawaitable(value):
            getattr(value, "close", bool)()
            raise UsageError(f"query {given['name']} is asynchronous, and a query cannot wait; write it with `def`")
        return {"value": text_of(value, f"the answer to query {given['name']}")}
    except BaseException as raised:  # noqa: BLE001  # whatever it is, whoever asks is told
        return {"error": _stored(raised)}


def _found(name: str) -> Callable[..., Any]:
    """
    Return the query of a name: of the workflow's own module, or the only one.

    Raises:
        UsageError: there is none, or there are several.
    """
    functions = _queries.get(name, [])
    own = [each for each in functions if each.__module__ == getattr(workflow_of(run.workflow), "__module__", "")]
    chosen = own or functions
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        modules = ", ".join(sorted(each.__module__ for each in chosen))
        raise UsageError(f"several modules have a query {name!r}: {modules}; give one of them another name")
    known = ", ".join(sorted(_queries)) or "none"
    raise UsageError(
        f"the program of this run has no query {name!r}; it has {known}. Decorate a function of the workflow's module "
        f"with @app.query; runs keep the program that they began with"
    )


def _stored(raised: BaseException) -> str:
    try:
        return text_of(raised)
    except Exception as problem:  # noqa: BLE001  # whatever its class does
        return text_of(UsageError(f"{type(raised).__name__}: {raised} (it cannot be stored: {problem})"))
