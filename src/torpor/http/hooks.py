"""What waits for the outside world, and resuming it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from torpor.errors import HookNotFoundError
from torpor.http.routing import Call, Router
from torpor.http.views import RunItem, run_item
from torpor.inspection.search import PAGE_RUNS_MAX
from torpor.inspection.timestamps import iso
from torpor.limits import HTTP_WAIT_SECONDS_MAX
from torpor.run_info import RunInfo

router = Router("hooks")


class HookView(msgspec.Struct, frozen=True):
    """
    A hook that waits for the outside world.

    Attributes:
        token: what it is resumed by.
        metadata: what its creator says of it.
        run, workflow: whose.
        created_at: since when, ISO 8601.
        takes: class of its payloads, null for any.
        webhook: its address, as far as the application knows it; null for a plain hook.
    """

    token: str
    metadata: Any
    run: str
    workflow: str
    created_at: str | None
    takes: str | None
    webhook: str | None


class WhichHooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Which hooks.

    Attributes:
        workflow: only of runs of this one, by its full or short name.
        limit: how many at most.
    """

    workflow: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_RUNS_MAX)] = 50


class Resumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a hook is resumed.

    Attributes:
        resume_id: give the same one when you try again; the payload is then received once.
        wait: seconds to wait for a hook that is not there yet.
    """

    resume_id: str | None = None
    wait: Annotated[float, msgspec.Meta(ge=0, le=HTTP_WAIT_SECONDS_MAX)] | None = None


@router.get("/v1/hooks", "read")
async def list_hooks(call: Call, query: WhichHooks) -> list[HookView]:
    """List what waits for the outside world, newest first."""
    client, grant = call.service.client, call.grant
    most = query.limit if grant.is_whole else PAGE_RUNS_MAX
    found = await call.service.reader(decrypt=False).hooks(workflow=query.workflow, limit=most)
    runs = {} if grant.is_whole else await client.world.statuses({hook.run_id for hook in found})
    seen = [
        hook
        for hook in found
        if grant.is_whole or (hook.run_id in runs and grant.covers(runs[hook.run_id].workflow, runs[hook.run_id].queue))
    ]
    call.secrets.add_hooks(hook.token for hook in seen)
    return [
        HookView(
            hook.token,
            hook.metadata,
            hook.run_id,
            hook.workflow,
            iso(hook.created_at),
            hook.takes or None,
            hook.webhook or None,
        )
        for hook in seen[: query.limit]
    ]


@router.post("/v1/hooks/{token}", "operate", carries=True)
async def resume(call: Call, query: Resumption) -> RunItem:
    """Deliver the body to a live hook; it is stored durably before the run wakes, and before this answers."""
    client, token = call.service.client, call.part("token")
    payload = await call.value()
    if not call.grant.is_whole:
        await known_owner(call, token)  # and there is no waiting for a hook of whomever
    wait = query.wait if call.grant.is_whole else None
    run = await client.resume_hook(token, payload, resume_id=query.resume_id, wait=wait)
    return run_item(await run.info())


async def known_owner(call: Call, token: str) -> RunInfo:
    """
    Return the run whose hook has a token, if the caller's own token is about it.

    Raises:
        HookNotFoundError: no live hook has it, or the caller's token is not about its run.
    """
    hook = await call.service.client.get_hook(token)
    info = await hook.run.info()
    if not call.grant.covers(info.workflow, info.queue):
        raise HookNotFoundError(f"no live hook that this token is about has the token {token!r}")
    return info
