"""
What the World of the TypeScript Workflow SDK reads: runs, steps, events and hooks as the SDK has them.

``torpor-world`` (``js/world``) asks this, for the SDK's command line, its web UI and its API. Payloads are envelopes of
the codec, unopened and in base64: values of classes that only the project knows arrive as they were written. Those of
an encrypted run are opened for who may decrypt, else they come as they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from torpor import codec, limits
from torpor.engine.endings import read_ending
from torpor.errors import HookNotFoundError, NotFoundError, TorporError
from torpor.http.hooks import known_owner
from torpor.http.problems import BadRequestError
from torpor.http.routing import Call, Router
from torpor.http.runs import known_run
from torpor.inspection.redaction import Redactor
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.limits import HTTP_WAIT_SECONDS_MAX
from torpor.model import Event, Hook, Run, RunFilter
from torpor.sdk_entities import (
    EventEntity,
    HookEntity,
    RunEntity,
    StepEntity,
    event_entity,
    event_id,
    hook_entity,
    run_entity,
    seq_of,
    step_entities,
)
from torpor.worlds.rules import steps_of

router = Router("sdk")

T = TypeVar("T")

PAGE_MAX: Final = 1_000
"""Of a page of the SDK."""

_AT_ONCE: Final = 200
_LOOKED_AT_MAX: Final = 10_000
_BEHIND: Final = "~"
"""Behind an id there is nothing until the id with this at its end."""

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
    Which runs; they are listed with the newest first.

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
    """List runs as the Workflow SDK has them, newest first."""
    if query.order == "asc":
        raise BadRequestError("order=asc: runs are listed with the newest first, the others page by page behind them")
    found = await _matching(call, query)
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
    run = await _known(call)
    cursor = seq_of(query.cursor)
    if query.correlation:
        about = [event for event in await call.service.client.world.events(run.id) if event.id == query.correlation]
        if query.order == "desc":
            about.reverse()
        behind = [event for event in about if not cursor or (event.seq > cursor) == (query.order == "asc")]
        found, has_more = behind[: query.limit], len(behind) > query.limit
    else:
        found, has_more = await _part(call, run, cursor, query)
    told = _opened(call, run, found)
    entities = [event_entity(run, event, with_data=query.resolve == "all") for event in told]
    return Page(entities, event_id(found[-1].seq) if found else None, has_more)


@router.get("/v1/sdk/runs/{run}/events/{event}", "read")
async def get_event(call: Call, query: Whole) -> EventEntity:
    """Tell an event of a run's log as the Workflow SDK has it."""
    run = await _known(call)
    seq = seq_of(call.part("event"))
    found = await call.service.client.world.events(run.id, after=seq - 1, limit=1) if seq else []
    if not found or found[0].seq != seq:
        raise UnknownEntityError(f"run {run.id} has no event {call.part('event')!r:.200}")
    [told] = _opened(call, run, found)
    return event_entity(run, told, with_data=query.resolve == "all")


# Hooks


@router.get("/v1/sdk/hooks", "read")
async def list_hooks(call: Call, query: Which) -> Page[HookEntity]:
    """List live hooks as the Workflow SDK has them, newest first."""
    if query.order == "asc":
        raise BadRequestError("order=asc: hooks are listed with the newest first, but for those of a run")
    world, grant = call.service.client.world, call.grant
    found: list[tuple[Hook, Run]] = []
    before: str | None = query.cursor or None
    while len(found) <= query.limit:
        page = await world.live_hooks(limit=_AT_ONCE, before=before)
        runs = await world.statuses({hook.run_id for hook in page})
        known = [(hook, runs[hook.run_id]) for hook in page if hook.run_id in runs]
        found += [(hook, run) for hook, run in known if grant.covers(run.workflow, run.queue)]
        if len(page) < _AT_ONCE:
            break
        before = page[-1].id
    return _page_of_hooks(call, found, 0, query)


@router.get("/v1/sdk/runs/{run}/hooks", "read")
async def list_hooks_of_run(call: Call, query: Which) -> Page[HookEntity]:
    """List the live hooks of a run as the Workflow SDK has them."""
    run = await _known(call)
    rows = (await call.service.client.world.open_entities(run.id)).hooks.values()
    hooks = [(hook, run) for hook in rows if hook.status == "live" and not hook.watch]
    if query.order == "desc":
        hooks.reverse()
    ids = [hook.id for hook, _ in hooks]
    return _page_of_hooks(call, hooks, ids.index(query.cursor) + 1 if query.cursor in ids else 0, query)


@router.get("/v1/sdk/hooks/{hook}", "read")
async def get_hook(call: Call, query: Whole) -> HookEntity:
    """Tell a live hook as the Workflow SDK has it, by its id."""
    world, wanted = call.service.client.world, call.part("hook")
    for hook in await world.live_hooks(limit=_AT_ONCE, before=f"{wanted}{_BEHIND}"):
        if hook.id != wanted:
            break
        run = await world.get_run(hook.run_id)
        if call.grant.covers(run.workflow, run.queue):
            return _hook(call, hook, run, query.resolve)
    raise HookNotFoundError(f"no live hook that this token is about has the id {wanted!r:.200}")


@router.get("/v1/sdk/tokens/{token}", "read")
async def get_hook_by_token(call: Call, query: Whole) -> HookEntity:
    """Tell a live hook as the Workflow SDK has it, by the token that it is resumed by."""
    world = call.service.client.world
    await known_owner(call, call.part("token"))
    hook = await world.hook(call.part("token"))
    return _hook(call, hook, await world.get_run(hook.run_id), query.resolve)


# Reading


async def _known(call: Call) -> Run:
    """Return the run that the path names, if the token is about it."""
    return await call.service.client.world.get_run((await known_run(call)).id)


async def _matching(call: Call, query: WhichRuns) -> list[Run]:
    """Return the runs of a page, and the one behind them if there is one."""
    world, grant = call.service.client.world, call.grant
    wanted = {*query.status}
    [status] = wanted if len(wanted) == 1 else [None]
    found: list[Run] = []
    before, looked_at = query.cursor or None, 0
    while looked_at < _LOOKED_AT_MAX:
        where = RunFilter(status=status, workflow=query.workflow, before=before, limit=query.limit + 1)
        page = await world.list_runs(where)
        sound = [run for run in page if not run.damage and (not wanted or run.status in wanted)]
        found += [run for run in sound if grant.covers(run.workflow, run.queue)]
        if len(found) > query.limit or len(page) <= query.limit:
            break
        before, looked_at = page[-1].id, looked_at + len(page)
    return found[: query.limit + 1]


async def _run(call: Call, run: Run, resolve: Resolve) -> RunEntity:
    if resolve == "none":
        return run_entity(run)
    world = call.service.client.world
    first = await world.events(run.id, limit=1)
    last = [await read_ending(world, run)] if run.status in RUN_TERMINAL else []
    told = _opened(call, run, [*first, *last])
    return run_entity(run, told[0] if first else None, told[-1] if last else None)


async def _steps(call: Call, *, with_data: bool) -> list[StepEntity]:
    run = await _known(call)
    world = call.service.client.world
    events = await world.events(run.id)
    rows = () if run.status in RUN_TERMINAL else (await world.open_entities(run.id)).steps.values()
    steps = steps_of(run.id, events, rows)
    return step_entities(steps, _opened(call, run, events) if with_data else events, with_data=with_data)


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


def _page_of_hooks(call: Call, found: list[tuple[Hook, Run]], begin: int, query: Which) -> Page[HookEntity]:
    part = found[begin : begin + query.limit]
    hooks = [_hook(call, hook, run, query.resolve) for hook, run in part]
    return Page(hooks, hooks[-1].hook_id if hooks else None, begin + query.limit < len(found))


def _hook(call: Call, hook: Hook, run: Run, resolve: Resolve) -> HookEntity:
    call.secrets.add_hooks([hook.token])
    metadata = None
    if resolve == "all" and hook.metadata is not None:
        told = Event("hook_created", hook.created_at, hook.id, name=hook.token, payload=hook.metadata)
        metadata = _opened(call, run, [told])[0].payload
    return hook_entity(hook, run.workflow, metadata)


def _opened(call: Call, run: Run, events: Iterable[Event]) -> list[Event]:
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
