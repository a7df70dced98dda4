"""Steps that another service carries out, by TLS, while either side dies, and when nobody wants them any more."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.engine.support import until
from tests.http import distant
from tests.http.certificates import Authority
from tests.http.distant import app as application
from tests.http.serving import Server
from tests.http.tls import by_tls
from torpor import RunHandle, Torpor
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.signing import check_signed, signed_headers

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT = 60
SECRET = "between the two"  # of the tests


class Distant:
    """
    The distant service: takes what it is asked, and answers as the test says.

    Attributes:
        answer: to a request, given its body.
        asked: bodies, in their order.
        left: is set once somebody who asked has left without an answer.
    """

    def __init__(self) -> None:
        self.answer: Callable[[Request], Awaitable[Response]] = self.accept
        self.asked: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        self.routes = [Route(path, self._take, methods=["POST"]) for path in ("/ask", "/tls")]

    async def accept(self, _: Request) -> Response:
        """Answer that it takes longer."""
        return Response(status_code=202)

    async def tell(self, _: Request) -> Response:
        """Answer at once."""
        return JSONResponse({"result": "done"})

    async def hang(self, request: Request) -> Response:
        """Answer never."""
        while not await request.is_disconnected():  # noqa: ASYNC110  # it is asked for
            await asyncio.sleep(0.01)
        self.left.set()
        return Response()

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        check_signed(SECRET, request.headers, body, application.clock.now())
        self.asked.append(json.loads(body))
        return await self.answer(request)


class World:
    """The application with a worker and a server, the distant service by HTTP and by TLS, and a client."""

    def __init__(self, app: Torpor, service: Distant, there: str, http: httpx.AsyncClient) -> None:
        self.app, self.service, self.there, self.http = app, service, there, http

    async def lacks(self, run: RunHandle) -> str:
        """Return why a run's step is left to other workers, once it is."""

        async def told() -> str:
            left = [event.payload for event in await run.events() if event.type == "step_retrying"]
            return str(self.app.keyring.run(run.id, "").loads(left[-1])) if left and left[-1] else ""

        return str(await until(self.app, told))

    async def callback(self, run: RunHandle) -> str:
        """Return where a run is called back, once it waits for that."""

        async def blocked() -> bool:
            return bool((await run.info()).blocked)

        await until(self.app, blocked)
        return next(str(asked["callback"]) for asked in self.service.asked if asked["run"] == run.id)

    async def call(self, callback: str, result: Any = "told", *, at: int = 0) -> int:
        """Call back, and return the status."""
        body = json.dumps({"result": result}).encode()
        headers = signed_headers(SECRET, callback.rpartition("/")[2], body, at or self.app.clock.now())
        return (await self.http.post(callback, content=body, headers=headers)).status_code


class Certificates:
    """Whom the service is trusted by, who it trusts, and two who nobody knows."""

    def __init__(self, folder: Path) -> None:
        self.trusted = Authority(folder, "trusted")
        self.stranger = Authority(folder, "stranger")
        self.own = self.trusted.issue("client")
        self.service = self.trusted.issue("service")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> AsyncIterator[World]:
    """All of it on loopback."""
    application.use_world(f"sqlite:///{tmp_path_factory.mktemp('distant')}/torpor.db")
    steps, before, service = application.names._steps, dict(application.names._steps), Service(application)
    distant_one = Distant()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"TORPOR_STEPS_SECRET": SECRET, "NO_PROXY": "127.0.0.1"}.items():
            patch.setenv(name, value)
        listening, front = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
        async with (
            serving(Starlette(routes=distant_one.routes), Service(application), listening),
            by_tls(
                Starlette(routes=distant_one.routes),
                certificates.service,
                ssl_ca_certs=str(certificates.trusted.file),
                ssl_cert_reqs=ssl.CERT_REQUIRED,
            ) as safe,
            serving(asgi(application, service=service), service, front),
            httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http,
        ):
            for name, step in before.items():
                if step.remote is not None:
                    there = safe if step.remote.url.endswith("/tls") else url_of(listening)
                    url = step.remote.url.replace(distant.THERE, there)
                    steps[name] = replace(step, remote=replace(step.remote, url=url))
            application.url = url_of(front)
            try:
                async with application, application.worker():
                    yield World(application, distant_one, url_of(listening), http)
            finally:
                steps.update(before)


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    """Let the service answer as usual, whatever a test before has said."""
    if "world" in request.fixturenames:
        given: World = request.getfixturevalue("world")
        given.service.answer, given.service.left = given.service.accept, asyncio.Event()


async def test_tls_with_a_private_authority(
    world: World, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    Certificates are named by variables. A worker that lacks one leaves the step; a service that the authority does not
    know is asked for nothing; and a file that is replaced is read anew.
    """
    world.service.answer = world.service.tell
    monkeypatch.setenv("DISTANT_CERTIFICATE", str(certificates.own))
    run = await world.app.start("asking_safely", "trusted")

    assert "the environment variable DISTANT_CA is not set here" in await world.lacks(run)
    trusted = tmp_path / "ca.pem"
    shutil.copy(certificates.stranger.file, trusted)
    monkeypatch.setenv("DISTANT_CA", str(certificates.trusted.file))
    assert await run.result(timeout=TIMEOUT) == "done"
    monkeypatch.setenv("DISTANT_CA", str(trusted))
    told = await (await world.app.start("asking_safely", "stranger")).result(timeout=TIMEOUT)
    assert "cannot be reached, and was asked for nothing" in told
    assert "CERTIFICATE_VERIFY_FAILED" in told
    assert [each["args"] for each in world.service.asked] == [["trusted"]]
    shutil.copy(certificates.trusted.file, trusted)
    os.utime(trusted, (1, 1))  # whatever the clock of the file system counts
    assert await (await world.app.start("asking_safely", "again")).result(timeout=TIMEOUT) == "done"


async def test_who_has_no_certificate_is_not_served(
    world: World, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor who has one of somebody else's; a file that is none is no failure of the step, but this worker's lack."""
    world.service.answer = world.service.tell
    monkeypatch.setenv("DISTANT_CA", str(certificates.trusted.file))
    monkeypatch.setenv("DISTANT_CERTIFICATE", str(certificates.stranger.issue("impostor")))
    count = len(world.service.asked)
    told = await (await world.app.start("asking_safely", "impostor")).result(timeout=TIMEOUT)
    assert told.startswith("StepError: ")
    assert len(world.service.asked) == count
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    monkeypatch.setenv("DISTANT_CERTIFICATE", str(broken))
    run = await world.app.start("asking_safely", "broken")
    assert "cannot be read" in await world.lacks(run)
    shutil.copy(certificates.own, broken)
    assert await run.result(timeout=TIMEOUT) == "done"


async def test_a_run_that_is_cancelled_leaves_the_service(world: World) -> None:
    """The connection is closed, which the service sees; what it would say then is not wanted."""
    world.service.answer = world.service.hang
    run = await world.app.start("asking", "cancelled")

    async def asked() -> bool:
        return any(each["run"] == run.id for each in world.service.asked)

    await until(world.app, asked)
    await run.cancel("enough")
    await asyncio.wait_for(world.service.left.wait(), TIMEOUT)
    assert await run.status() == "cancelled" or await until(world.app, lambda: _has_status(run, "cancelled"))
    callback = next(str(each["callback"]) for each in world.service.asked if each["run"] == run.id)
    assert await world.call(callback) == 404


async def _has_status(run: RunHandle, status: str) -> bool:
    return await run.status() == status


async def test_a_run_that_is_cancelled_waits_for_no_callback(world: World) -> None:
    """It ends, and the callback that comes too late is told that nobody waits."""
    run = await world.app.start("asking", "accepted")
    callback = await world.callback(run)
    await run.cancel(force=True)
    assert await world.call(callback) == 404
    assert [event.type for event in await run.events()].count("step_completed") == 0


async def test_callbacks_that_are_replayed_late_or_of_others(world: World) -> None:
    """One counts, whatever it is sent again with while its run goes on; none counts for another run."""
    first, second = [await world.app.start("asking", name) for name in ("first", "second")]
    one, other = await world.callback(first), await world.callback(second)
    now = world.app.clock.now()
    body = json.dumps({"result": "stolen"}).encode()
    signed_for_one = signed_headers(SECRET, one.rpartition("/")[2], body, now)
    crossed = [
        await world.http.post(other, content=body, headers=signed_for_one),  # for another run
        await world.http.post(f"{one.rpartition('/')[0]}/{other.rpartition('/')[2]}", content=body),  # of another run
    ]
    assert [answer.status_code for answer in crossed] == [400, 404]
    assert await world.call(one, at=now - 301_000) == 401
    assert await world.call(one, at=now + 301_000) == 401
    assert await world.call(one, "told") == 204
    assert [await world.call(one, result) for result in ("told", "changed")] == [404, 404]
    await world.app.resume_hook("then first", "on", wait="30s")
    assert await first.result(timeout=TIMEOUT) == ["told", "on"]
    assert (await second.info()).blocked
    await second.cancel(force=True)


async def test_the_serving_side_is_killed_in_the_middle(world: World, tmp_path: Path) -> None:
    """The attempt is made again, under the same id, by the process that follows."""
    (tmp_path / "served").mkdir()
    shutil.copy(Path(distant.__file__), tmp_path / "served" / "app.py")
    name = "step//./distant.py//hold_there"
    step = world.app.names._steps[name]
    assert step.remote is not None
    with Server(tmp_path / "served", "--no-worker", TORPOR_STEPS_SECRET=SECRET) as server:
        world.app.names._steps[name] = replace(step, remote=replace(step.remote, url=f"{server.url}/steps/hold"))
        try:
            run = await world.app.start("holding", str(tmp_path))
            await until(world.app, lambda: _noted(tmp_path, 1))
            port = server.port
            await asyncio.to_thread(server.kill)
            (tmp_path / "gate").touch()
            await asyncio.to_thread(server.start, port)
            attempt = await run.result(timeout=TIMEOUT)
        finally:
            world.app.names._steps[name] = step
    noted = sorted(name.split() for name in os.listdir(tmp_path) if name.startswith("step_"))  # noqa: PTH208  # as below
    assert attempt > 1
    assert [number for _, number in noted] == ["1", str(attempt)]
    assert len({step_id for step_id, _ in noted}) == 1


async def _noted(folder: Path, count: int) -> bool:
    return sum(name.startswith("step_") for name in os.listdir(folder)) >= count  # noqa: PTH208  # no need of paths


async def test_the_caller_is_killed_while_a_step_is_accepted(world: World, tmp_path: Path) -> None:
    """The wait is in the world: the callback reaches the process that follows, and the run goes on there."""
    shutil.copy(Path(distant.__file__), tmp_path / "app.py")
    free = listen("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    url = f"http://127.0.0.1:{port}"
    settings = {"TORPOR_STEPS_SECRET": SECRET, "TORPOR_URL": url, "THERE": world.there, "NO_PROXY": "127.0.0.1"}
    caller = Server(tmp_path, **settings)
    await asyncio.to_thread(caller.start, port)
    try:
        headers = {"Authorization": f"Bearer {caller.token}"}
        begun = {"workflow": "asking", "args": ["long"], "id": "long-1"}
        assert (await world.http.post(f"{url}/v1/runs", json=begun, headers=headers)).status_code == 201
        callback = ""
        while not callback:
            view = (await world.http.get(f"{url}/v1/runs/long-1", headers=headers)).text
            callback = next((str(each["callback"]) for each in world.service.asked if each["run"] == "long-1"), "")
            callback = callback if "accepted by" in view else ""
        await asyncio.to_thread(caller.kill)
        await asyncio.to_thread(caller.start, port)
        headers = {"Authorization": f"Bearer {caller.token}"}
        assert await world.call(callback, "at last") == 204
        resumed = await world.http.post(f"{url}/v1/hooks/then%20long?wait=30", json="on", headers=headers)
        assert resumed.status_code == 200
        ended = await world.http.get(f"{url}/v1/runs/long-1/result?wait=30", headers=headers)
        assert ended.json()["output"] == ["at last", "on"]
        assert await world.call(callback, "at last") == 404
    finally:
        caller.process.__exit__(None, None, None)
    assert sum(each["run"] == "long-1" for each in world.service.asked) == 1
