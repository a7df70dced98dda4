"""Live hooks as the World of the TypeScript Workflow SDK has them."""

from __future__ import annotations

from typing import Final

from torpor.errors import HookNotFoundError
from torpor.http.hooks import known_owner
from torpor.http.routing import Call, Router
from torpor.http.sdk import AT_ONCE, TURNED_MAX, Page, Resolve, Which, Whole, known, opened, turned
from torpor.model import Event, Hook, Run
from torpor.sdk_entities import HookEntity, hook_entity

router = Router("sdk")

_BEHIND: Final = "~"
"""Behind an id there is nothing until the id with this at its end."""


@router.get("/v1/sdk/hooks", "read")
async def list_hooks(call: Call, query: Which) -> Page[HookEntity]:
    """List live hooks as the Workflow SDK has them; in the order of runs, see there."""
    if query.order == "asc":
        every = await _live(call, "", TURNED_MAX + 1)
        return _page_of_hooks(call, turned(every, [hook.id for hook, _ in every], query), query)
    return _page_of_hooks(call, await _live(call, query.cursor, query.limit + 1), query)


@router.get("/v1/sdk/runs/{run}/hooks", "read")
async def list_hooks_of_run(call: Call, query: Which) -> Page[HookEntity]:
    """List the live hooks of a run as the Workflow SDK has them."""
    run = await known(call)
    rows = (await call.service.client.world.open_entities(run.id)).hooks.values()
    hooks = [(hook, run) for hook in rows if hook.status == "live" and not hook.watch]
    if query.order == "desc":
        hooks.reverse()
    ids = [hook.id for hook, _ in hooks]
    return _page_of_hooks(call, hooks[ids.index(query.cursor) + 1 if query.cursor in ids else 0 :], query)


@router.get("/v1/sdk/hooks/{hook}", "read")
async def get_hook(call: Call, query: Whole) -> HookEntity:
    """Tell a live hook as the Workflow SDK has it, by its id."""
    world, wanted = call.service.client.world, call.part("hook")
    for hook in await world.live_hooks(limit=AT_ONCE, before=f"{wanted}{_BEHIND}"):
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


async def _live(call: Call, cursor: str, most: int) -> list[tuple[Hook, Run]]:
    """Return so many live hooks at most with their runs, newest first, from behind the cursor."""
    world, grant = call.service.client.world, call.grant
    found: list[tuple[Hook, Run]] = []
    before = cursor or None
    while len(found) < most:
        page = await world.live_hooks(limit=AT_ONCE, before=before)
        runs = await world.statuses({hook.run_id for hook in page})
        theirs = [(hook, runs[hook.run_id]) for hook in page if hook.run_id in runs]
        found += [(hook, run) for hook, run in theirs if grant.covers(run.workflow, run.queue)]
        if len(page) < AT_ONCE:
            break
        before = page[-1].id
    return found[:most]


def _page_of_hooks(call: Call, found: list[tuple[Hook, Run]], query: Which) -> Page[HookEntity]:
    hooks = [_hook(call, hook, run, query.resolve) for hook, run in found[: query.limit]]
    return Page(hooks, hooks[-1].hook_id if hooks else None, len(found) > query.limit)


def _hook(call: Call, hook: Hook, run: Run, resolve: Resolve) -> HookEntity:
    call.secrets.add_hooks([hook.token])
    metadata = None
    if resolve == "all" and hook.metadata is not None:
        told = Event("hook_created", hook.created_at, hook.id, name=hook.token, payload=hook.metadata)
        metadata = opened(call, run, [told])[0].payload
    return hook_entity(hook, run.workflow, metadata)
