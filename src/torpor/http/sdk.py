"""
What the World of the TypeScript Workflow SDK reads: runs, steps and events as the SDK has them.

``torpor-world`` (``js/world``) asks this, for the SDK's command line, its web UI and its API. Payloads are envelopes of
the codec, unopened and in base64: values of classes that only the project knows arrive as they were written. Those of
an encrypted run are opened for who may decrypt, else they come as they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from torpor import codec, limits
from torpor.engine.endings import read_ending
from torpor.errors import NotFoundError, TorporError
from torpor.http.problems import BadRequestError
from torpor.http.routing import Call, Router
from torpor.http.runs import known_run
from torpor.inspection.redaction import Redactor
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.limits import HTTP_WAIT_SECONDS_MAX
from torpor.model import Event, Run, RunFilter
from torpor.sdk_entities import (
    EventEntity,
    RunEntity,
    StepEntity,
    event_entity,
    event_id,
    run_entity,
    seq_of,
    step_entities,
)
from torpor.worlds.rules import steps_of

router = Router("sdk")

T = TypeVar("T")

PAGE_MAX: Final = 1_000
"""Of a page of the SDK."""

AT_ONCE: Final = 200
"""Of a page of the world."""

TURNED_MAX: Final = 2_000
"""How many there may be of what the world lists with the newest first, and somebody wants the other way round."""

_LOOKED_AT_MAX: Final = 10_000

Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]
Cursor = Annotated[str, msgspec.Meta(max_length=256)]
Resolve = Literal["all", "none"]


class UnknownEntityError(NotFoundError):
    """A run has no such step or event."""

    code = "ENTITY_NOT_FOUND"


class Page(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    """
    Some entities.

    Attributes:
        data: they.
        cursor: what ``cursor`` of the next page is; null where there was nothing.
        has_more: whether there are others behind them now.
    """

    data: list[T]
    cursor: str | None
    has_more: bool


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    Which part of a list.

    Attributes:
        cursor: of the page before.
        limit: how many at most.
        order: the first first (``asc``), or the last (``desc``).
        resolve: whether payloads are told.
    """

    cursor: Cursor = ""
    limit: Limit = 20
    order: Literal["asc", "desc"] = "desc"
    resolve: Resolve = "all"


class WhichRuns(Which, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    Which runs.

    Attributes:
        workflow: the full or the short name of their workflow.
        status: their states; may be repeated.
    """

    workflow: str | None = None
    status: list[RunStatus] = []


class WhichEvents(Which, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    Which events.

    Attributes:
        limit: how many at most; as many as one answer tells by default.
        correlation: only those that are about this step, wait or hook.
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=limits.HTTP_EVENTS_MAX)] = limits.HTTP_EVENTS_MAX
    order: Literal["asc", "desc"] = "asc"
    correlation: str = ""


class Whole(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    How much of it.

    Attributes:
        resolve: whether payloads are told.
    """

    resolve: Resolve = "all"


class Awaited(Whole, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    How much of a run, and when.

    Attributes:
        wait: seconds to wait for its end.
    """

    wait: Annotated[float, msgspec.Meta(ge=0, le=HTTP_WAIT_SECONDS_MAX)] = 0


# Runs


@router.get("/v1/sdk/runs", "read")
async def list_runs(call: Call, query: WhichRuns) -> Page[RunEntity]:
    """List runs as the Workflow SDK has them; the oldest first only where there are few enough to be turned round."""
    if query.order == "asc":
        every = await _matching(call, replace(query, cursor=""), TURNED_MAX + 1)
        found = turned(every, [run.id for run in every], query)
    else:
        found = await _matching(call, query, query.limit + 1)
    runs = found[: query.limit]
    entities = [await _run(call, run, query.resolve) for run in runs]
    return Page(entities, runs[-1].id if runs else None, len(found) > query.limit)


@router.get("/v1/sdk/runs/{run}", "read")
async def get_run(call: Call, query: Awaited) -> RunEntity:
    """Tell a run as the Workflow SDK has it; with ``wait`` once it has ended, or so many seconds are over."""
    client = call.service.client
    info = await known_run(call)
    if query.wait and info.status not in RUN_TERMINAL:
        await call.service.until_stopping(client.wait_ended(info.id), query.wait)
    return await _run(call, await client.world.get_run(info.id), query.resolve)


# Steps


@router.get("/v1/sdk/runs/{run}/steps", "read")
async def list_steps(call: Call, query: Which) -> Page[StepEntity]:
    """List the steps of a run as the Workflow SDK has them, in the order in which it asked for them."""
    steps = await _steps(call, with_data=query.resolve == "all")
    if query.order == "desc":
        steps.reverse()
    ids = [step.step_id for step in steps]
    begin = ids.index(query.cursor) + 1 if query.cursor in ids else 0
    found = steps[begin : begin + query.limit]
    return Page(found, found[-1].step_id if found else None, begin + query.limit < len(steps))


@router.get("/v1/sdk/runs/{run}/steps/{step}", "read")
async def get_step(call: Call, query: Whole) -> StepEntity:
    """Tell a step of a run as the Workflow SDK has it."""
    wanted = call.part("step")
    for step in await _steps(call, with_data=query.resolve == "all"):
        if step.step_id == wanted:
            return step
    raise UnknownEntityError(f"run {call.part('run')} has no step {wanted!r:.200}")


# Events


@router.get("/v1/sdk/runs/{run}/events", "read")
async def list_events(call: Call, query: WhichEvents) -> Page[EventEntity]:
    """
    List the events of a run's log as the Workflow SDK has them.

    What its log has no type for is a ``noop``, so that every event keeps its number.
    """
    run = await known(call)
    cursor = seq_of(query.cursor)
    if query.correlation:
        about = [event for event in await call.service.client.world.events(run.id) if event.id == query.correlation]
        if query.order == "desc":
            about.reverse()
        behind = [event for event in about if not cursor or (event.seq > cursor) == (query.order == "asc")]
        found, has_more = behind[: query.limit], len(behind) > query.limit
    else:
        found, has_more = await _part(call, run, cursor, query)
    told = opened(call, run, found)
    entities = [event_entity(run, event, with_data=query.resolve == "all") for event in told]
    return Page(entities, event_id(found[-1].seq) if found else None, has_more)


@router.get("/v1/sdk/runs/{run}/events/{event}", "read")
async def get_event(call: Call, query: Whole) -> EventEntity:
    """Tell an event of a run's log as the Workflow SDK has it."""
    run = await known(call)
    seq = seq_of(call.part("event"))
    found = await call.service.client.world.events(run.id, after=seq - 1, limit=1) if seq else []
    if not found or found[0].seq != seq:
        raise UnknownEntityError(f"run {run.id} has no event {call.part('event')!r:.200}")
    [told] = opened(call, run, found)
    return event_entity(run, told, with_data=query.resolve == "all")


# Reading


async def known(call: Call) -> Run:
    """Return the run that the path names, if the token is about it."""
    return await call.service.client.world.get_run((await known_run(call)).id)


async def _matching(call: Call, query: WhichRuns, most: int) -> list[Run]:
    """Return so many runs at most, newest first, from behind the cursor."""
    world, grant = call.service.client.world, call.grant
    wanted = {*query.status}
    [status] = wanted if len(wanted) == 1 else [None]
    found: list[Run] = []
    before, looked_at = query.cursor or None, 0
    while looked_at < _LOOKED_AT_MAX:
        size = min(most, AT_ONCE)
        page = await world.list_runs(RunFilter(status=status, workflow=query.workflow, before=before, limit=size))
        sound = [run for run in page if not run.damage and (not wanted or run.status in wanted)]
        found += [run for run in sound if grant.covers(run.workflow, run.queue)]
        if len(found) >= most or len(page) < size:
            break
        before, looked_at = page[-1].id, looked_at + len(page)
    return found[:most]


def turned(every: Sequence[T], ids: Sequence[str], query: Which) -> list[T]:
    """
    Return what is behind the cursor, the oldest first.

    Args:
        every: all that there are, newest first.
        ids: theirs.
        query: has the cursor.

    Raises:
        BadRequestError: there are too many.
    """
    if len(every) > TURNED_MAX:
        raise BadRequestError(f"order=asc: there are more than {TURNED_MAX}; list them with the newest first")
    end = ids.index(query.cursor) if query.cursor in ids else len(ids)
    return list(every[:end][::-1])


async def _run(call: Call, run: Run, resolve: Resolve) -> RunEntity:
    if resolve == "none":
        return run_entity(run)
    world = call.service.client.world
    first = await world.events(run.id, limit=1)
    last = [await read_ending(world, run)] if run.status in RUN_TERMINAL else []
    told = opened(call, run, [*first, *last])
    return run_entity(run, told[0] if first else None, told[-1] if last else None)


async def _steps(call: Call, *, with_data: bool) -> list[StepEntity]:
    run = await known(call)
    world = call.service.client.world
    events = await world.events(run.id)
    rows = () if run.status in RUN_TERMINAL else (await world.open_entities(run.id)).steps.values()
    steps = steps_of(run.id, events, rows)
    return step_entities(steps, opened(call, run, events) if with_data else events, with_data=with_data)


async def _part(call: Call, run: Run, cursor: int, query: WhichEvents) -> tuple[list[Event], bool]:
    """Return a part of a run's log, and whether there is more behind it."""
    world = call.service.client.world
    if query.order == "asc":
        found = await world.events(run.id, after=cursor, limit=query.limit)
        return found, bool(found) and found[-1].seq < run.head
    end = cursor - 1 if cursor else run.head
    begin = max(run.base, end - query.limit)
    found = await world.events(run.id, after=begin, limit=end - begin) if begin < end else []
    return found[::-1], begin > run.base


def opened(call: Call, run: Run, events: Iterable[Event]) -> list[Event]:
    """Return events of a run with payloads that the SDK reads: opened for who may decrypt, and not compressed then."""
    stored = list(events)
    call.secrets.add_run(run.id)
    opens = call.opens(run)
    told = Redactor(call.service.client.keyring, decrypt=opens).events(run, stored)
    if run.key_id and not opens:
        return [replace(event, payload=each.payload) for event, each in zip(told, stored, strict=True)]
    return [replace(event, payload=_unpacked(event.payload)) for event in told]


def _unpacked(payload: bytes | None) -> bytes | None:
    """Return an envelope that every version of the SDK, and of Node, can read."""
    if payload is None:
        return None
    try:
        return codec.unpack_devalue(payload).encode()
    except TorporError as error:
        return codec.dumps(f"unreadable: {error.code}: {error}")
