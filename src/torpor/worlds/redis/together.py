"""
Operations that came together: what they read first is one question, and what they store is one call.

Those of one run share a draft, in which each sees what those before it have drafted; each run's draft is a group of its
own, which is stored, or not, whatever becomes of the others. Who was too late begins anew with the others that were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import redis

from torpor.errors import DamagedError
from torpor.worlds import requests as ask
from torpor.worlds.notices import kinds_of, news_of
from torpor.worlds.redis.answers import TRIES_MAX, answer
from torpor.worlds.redis.store import Store
from torpor.worlds.requests import Apply, Operation, Part
from torpor.worlds.sharing import Shared

_AT_ONCE: Final = "given as its first answer"


class _Begun:
    """
    An operation that has begun.

    Attributes:
        conversation: in which it goes on.
        first: what it asks first; None when it was refused before it asked anything.
        refusal: by what.
        found: what was found of what it asks first, None if it was not asked yet.
    """

    def __init__(self, conversation: Operation[Any]) -> None:
        self.conversation = conversation
        self.first: ask.Request | None = None
        self.refusal: Exception | None = None
        self.found: Sequence[Any] | None = None
        try:
            self.first = next(conversation)
        except Exception as error:  # noqa: BLE001  # it is this one's alone
            self.refusal = error


class _SpoiltError(Exception):
    """An operation was refused that has left something in the draft."""


def carry_out(store: Store, shared: Sequence[Shared], told: Callable[[Exception, str], Exception]) -> None:
    """
    Carry operations out; each has its result or its error then, or is single.

    Args:
        store: where.
        shared: which.
        told: returns an error in our words, given what was being done.
    """
    waiting: dict[str, list[Shared]] = {}
    for each in shared:
        waiting.setdefault(each.run_id, []).append(each)
    store.shunned.clear()
    for tries in range(TRIES_MAX):
        try:
            try:
                drafted, groups = _draft_all(store, waiting, told, strict=tries > 0)
            finally:
                store.numbers = []  # later ones are of what is created later
                store.begin()
            waiting = drafted
            waiting = _too_late(store, drafted, groups)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait get it
            for each in _all(waiting):
                each.forget()
                each.error = _because(error, told(error, each.about))
            return
        if not waiting:
            return
        store.forget_origins(waiting)
    for each in _all(waiting):
        each.is_single = True


def _all(waiting: dict[str, list[Shared]]) -> list[Shared]:
    return [each for its in waiting.values() for each in its if not each.is_single]


def _draft_all(
    store: Store, waiting: dict[str, list[Shared]], told: Callable[[Exception, str], Exception], *, strict: bool
) -> tuple[dict[str, list[Shared]], list[list[Any]]]:
    """Return the operations that have come to an end, by run, and the groups of what they store."""
    begun = {each: _Begun(each.begin()) for each in _all(waiting)}
    _read_first(store, begun)
    drafted: dict[str, list[Shared]] = {}
    groups = []
    for run_id, all_of_it in waiting.items():
        while its := _all({run_id: all_of_it}):
            store.begin(strict=strict)
            try:
                for each in its:
                    _draft(store, each, begun.pop(each) if each in begun else _Begun(each.begin()), told)
            except _SpoiltError:
                continue  # without it
            drafted[run_id] = its
            groups.append(store.draft.group())
            break
    return drafted, groups


def _read_first(store: Store, begun: dict[Shared, _Begun]) -> None:
    """
    Ask for what operations want to know first, and for the numbers of runs that are created, in one round trip.

    Who would read what is damaged is single.
    """
    parts = [(each, its, its.first) for each, its in begun.items() if isinstance(its.first, Part)]
    asked = [store.asked_part(first) for _, _, first in parts]
    new = sum(isinstance(its.first, Apply) and its.first.changes.before is None for its in begun.values())
    commands = [command for its in asked for command in its]
    if new:
        commands.append(("INCRBY", store.keys.created, new))
    if not commands:
        return
    answers = store.connection.ask_each(*commands, together=True)
    if new:
        last = int(answers.pop())
        store.numbers = [*range(last, last - new, -1)]
    at = 0
    for (each, its, _), commands_of in zip(parts, asked, strict=True):
        its.found = answers[at : at + len(commands_of)]
        each.is_single = any(isinstance(answer, DamagedError) for answer in its.found)
        at += len(commands_of)


def _draft(store: Store, each: Shared, begun: _Begun, told: Callable[[Exception, str], Exception]) -> None:
    """
    Put into the draft what an operation stores.

    Raises:
        _SpoiltError: it was refused after it had put something there.
        redis.RedisError: of the driver.
    """
    each.forget()
    before = store.draft.size

    def answered(request: ask.Request) -> Any:
        if request is begun.first and begun.found is not None and isinstance(request, Part):
            return store.part(request, begun.found)
        return answer(store, request)

    try:
        if begun.refusal is not None:
            raise begun.refusal
        each.value, each.notice = ask.converse(begun.conversation, answered, first=begun.first)
    except redis.RedisError:
        raise
    except Exception as error:
        if store.draft.size > before:
            each.is_single = True
            raise _SpoiltError from error
        each.error = _because(error, told(error, each.about))


def _because(error: Exception, failure: Exception) -> Exception:
    if failure is not error:
        failure.__cause__ = error
    return failure


def _too_late(store: Store, drafted: dict[str, list[Shared]], groups: list[list[Any]]) -> dict[str, list[Shared]]:
    """
    Store groups; return the operations of those that do not rest on what is so any more.

    Those of a run of which something is damaged are single.
    """
    asked = [(run_id, group) for run_id, group in zip(drafted, groups, strict=True) if group != [0, 0]]
    if not asked:
        return {}
    notices = [each.notice for its in drafted.values() for each in its if each.notice is not None]
    kinds = {kind for notice in notices for kind in kinds_of(notice)}
    news = news_of(kinds, store.whose).encode() if kinds else b""
    stored = store.connection.store(store.keys.news, news, [group for _, group in asked])
    late = {}
    for (run_id, _), what in zip(asked, stored, strict=True):
        if what == "late":
            late[run_id] = drafted[run_id]
        elif what == "damaged":
            for each in drafted[run_id]:
                each.is_single = True
    return late
