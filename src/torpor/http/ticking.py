"""Ticks by HTTP, for platforms that start a server when it is asked something."""

from __future__ import annotations

import msgspec

from torpor.durations import milliseconds_at
from torpor.http.routing import Call, Router
from torpor.inspection.timestamps import iso

router = Router("ticks")


class TickQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long it works at most: seconds, or text such as ``50s``."""

    budget: str = "10s"


class Ticked(msgspec.Struct, frozen=True):
    """
    What a tick did.

    Attributes:
        runs: how many runs it advanced.
        next_at: when the next one is due, ISO 8601; null when only the outside can make a run go on.
        more: the budget was spent with work left.
    """

    runs: int
    next_at: str | None
    more: bool


@router.post("/tick", "work")
async def tick(call: Call, query: TickQuery) -> Ticked:
    """Work off what is ready, and tell when the next tick is due."""
    call.grant.require_whole()
    done = await call.service.tick(query.budget)
    return Ticked(done.runs, None if done.next_at is None else iso(milliseconds_at(done.next_at)), done.more)
