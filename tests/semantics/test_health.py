"""The case healthCheck: a question that goes through the queue to a worker that works, and back; by HTTP too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.engine.support import TIMEOUT
from torpor import Torpor, WorkerSettings, open_world
from torpor.client import Client
from torpor.codec.crypto.keys import Keyring, generate
from torpor.errors import ArgumentError, UnhealthyError
from torpor.health import Health, check_health
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.http.tokens import Role, make_token
from torpor.inspection.soundness import find_damage
from torpor.world import World
from torpor.worlds.http import HttpWorld

SOON = 0.05
KEYS = Keyring([generate()])


@pytest.fixture(params=["memory", "file", "encrypted", "behind a URL"])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Torpor]:
    """An application of which nobody is at work, on each world."""
    kind = request.param
    url = "memory://" if kind == "memory" else f"sqlite:///{tmp_path}/torpor.db"
    async with Torpor(url, name="clinic", root=tmp_path, keys=KEYS if kind == "encrypted" else "") as near:
        if kind != "behind a URL":
            yield near
            return
        async with served(near, "work") as (url, token):
            far = cast(World, HttpWorld(url, token=token))
            async with near.on(far) as there:
                yield there


@asynccontextmanager
async def served(app: Torpor, role: Role) -> AsyncIterator[tuple[str, str]]:
    """Serve an application on loopback; yield the URL, and a token."""
    made = make_token(app.clock.now(), (role,))
    service, listening = Service(app), listen("127.0.0.1", 0)
    async with serving(asgi(app, tokens=[made.token], service=service), service, listening):
        yield url_of(listening), made.text


@asynccontextmanager
async def client_of(app: Torpor) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the application's server, who may operate."""
    async with served(app, "operate") as (url, token):
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
            yield client


async def test_health_check(app: Torpor) -> None:
    """The worker that took the question is told, by the queue and by HTTP; nothing of it stays."""
    async with app.worker() as worker, client_of(app) as http:
        for queue in ("", "mail"):
            found = await app.health(queue, timeout=TIMEOUT)
            assert (found.queue, found.worker, found.app) == (queue, worker.id, "clinic")
            assert found.deployment == worker.deployment_id
            told = await http.post("/v1/health", params={"queue": queue, "wait": 30})
            assert (told.status_code, told.json()["worker"]) == (200, worker.id)
        for path in ("/health", "/ready"):
            assert (await http.get(path)).json() == {"status": "ok"}
    assert await app.list_runs() == []
    assert [(info.held, info.waiting) for info in await app.queues.list()] in ([], [(0, 0)])


async def test_health_check_by_who_has_the_world_alone(app: Torpor) -> None:
    """A client of any application is answered by whoever is there."""
    async with app.worker() as worker:
        assert (await check_health(Client(app.world), timeout=TIMEOUT)).worker == worker.id


async def test_nobody_is_at_work(app: Torpor) -> None:
    """Which is said, with what helps; by HTTP as a problem, and the server itself is well."""
    with pytest.raises(UnhealthyError, match=r"application 'clinic' .* none is at work; start one with: torpor worker"):
        await app.health(timeout=SOON)
    async with client_of(app) as http:
        told = await http.post("/v1/health", params={"wait": SOON})
        assert (told.status_code, told.json()["code"]) == (503, "UNHEALTHY")
        assert (await http.get("/ready")).status_code == 200
    assert await app.list_runs() == []


async def test_a_worker_of_another_queue_is_none(tmp_path: Path) -> None:
    """That it lives is not enough: the message says that it does, and takes nothing here."""
    settings = WorkerSettings(queues=("letters",))
    async with Torpor("memory://", name="clinic", root=tmp_path, settings=settings) as app, app.worker():
        assert isinstance(await app.health("letters", timeout=TIMEOUT), Health)
        with pytest.raises(
            UnhealthyError,
            match=r"queue 'mail' .* 1 worker lives, and none took .* other queues; the queue has no limits",
        ):
            await app.health("mail", timeout=SOON)


async def test_a_worker_of_another_application_is_none(tmp_path: Path) -> None:
    """It leaves these runs alone, too."""
    async with Torpor("memory://", name="clinic", root=tmp_path) as app, app.worker():
        with pytest.raises(UnhealthyError, match="application 'shop'"):
            await check_health(Client(app.world, app="shop"), timeout=SOON)


async def test_a_full_queue_is_not_passed_by(tmp_path: Path) -> None:
    """The limits hold for the question, too; it does not wait behind those of lower priority, but it waits."""
    async with Torpor("memory://", name="clinic", root=tmp_path) as app, app.worker():
        await app.queues.set("mail", rate="1/h")
        await app.health("mail", timeout=TIMEOUT)
        with pytest.raises(UnhealthyError, match=r"1 worker lives, .*; the queue has 1/h, and 0 have a slot"):
            await app.health("mail", timeout=0.3)


async def test_who_asks_may_go_away(tmp_path: Path) -> None:
    """The question ends by itself when its asker has died: here by a deadline that passes before anybody comes."""
    url = f"sqlite:///{tmp_path}/torpor.db"
    async with Torpor(url, name="clinic", root=tmp_path) as app:
        asking = asyncio.create_task(app.health(timeout=TIMEOUT))
        while not (runs := await app.list_runs()):  # noqa: ASYNC110  # nobody tells of a start
            await asyncio.sleep(0)
        stored = await app.world.get_run(runs[0].id)
        assert stored.deadline <= app.clock.now() + TIMEOUT * 1000 + 5_000
        world = open_world(url)
        await world.open()
        assert await find_damage(world, app.keyring) == {}
        await world.close()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await app.list_runs() == []


async def test_a_timeout_that_is_none_is_refused(tmp_path: Path) -> None:
    """Before anything is stored."""
    async with Torpor("memory://", name="clinic", root=tmp_path) as app:
        with pytest.raises(ArgumentError, match="timeout"):
            await app.health(timeout="soon")
        assert await app.list_runs() == []
