"""Steps in Node: both languages in one application, processes that die, attempts that are given up."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sdk.installed import VERSIONS, modules
from torpor import RunCancelledError, Torpor
from torpor.cli.loading import load_app, parse_target
from torpor.programs.javascript.sdk_project import scripts
from torpor.sdk import calls

pytestmark = [pytest.mark.network, pytest.mark.asyncio(loop_scope="module")]

SECONDS_MAX = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the application."""
    made = tmp_path_factory.mktemp("mixed") / "sdk_mixed"
    shutil.copytree(Path(__file__).parent / "mixed", made)
    shutil.copy(scripts() / "index.mjs", made / "web" / "torpor-steps.mjs")
    (made / "web" / "node_modules").symlink_to(modules(VERSIONS["5"]))
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(folder: Path) -> AsyncIterator[Torpor]:
    """Work on the runs of the application, in a world in memory."""
    loaded = load_app(parse_target(str(folder / "app.py")))
    try:
        with loaded.moved("memory://") as moved:
            async with moved, moved.worker():
                yield moved
    finally:
        sys.modules.pop("app", None)


async def test_a_workflow_calls_steps_in_both_languages(app: Torpor) -> None:
    """TypeScript calls its own step and one in Python, Python calls the one in TypeScript."""
    run = await app.start("mixed", "o-1")
    assert await run.result(timeout=SECONDS_MAX) == ["o-1 paid 17 in TypeScript", "o-1 owes 17 in Python"]
    run = await app.start("from_python", "o-2")
    assert await run.result(timeout=SECONDS_MAX) == "o-2 paid 42 in TypeScript"


async def test_values_of_python_go_through_steps_in_both_languages(app: Torpor) -> None:
    """A step in TypeScript shows what JavaScript has no types for, and gives it on as it was."""
    run = await app.start("pricing", "pen")
    assert await run.result(timeout=SECONDS_MAX) == [
        "4.20 on 2026-11-30 for 1 pen",
        "{'price': Decimal('4.20'), 'due': datetime.date(2026, 11, 30), 'line': Line(name='pen', count=1)}",
    ]


async def test_steps_of_a_process_that_dies_begin_again_in_a_new_one(app: Torpor, tmp_path: Path) -> None:
    """A SIGKILL is nobody's failure, neither of the step that it hit nor of the one beside it."""
    run = await app.start("survives", str(tmp_path / "mark"))
    assert await run.result(timeout=SECONDS_MAX) == ["lived", "beside paid 1 in TypeScript"]
    assert {step.attempt for step in await run.steps()} == {1}


async def test_a_step_that_always_ends_its_process_fails(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is begun again a few times, and then told."""
    monkeypatch.setattr(calls, "_DEATHS_MAX", 2)
    run = await app.start("killing")
    assert "begun 2 times, and each time the process of Node ended with exit code 3" in await run.result(
        timeout=SECONDS_MAX
    )


async def test_an_attempt_that_is_given_up_is_told_and_its_answer_dropped(app: Torpor, tmp_path: Path) -> None:
    """The step's signal aborts; what it answers then disturbs nobody."""
    mark = tmp_path / "mark"
    run = await app.start("waiting", str(mark))
    begun = asyncio.Event()
    leave = app.world.subscribe(lambda _: begun.set())
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while not any(each.progress == {"at": 7} for each in (await run.info()).waits_for):
                with suppress(TimeoutError):  # notices are hints
                    await asyncio.wait_for(begun.wait(), 0.05)
                begun.clear()
            await run.cancel("no longer wanted")
            with pytest.raises(RunCancelledError):
                await run.result()
            assert await (await app.start("mixed", "o-3")).result() == [
                "o-3 paid 17 in TypeScript",
                "o-3 owes 17 in Python",
            ]
    finally:
        leave()
    assert mark.read_text("utf-8") == "aborted: true"


async def test_progress_is_there_at_the_next_attempt(app: Torpor) -> None:
    """What a heartbeat has told is what the next attempt asks for."""
    run = await app.start("goesOn")
    assert await run.result(timeout=SECONDS_MAX) == {"at": 7}


async def test_node_ends_with_its_worker(app: Torpor) -> None:
    """Nothing is left behind when the application is closed."""
    run = await app.start("from_python", "o-4")
    await run.result(timeout=SECONDS_MAX)
    [sdk] = app._sdks
    assert sdk._steps is not None
    [process] = sdk._steps._processes
    pid = process._process.pid
    await sdk.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
