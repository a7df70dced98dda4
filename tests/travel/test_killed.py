"""Forks under SIGKILL: each of them is stored whole or not at all, and asking again makes it once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.project import fresh_imports
from tests.engine.support import TIMEOUT
from torpor.cli.loading import load_app, parse_target

APP = """
import asyncio
import sys
from torpor import Torpor

app = Torpor("sqlite:///torpor.db", root=__file__.rpartition("/")[0])
app.workflows("flows/*.js")


@app.step
async def add(a: int, b: int) -> int:
    return a + b


async def fork_on(run_id: str) -> None:
    async with app:
        for number in range(1000):
            await app.run(run_id).fork(at=6, run_id=f"fork-{number}")
            print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(fork_on(sys.argv[1]))
"""

FLOW = """
import { add } from "../app.py";

export async function sums(n) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < n; i++) total = await add(total, 1);
  return total;
}
"""
NAMES = [f"fork-{number}" for number in range(6)]


async def _killed_after(folder: Path, run_id: str, forks: int) -> None:
    """Let a process fork a run, and kill it once it has made some, in the middle of the next one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "app.py", run_id, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT):
        for _ in range(forks):
            assert await process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def test_forks_under_sigkill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes die while they fork; what is there goes on, and the rest is made by asking again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "flows" / "sums.js").write_text(FLOW)
    with fresh_imports():
        app = load_app(parse_target("app.py"))
    async with app, app.worker():
        run = await app.start("sums", 4)
        assert await run.result(timeout=TIMEOUT) == 4
    for forks in (1, 3):
        await _killed_after(tmp_path, run.id, forks)
    async with app, app.worker():
        assert len(await app.world.statuses(set(NAMES))) >= 3
        made = [await app.run(run.id).fork(at=6, run_id=name) for name in NAMES]
        for each in made:
            assert await each.result(timeout=TIMEOUT) == 4
            kinds = [event.type for event in await each.events()]
            assert (kinds.count("run_forked"), kinds.count("step_completed")) == (1, 4)
