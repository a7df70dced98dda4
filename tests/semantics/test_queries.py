"""Queries: functions that look at a copy of a run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.support import TIMEOUT, until
from tests.semantics.application import app as application
from tests.semantics.flows import queries
from tests.semantics.steps import gates
from tests.semantics.support import MovableClock, Stage, name_of, outcome
from tests.semantics.tight import use_tight_guests
from torpor import RunHandle, UsageError
from torpor.errors import CpuLimitError
from torpor.model import Runtime

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _unique(stage: Stage, name: str) -> str:
    return f"{name}-{stage.guest}-{stage.runtime}"


async def _sleeping(stage: Stage, name: str) -> RunHandle:
    """Return a run that sleeps at its hook."""
    run = await stage.start("asked", _unique(stage, name))

    async def parked() -> bool:
        stored = await stage.app.world.get_run(run.id)
        return bool(stored.ops >= 3 and not stored.worker)

    await until(stage.app, parked)
    return run


async def test_query(stage: Stage) -> None:
    """A query sees the module's variables and what the workflow has published, as they are now."""
    run = await _sleeping(stage, "query")
    details = {"token": _unique(stage, "query"), "more": "ü"}
    assert await run.query("progress") == {"steps": 2, "details": details, "place": "waiting"}
    if stage.speaks_python:
        assert await run.query(queries.progress) == await run.query("progress")
    await run.cancel(force=True)


async def test_query_with_arguments(stage: Stage) -> None:
    """It takes arguments as a workflow does, by place and by name."""
    run = await _sleeping(stage, "arguments")
    assert await run.query("shifted", 5) == 7
    assert await run.query("shifted", 5, twice=True) == 12
    await run.cancel(force=True)


async def test_query_changes_nothing(stage: Stage) -> None:
    """What a query does to the copy is gone with it; the run is not woken and its log does not grow."""
    run = await _sleeping(stage, "meddling")
    before = await stage.app.world.get_run(run.id)
    assert await run.query("meddles") == 102
    assert (await run.query("progress"))["steps"] == 2
    assert await stage.app.world.get_run(run.id) == before
    await stage.resume(_unique(stage, "meddling"))
    assert await outcome(run) == 2


async def test_query_of_a_run_that_is_awake(stage: Stage) -> None:
    """It is asked in its newest stored state, and not waited for."""
    name = _unique(stage, "awake")
    run = await stage.start("asked_at_a_gate", name)
    await gates[name].reached.wait()
    assert (await run.query("progress"))["place"] == "gate"
    gates[name].open.set()
    assert await outcome(run) == name


async def test_query_only_looks(stage: Stage) -> None:
    """Steps, sleeps and all else that it asks for are refused."""
    run = await _sleeping(stage, "looks")
    for name in ("calls_a_step", "waits"):
        with pytest.raises(Exception, match=r"query.*can only look|is asynchronous"):
            await run.query(name)
    await run.cancel(force=True)


async def test_query_that_fails(stage: Stage) -> None:
    """Who asks gets what the query raised; the run knows nothing of it."""
    run = await _sleeping(stage, "fails")
    with pytest.raises(Exception, match="there is no such thing") as raised:
        await run.query("raises")
    assert name_of(raised.value) == ("LookupError" if stage.speaks_python else "RangeError")
    assert await run.status() == "running"
    await run.cancel(force=True)


async def test_query_that_does_not_end(guest: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes the limit of the guest; the run knows nothing of it."""
    use_tight_guests(monkeypatch)
    clock = MovableClock()
    async with application.on("memory://", runtime=runtime, clock=clock) as app, app.worker():
        run = await _sleeping(Stage(app, guest, clock), "spins")
        with pytest.raises(CpuLimitError):
            await run.query("spins")
        assert await run.status() == "running"


async def test_query_that_is_not_there(stage: Stage) -> None:
    """The error lists those that the program has."""
    run = await _sleeping(stage, "unknown")
    with pytest.raises(Exception, match=r"has no query '?nobody'?; it has .*progress"):
        await run.query("nobody")
    await run.cancel(force=True)


async def test_query_of_a_run_that_has_ended(stage: Stage) -> None:
    """It has no VM any more; the error says so."""
    run = await stage.start("doubled", 4)
    await run.result(timeout=TIMEOUT)
    with pytest.raises(UsageError, match="is completed"):
        await run.query("progress")


async def test_what_is_no_query_is_refused(stage: Stage) -> None:
    """An asynchronous function, and one inside another, cannot be queries."""

    async def waits() -> None: ...

    def nested() -> Any: ...

    for wrong, words in ((waits, "asynchronous"), (nested, "no function at module level")):
        with pytest.raises(UsageError, match=words):
            stage.app.query(wrong)
