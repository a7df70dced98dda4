"""Where Python workflows end: modules that the VM lacks, and what they write."""

from __future__ import annotations

import psutil
import pytest

from tests.semantics.support import Stage, name_of, outcome
from torpor import RunFailedError

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.parametrize("guest", ["cpython"], scope="module")]


async def test_placeholder(stage: Stage) -> None:
    """Using a module that the VM lacks says where, what and what to do instead; steps use it as ever."""
    told = await stage.result("uses_a_placeholder")
    assert told["from step"] == psutil.cpu_count()
    assert told["code"] == "NOT_IN_WORKFLOW"
    assert "psutil" in told["told"]
    assert "python_flows/outside.py" in told["told"]
    assert "step" in told["told"]


async def test_placeholder_that_nobody_catches(stage: Stage) -> None:
    """The run fails for the fault of its author, with the same error."""
    run = await stage.start("does_not_catch_it")
    with pytest.raises(RunFailedError, match="psutil") as failed:
        await outcome(run)
    assert failed.value.failure == "USER_ERROR"
    assert name_of(failed.value.__cause__) == "NotInWorkflowError"


async def test_print_and_logging(stage: Stage) -> None:
    """What is printed and logged are lines of the run's log, with their levels; a traceback has the author's file."""
    run = await stage.start("writes_logs")
    await outcome(run)
    *lines, last = [(line.level, line.text) for line in await run.logs()]
    assert lines == [
        ("info", "several, words"),
        ("info", "two"),
        ("info", "lines"),
        ("info", "shop: sold 3 of lamps"),
    ]
    level, text = last
    assert level == "error"
    assert text.startswith("shop: it went wrong")
    assert "python_flows/outside.py" in text
    assert "LookupError: gone" in text
