"""Step workers over HTTP: a real server, real processes of Node, and what dies, is given up, or comes again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.cli.processes import Process
from tests.sdk.installed import VERSIONS, modules
from tests.sdk.setting import until
from tests.sdk.step_worker import StepWorker, at_work, role_token
from torpor import RunCancelledError, Torpor, WorkerSettings, codec
from torpor.cli.loading import load_app, parse_target
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.programs.javascript.sdk_project import scripts
from torpor.run_handle import RunHandle
from torpor.sdk.channel import packed, unpacked

pytestmark = [pytest.mark.network, pytest.mark.asyncio(loop_scope="module")]

SECONDS_MAX = 60
LEASE_MS = 2_000


class Served:
    """
    An application that leaves the steps of its project to step workers, and its server.

    Attributes:
        app, url: it, and where it is.
        project: the project's folder.
        token: lets step workers in.
    """

    def __init__(self, app: Torpor, url: str, project: Path, token: str) -> None:
        self.app, self.url, self.project, self.token = app, url, project, token

    def step_worker(self, *options: str) -> Any:
        """Have a step worker at work in a block."""
        return at_work(self.project, self.url, self.token, *options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the application."""
    made = tmp_path_factory.mktemp("remote") / "sdk_mixed"
    shutil.copytree(Path(__file__).parent / "mixed", made)
    shutil.copy(scripts() / "index.mjs", made / "web" / "torpor-steps.mjs")
    (made / "web" / "node_modules").mkdir()
    for package in modules(VERSIONS["5"]).iterdir():  # what is built here is this application's own
        if not package.name.startswith("."):
            (made / "web" / "node_modules" / package.name).symlink_to(package)
    return made


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Iterator[Torpor]:
    """Return the application, which carries out no step of the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORPOR_NODE_PROCESSES", "0")
        try:
            yield load_app(parse_target(str(folder / "app.py")))
        finally:
            sys.modules.pop("app", None)


@asynccontextmanager
async def served_by(app: Torpor, folder: Path) -> AsyncIterator[Served]:
    """Serve an application, and work on its runs."""
    listening = listen("127.0.0.1", 0)
    service, url = Service(app), url_of(listening)
    async with app, app.worker(), serving(asgi(app, service=service), service, listening):
        yield Served(app, url, folder / "web", await role_token(app.world, "steps"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(loaded: Torpor, folder: Path) -> AsyncIterator[Served]:
    """Serve the application, on a world in memory; nobody carries out the project's steps yet."""
    with loaded.moved("memory://", settings=WorkerSettings(lease_ms=LEASE_MS)) as app:
        async with served_by(app, folder) as made:
            yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worked(served: Served) -> AsyncIterator[Served]:
    """Have a step worker, too."""
    async with served.step_worker("--queues", "default"):
        yield served


async def progress(app: Torpor, run: RunHandle[Any], **wanted: Any) -> dict[str, Any]:
    """Return what the step of a run tells of itself, once it tells this."""

    async def look() -> dict[str, Any] | None:
        told = [each.progress for each in (await run.info()).waits_for if isinstance(each.progress, dict)]
        return next((each for each in told if wanted.items() <= each.items()), None)

    return await until(app.world, look)


async def test_workflows_of_both_languages_call_steps_that_are_elsewhere(worked: Served) -> None:
    """As they call those of a child process, short names included; steps in Python stay where they are."""
    run = await worked.app.start("mixed", "o-1")
    assert await run.result(timeout=SECONDS_MAX) == ["o-1 paid 17 in TypeScript", "o-1 owes 17 in Python"]
    run = await worked.app.start("from_python", "o-2")
    assert await run.result(timeout=SECONDS_MAX) == "o-2 paid 42 in TypeScript"


async def test_several_run_at_once(worked: Served, tmp_path: Path) -> None:
    """Two steps that wait for one another meet."""
    run = await worked.app.start("meeting", str(tmp_path / "one"), str(tmp_path / "two"))
    assert await run.result(timeout=SECONDS_MAX) == "met"


async def test_a_process_that_dies_in_a_step_is_nobodys_failure(worked: Served, tmp_path: Path) -> None:
    """After SIGKILL of Node all that it ran begins again in a new one, beside the same connection."""
    run = await worked.app.start("survives", str(tmp_path / "mark"))
    assert await run.result(timeout=SECONDS_MAX) == ["lived", "beside paid 1 in TypeScript"]
    assert {step.attempt for step in await run.steps()} == {1}


@pytest.mark.long
async def test_a_step_that_always_ends_its_process_fails(worked: Served) -> None:
    """It is begun again a few times, and then told."""
    run = await worked.app.start("killing")
    assert "begun 3 times, and each time the process of Node ended with exit code 3" in await run.result(
        timeout=SECONDS_MAX
    )


async def test_a_cancelled_run_aborts_the_signal_of_its_step(worked: Served, tmp_path: Path) -> None:
    """What the step answers then disturbs nobody; what it told before was heard."""
    mark = tmp_path / "mark"
    run = await worked.app.start("waiting", str(mark))
    await progress(worked.app, run, at=7)
    await run.cancel("no longer wanted")
    with pytest.raises(RunCancelledError):
        await run.result(timeout=SECONDS_MAX)

    async def look() -> str | None:
        return (mark.read_text("utf-8") if mark.exists() else "") or None

    assert await until(worked.app.world, look) == "aborted: true"
    again = await worked.app.start("from_python", "o-3")
    assert await again.result(timeout=SECONDS_MAX) == "o-3 paid 42 in TypeScript"


async def test_progress_and_streams_come_by_http(worked: Served) -> None:
    """The next attempt has what a heartbeat told, and readers what a step has written, however much at once."""
    assert await (await worked.app.start("goesOn")).result(timeout=SECONDS_MAX) == {"at": 7}
    run = await worked.app.start("writing", 2_000_000)
    assert [len(value) async for value in run.stream()] == [5, 2_000_000]
    assert await run.result(timeout=SECONDS_MAX) == 2_000_000


async def test_what_the_server_never_takes_is_told(worked: Served) -> None:
    """Another's session, messages that leave some out, steps that are carried out here: each with a reason."""
    async with httpx.AsyncClient(base_url=worked.url) as http:
        http.headers["authorization"] = f"Bearer {worked.token}"
        begun = await http.post("/v1/step-workers", json={"steps": ["step//./nowhere//nothing"]})
        path = f"/v1/step-workers/{begun.json()['id']}"
        assert begun.status_code == 201
        gap = await http.post(f"{path}/messages?after=3", content=b"")
        assert (gap.status_code, gap.json()["detail"]) == (400, "messages behind number 3 came before number 1")
        odd = await http.post(f"{path}/messages", content=b"\0\0\0\x02\0\0\0\0{}")
        assert (odd.status_code, odd.json()["code"]) == (400, "USAGE")
        ahead = await http.get(f"{path}/messages?after=9")
        assert ahead.status_code == 400
        other = await role_token(worked.app.world, "steps")
        assert (await http.get(f"{path}/messages", headers={"authorization": f"Bearer {other}"})).status_code == 404
        own = await http.post("/v1/step-workers", json={"steps": ["step//./app.py//invoice"]})
        assert own.status_code == 422
        assert "the application carries out step//./app.py//invoice itself" in own.json()["detail"]
        assert (await http.delete(path)).status_code == 204
        assert (await http.delete(path)).status_code == 404


async def test_a_message_that_comes_twice_counts_once(worked: Served) -> None:
    """What was not said to be had is told again, and who has not heard that it came sends it again."""
    async with httpx.AsyncClient(base_url=worked.url, timeout=SECONDS_MAX) as http:
        http.headers["authorization"] = f"Bearer {worked.token}"
        have: dict[str, Any] = {"steps": ["step//./workflows/mixed//charge"], "queues": ["by hand"], "concurrency": 1}
        begun = (await http.post("/v1/step-workers", json=have)).json()
        path = f"/v1/step-workers/{begun['id']}/messages"
        run = await worked.app.start("from_python", "o-4", queue="by hand")
        first = (await http.get(path)).content
        assert (await http.get(path)).content == first
        [(asked, given)] = unpacked(first)
        passed: Any = codec.loads(given)
        assert (asked["step"], passed["args"]) == (have["steps"][0], ["o-4", 42])
        told = packed({"type": "outcome", "call": asked["call"], "outcome": "completed"}, b'devl["by hand"]')
        for _ in range(2):
            assert (await http.post(f"{path}?after=0", content=told)).status_code == 204
        assert await run.result(timeout=SECONDS_MAX) == "by hand"
        await http.delete(f"/v1/step-workers/{begun['id']}")


@pytest.mark.long
async def test_a_step_that_blocks_its_process_loses_nothing(worked: Served) -> None:
    """The way to the server is another process's, so that computing for long is no silence."""
    run = await worked.app.start("blocking", 3 * LEASE_MS)
    assert await run.result(timeout=SECONDS_MAX) == "free again"
    assert [step.attempt for step in await run.steps()] == [1]


@pytest.mark.long
async def test_when_a_step_worker_is_killed_another_one_begins_its_steps_again(served: Served, tmp_path: Path) -> None:
    """Its steps are given back when it was not heard of for a lease; this one has no retries."""
    told = tmp_path / "told"
    async with served.step_worker("--queues", "dying") as first:
        run = await served.app.start("endingWhen", str(told), queue="dying")
        child = (await progress(served.app, run, attempt=1))["pid"]
        first.send(signal.SIGKILL)
        await first.ended()
    async with served.step_worker("--queues", "dying"):
        await progress(served.app, run, attempt=2)
        told.touch()
        assert await run.result(timeout=SECONDS_MAX) == 2
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.long
async def test_sigterm_lets_steps_end(served: Served, tmp_path: Path) -> None:
    """What runs is stored, nothing new is begun, and the process ends well."""
    told = tmp_path / "told"
    async with served.step_worker("--queues", "leaving") as leaving:
        run = await served.app.start("endingWhen", str(told), queue="leaving")
        await progress(served.app, run, attempt=1)
        leaving.send(signal.SIGTERM)
        await leaving.line("stopping: 1 running steps may end")
        told.touch()
        assert await leaving.ended() == 0
    assert await run.result(timeout=SECONDS_MAX) == 1


@pytest.mark.long
async def test_a_token_without_the_role_is_refused(served: Served) -> None:
    """The step worker says so and ends."""
    reader = await role_token(served.app.world, "read", "operate")
    refused = await StepWorker.start(served.project, served.url, reader)
    assert await refused.ended() == 1
    assert "torpor-steps: this takes a token with the role steps" in refused.seen[-1]


@pytest.mark.long
async def test_a_server_that_is_killed_and_begins_anew_is_found_again(
    loaded: Torpor, folder: Path, tmp_path: Path
) -> None:
    """The step worker waits for it, gives up what it ran, which costs no retry, and carries the same run to its end."""
    told, world = tmp_path / "told", f"sqlite:///{tmp_path}/torpor.db"
    settings = {"TORPOR_NODE_PROCESSES": "0", "TORPOR_WORLD": world}
    serve = ("serve", "app.py", "--port")
    async with loaded.on(world) as app:
        run = await app.start("endingWhen", str(told))  # which builds the project
        token = await role_token(app.world, "steps")
        with Process(folder, *serve, "0", **settings) as server:
            url = (await asyncio.to_thread(server.wait_line, "serving http://")).split()[1].rstrip(",")
            async with at_work(folder / "web", url, token) as worker:
                await progress(app, run, attempt=1)
                server.send(signal.SIGKILL)
                await worker.line("does not answer")
                with Process(folder, *serve, url.rpartition(":")[2], **settings):
                    await worker.line("is at work")
                    await progress(app, run, attempt=2)
                    told.touch()
                    assert await run.result(timeout=SECONDS_MAX) == 2
