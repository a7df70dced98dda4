"""What the cases run on: an application with the project, a worker, and its front door on loopback."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.sdk.step_worker import at_work, role_token
from torpor import Torpor
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.model import Runtime
from torpor.run_handle import RunHandle
from torpor.world import World

T = TypeVar("T")

SECONDS_MAX = 60.0
_LOOK_AGAIN_SECONDS = 0.05


async def until(world: World, look: Callable[[], Awaitable[T | None]]) -> T:
    """Return what a look finds, as soon as it finds something; it looks when the world has changed, and at times."""
    changed = asyncio.Event()
    leave = world.subscribe(lambda _: changed.set())
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while (found := await look()) is None:
                with suppress(TimeoutError):  # notices are hints
                    await asyncio.wait_for(changed.wait(), _LOOK_AGAIN_SECONDS)
                changed.clear()
            return found
    finally:
        leave()


class Setting:
    """
    An application that works on the project.

    Attributes:
        app: it.
        url: its front door.
        http: a client of it.
    """

    def __init__(self, app: Torpor, url: str, http: httpx.AsyncClient) -> None:
        self.app, self.url, self.http = app, url, http
        self._numbers = itertools.count(1)

    def fresh(self, what: str) -> str:
        """Return a token that nobody else has."""
        return f"{what}-{next(self._numbers)}"

    async def start(self, workflow: str, *args: Any) -> RunHandle[Any]:
        """Start a run."""
        return await self.app.start(workflow, *args)

    async def result(self, workflow: str, *args: Any) -> Any:
        """Return what a run of a workflow returns."""
        return await (await self.start(workflow, *args)).result(timeout=SECONDS_MAX)

    async def until(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """Return what a look finds, as soon as it finds something."""
        return await until(self.app.world, look)

    async def resume(self, token: str, payload: Any) -> None:
        """Give a hook a payload, once it is there."""
        await self.app.resume_hook(token, payload, wait=SECONDS_MAX)


@asynccontextmanager
async def setting(project: Path, world: str, runtime: Runtime, *, by_http: bool = False) -> AsyncIterator[Setting]:
    """Work on a project's runs, in a world, while the block runs; *by_http* has a step worker carry out their steps."""
    listening = listen("127.0.0.1", 0)
    url = url_of(listening)
    app = Torpor(world, root=project, runtime=runtime, url=url)
    app.sdk(".", env=["SDK_CASE_ALLOWED"], processes=0 if by_http else 1)
    service = Service(app)
    async with (
        app,
        app.worker(),
        serving(asgi(app, service=service), service, listening),
        httpx.AsyncClient(base_url=url, timeout=SECONDS_MAX) as http,
        at_work(project, url, await role_token(app.world, "steps")) if by_http else nullcontext(),
    ):
        yield Setting(app, url, http)


def now_ms() -> float:
    """Return the time that measures how long something takes, in milliseconds."""
    return time.perf_counter() * 1000
