"""Two workers that have their world behind a URL: one is killed, and the server is killed and started again."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.processes import Process
from tests.engine.support import TIMEOUT
from torpor import Torpor
from torpor.cli.loading import load_app, parse_target
from torpor.clock import SystemClock
from torpor.http.tokens import make_token, store_token

RUNS, RUNGS = 8, 25


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Torpor]:
    """The application beside its database, without a worker in this process."""
    monkeypatch.setenv("CRASH_LEDGER", str(tmp_path / "ledger"))
    shutil.copy(Path(__file__).with_name("remote_app.py"), tmp_path / "app.py")
    async with load_app(parse_target(str(tmp_path / "app.py"))).on(f"sqlite:///{tmp_path}/torpor.db") as opened:
        await opened.store_programs()
        yield opened


def serve(folder: Path, port: int) -> tuple[Process, int]:
    """Start a server that works on no runs; return it with its port."""
    process = Process(folder, "serve", "app.py", "--no-worker", "--port", str(port), "--world", "sqlite:///torpor.db")
    url = process.wait_line("serving http://").split()[1].rstrip(",")
    return process, int(url.rpartition(":")[2])


async def test_nothing_is_lost_or_doubled(app: Torpor, tmp_path: Path) -> None:
    """Every run ends with what an undisturbed one returns, and its log has each step's end once."""
    made = make_token(SystemClock().now(), ("work",))
    await store_token(app.world, made.token)
    ledger = tmp_path / "ledger"
    ledger.touch()
    with ExitStack() as stack:
        server, port = serve(tmp_path, 0)
        stack.push(server.__exit__)
        settings = {"TORPOR_TOKEN": made.text, "CRASH_LEDGER": str(ledger)}
        worker = ["worker", "app.py", "-p", "1", "--world", f"http://127.0.0.1:{port}"]
        workers = [Process(tmp_path, *worker, **settings) for _ in range(2)]
        for process in workers:
            stack.push(process.__exit__)
            await asyncio.to_thread(process.wait_line, "is at work")
        runs = [await app.start("climbs", f"run-{n}", RUNGS) for n in range(RUNS)]
        await _noted(ledger, RUNS * RUNGS // 4)
        first = int(ledger.read_text().split()[3])
        next(process for process in workers if process.pid == first).send(signal.SIGKILL)
        await _noted(ledger, RUNS * RUNGS // 2)
        server.send(signal.SIGKILL)
        await asyncio.to_thread(server.wait_end)
        server, _ = serve(tmp_path, port)
        stack.push(server.__exit__)
        for run in runs:
            assert await run.result(timeout=TIMEOUT) == list(range(RUNGS))
            ended = Counter(event.id for event in await run.events() if event.type == "step_completed")
            assert set(ended.values()) == {1}
            assert len(ended) == RUNGS
    lines = [line.split() for line in ledger.read_text().splitlines()]
    assert {(run, int(n)) for run, n, _, _ in lines} == {
        (f"run-{n}", rung) for n in range(RUNS) for rung in range(RUNGS)
    }
    assert len({pid for _, _, _, pid in lines}) == 2


async def _noted(ledger: Path, count: int) -> None:
    """Return once so many attempts were noted."""

    def enough() -> bool:
        return len(ledger.read_text().splitlines()) >= count

    await _until(enough)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2 * TIMEOUT):
        while not condition():  # noqa: ASYNC110  # nobody tells of files
            await asyncio.sleep(0.01)
