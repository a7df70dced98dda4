"""Limits: a run that passes one fails, alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.engine.support import TIMEOUT
from tests.semantics.application import app as application
from tests.semantics.support import MovableClock, Stage, outcome
from tests.semantics.tight import use_tight_guests
from torpor import RunFailedError
from torpor.model import Runtime

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tight_stage(guest: str, runtime: Runtime) -> AsyncIterator[Stage]:
    """A world, and a worker whose guests have little time and memory."""
    clock = MovableClock()
    with pytest.MonkeyPatch.context() as patch:
        use_tight_guests(patch)
        async with application.on("memory://", runtime=runtime, clock=clock) as app, app.worker():
            yield Stage(app, guest, clock)


@pytest.mark.parametrize(
    ("workflow", "code", "words"),
    [
        ("spins", "LIMIT_EXCEEDED", "CPU"),
        ("hoards", "LIMIT_EXCEEDED", "memory"),
        ("floods", "LIMIT_EXCEEDED", "10001"),
        ("returns_too_much", "LIMIT_EXCEEDED", "bytes"),
        ("gets_too_much", "USER_ERROR", "bytes"),
        ("returns_function", "USER_ERROR", "nested"),
    ],
)
async def test_a_run_that_passes_a_limit_fails_alone(
    tight_stage: Stage, guest: str, workflow: str, code: str, words: str
) -> None:
    """It fails with the code of its fault, and its neighbour on the same worker ends as if nothing had been."""
    run = await tight_stage.start(workflow)
    neighbour = await tight_stage.start("behaves", 1)
    with pytest.raises(RunFailedError, match=words) as failed:
        await run.result(timeout=3 * TIMEOUT)  # guests with limits of their own are booted first
    assert failed.value.failure == code
    if code == "LIMIT_EXCEEDED":  # no traceback of the engine's, and workflow code's where the guest tells
        told = "".join(getattr(failed.value, "__notes__", ()))
        assert "engine" not in told
        assert ('flows/limits.py", line 20, in spins' in told or "line 21, in spins" in told) is (
            guest == "cpython" and workflow == "spins"
        )
    assert await outcome(neighbour) == 2
