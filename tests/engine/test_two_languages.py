"""Runs of one language that start runs of the other: neither can tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from tests.engine.support import TIMEOUT, result
from tests.engine.two_languages.application import Price
from tests.engine.two_languages.application import app as application
from torpor import RunFailedError, RunHandle, Torpor, WorkerSettings
from torpor.model import RunFilter, Runtime


@pytest.fixture
async def working(database: str, runtime: Runtime) -> AsyncIterator[Torpor]:
    """The application, on a world of its own, with a worker of two places."""
    application.use_world(database)
    application.runtime = runtime
    application.settings = WorkerSettings(turns=2, steps=2)
    async with application, application.worker():
        yield application


async def test_python_starts_javascript_starts_python(working: Torpor) -> None:
    """
    Results pass through three runs of two languages, and each knows its parent and the first of the line.

    Keyword arguments are an object in JavaScript, and keyword arguments again where Python gets it back.
    """
    parent = await working.start("python_parent", 5)
    told = await parent.result(timeout=TIMEOUT)
    assert (told["result"], told["status"], told["by_step"]) == (113, "completed", 113)
    assert isinstance(told["run"], RunHandle)
    runs = {run.id: run for run in await working.world.list_runs(RunFilter())}
    child = runs[told["run"].id]
    [grandchild] = [run for run in runs.values() if run.parent == child.id]
    assert [run.guest for run in (runs[parent.id], child, grandchild)] == ["cpython", "quickjs", "cpython"]
    assert (child.parent, child.root, grandchild.root) == (parent.id, parent.id, parent.id)
    assert len(runs) == 3


async def test_types_pass_through_the_other_language(working: Torpor) -> None:
    """What JavaScript lacks is the same again where Python reads it."""
    assert await result(working, "passesTypesOn", Price(Decimal("1.10"))) == Price(Decimal("2.10"))


async def test_python_catches_what_javascript_threw(working: Torpor) -> None:
    """As RunFailedError with the child's id, and the thrown error as its cause."""
    assert await result(working, "catches_javascript", "too far") == [
        "RunFailedError", True, "RangeError: too far", "failed",
    ]  # fmt: skip


async def test_javascript_catches_what_python_raised(working: Torpor) -> None:
    """As an error named RunFailedError, whose cause has the name of the Python class."""
    assert await result(working, "catchesPython", "lost") == ["RunFailedError", "LookupError", "lost"]


async def test_an_error_keeps_its_class_through_the_other_language(working: Torpor) -> None:
    """Outside, the cause of the cause is the very class that Python raised."""
    with pytest.raises(RunFailedError) as caught:
        await result(working, "passesPythonOn", "lost")
    inner = caught.value.__cause__
    assert isinstance(inner, RunFailedError)
    assert isinstance(inner.__cause__, LookupError)
    assert inner.__cause__.args == ("lost",)


async def test_python_cancels_javascript(working: Torpor) -> None:
    """And learns of it like everybody else."""
    name, message = await result(working, "cancels_javascript", "token")
    assert name == "RunCancelledError"
    assert message.endswith("was cancelled: no more")


async def test_a_python_run_cannot_wait_for_itself(working: Torpor) -> None:
    """It is told so at once, as in JavaScript, instead of sleeping for ever."""
    run = await working.start("awaits_itself")
    with pytest.raises(RunFailedError, match="a run cannot wait for its own end"):
        await run.result(timeout=TIMEOUT)
