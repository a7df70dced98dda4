"""What the tools of the server do: reading and acting on runs, as far as a grant goes; they know nothing of MCP."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from torpor.client import Client
from torpor.engine.deployments import find_workflow
from torpor.errors import HookNotFoundError, RunNotFoundError
from torpor.http.auth import Grant
from torpor.http.secrecy import Secrets
from torpor.http.views import event_item, run_item, run_view
from torpor.inspection.reading import Reader
from torpor.inspection.search import Search, search
from torpor.lifecycle import RunStatus
from torpor.mcp.answers import bounded
from torpor.run_info import RunInfo

PAGE_MAX: Final = 100

Answer = dict[str, Any]


class Tools:
    """
    The tools, for one caller.

    Args:
        client: of an open world.
        grant: what the caller may.
    """

    def __init__(self, client: Client, grant: Grant) -> None:
        self._client = client
        self._grant = grant
        self._secrets = Secrets()
        self._reader = Reader(client, decrypt=grant.decrypts)

    async def list_runs(
        self, status: RunStatus | None = None, workflow: str | None = None, before: str | None = None, limit: int = 20
    ) -> Answer:
        """List runs, newest first: their ids, workflows, statuses, and what they wait for."""
        grant = self._grant
        covers = None if grant.is_whole else lambda info: grant.covers(info.workflow, info.queue)
        wanted = Search(status=status, workflow=workflow, before=before, limit=_page(limit))
        found = await search(self._reader, wanted, covers)
        self._secrets.add_runs(found.runs)
        return await self._told({"runs": [run_item(info) for info in found.runs], "next": found.next})

    async def inspect_run(self, run: str) -> Answer:
        """Tell a run's input, its output or error, and what it waits for. The id may be shortened."""
        info = await self._known(run)
        [summary] = await self._reader.summaries([info])
        return await self._told({"run": run_view(summary)})

    async def show_events(self, run: str, after: int = 0, limit: int = 50) -> Answer:
        """List events of a run's log after one of them, in their order: what happened, and with which values."""
        info = await self._known(run)
        found = await self._reader.events(info.id, after=after, limit=_page(limit))
        return await self._told({"events": [event_item(each, info.created_at) for each in found], "head": info.head})

    async def show_stack(self, run: str) -> Answer:
        """Show where a sleeping Python run stands: its tasks, functions and lines, read from a copy of its VM."""
        info = await self._known(run)
        _, tasks = await self._reader.stack(info.id)
        return await self._told({"tasks": tasks})

    async def list_hooks(self, limit: int = 50) -> Answer:
        """List what waits for the outside world: tokens of hooks, their runs, and what is said of them."""
        found = await self._reader.hooks(limit=_page(limit))
        mine = [each for each in found if self._grant.is_whole or await self._covers(each.run_id)]
        self._secrets.add_hooks(each.token for each in mine)
        told = [
            {"token": each.token, "run": each.run_id, "workflow": each.workflow, "metadata": each.metadata}
            for each in mine
        ]
        return await self._told({"hooks": told})

    async def start_run(self, workflow: str, args: list[Any] | None = None, run_id: str | None = None) -> Answer:
        """Start a run of a deployed workflow with these arguments; a run_id of your own starts once however often."""
        found = await find_workflow(self._client.world, workflow, self._client.app)
        if not self._grant.covers(found.name, found.workflow.queue):
            raise RunNotFoundError(f"no workflow {workflow!r} that this grant is about")
        run = await self._client.start(found.name, *(args or []), run_id=run_id)
        return {"id": run.id}

    async def resume_hook(self, token: str, payload: Any = None) -> Answer:
        """Deliver a payload to the live hook with a token; list_hooks shows them."""
        hook = await self._client.get_hook(token)
        info = await hook.run.info()
        if not self._grant.covers(info.workflow, info.queue):
            raise HookNotFoundError(f"no live hook has the token {token!r:.100}")
        return {"id": (await self._client.resume_hook(hook, payload)).id}

    async def cancel_run(self, run: str, reason: str = "") -> Answer:
        """Cancel a run, and the runs that it has started; its code may clean up first."""
        info = await self._known(run)
        await self._client.run(info.id).cancel(reason)
        return {"id": info.id, "status": await self._client.run(info.id).status()}

    async def _covers(self, run_id: str) -> bool:
        info = await self._reader.info(run_id)
        return self._grant.covers(info.workflow, info.queue)

    async def _known(self, run: str) -> RunInfo:
        """
        Return a run that the grant is about.

        Raises:
            RunNotFoundError: there is none; who may not see a run does not learn of it.
        """
        info = await self._reader.info(await self._reader.find(run) if self._grant.is_whole else run)
        if not self._grant.covers(info.workflow, info.queue):
            raise RunNotFoundError(f"no run {run!r:.100} that this grant is about")
        self._secrets.add_run(info.id)
        return info

    async def _told(self, answer: Answer) -> Answer:
        """Return an answer in bounds; who may not act sees no tokens in it."""
        if "operate" in self._grant.roles:
            return bounded(answer)
        return bounded(await self._secrets.masked(answer, self._client.world))


class Tool(NamedTuple):
    """A tool: what does it, and which role that takes."""

    act: Callable[..., Coroutine[Any, Any, Answer]]
    role: str

    @property
    def name(self) -> str:
        """As callers know it."""
        return self.act.__name__


TOOLS: Final = (
    *(
        Tool(act, "read")
        for act in (Tools.list_runs, Tools.inspect_run, Tools.show_events, Tools.show_stack, Tools.list_hooks)
    ),
    *(Tool(act, "operate") for act in (Tools.start_run, Tools.resume_hook, Tools.cancel_run)),
)


def _page(limit: int) -> int:
    return max(1, min(limit, PAGE_MAX))
