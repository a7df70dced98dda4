"""Steps: one after another, together, and what they know."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.engine.support import until
from tests.semantics.steps import add, multiply
from tests.semantics.support import Stage, kinds, outcome
from torpor import RunHandle, WorkflowMetadata
from torpor.model import Snapshot

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE_NOISE = 1_000
"""Bytes by which the snapshots of equal states may differ: which pages a value lies on is chance."""


async def test_add_ten(stage: Stage) -> None:
    """Three steps one after another end in 133, and the run says what it is."""
    run = await stage.start("add_ten", 123)
    assert await outcome(run) == 133
    info = await run.info()
    assert (info.status, info.guest, info.workflow) == ("completed", stage.guest, stage.full_name("add_ten"))
    assert await kinds(run) == {
        "run_created": 1,
        "run_started": 1,
        "step_created": 3,
        "step_completed": 3,
        "run_completed": 1,
    }
    assert [step.status for step in await run.steps()] == ["completed"] * 3


async def test_imported_step_only(stage: Stage) -> None:
    """A step may come from a file that holds no workflow."""
    assert await stage.result("imported_step_only", 21) == 42


async def test_sync_steps(stage: Stage) -> None:
    """A ``def`` step runs in a thread, away from the event loop."""
    product, thread = await stage.result("calls_sync_steps", 14)
    assert product == 42
    assert thread != threading.current_thread().name


async def test_plain_call_inside_a_step(stage: Stage) -> None:
    """A step that calls another one calls a function: nothing of that is recorded."""
    run = await stage.start("calls_inside", 20)
    assert await outcome(run) == 22
    assert [step.name for step in await run.steps()] == ["step//./steps.py//add_twice"]


async def test_null_byte(stage: Stage) -> None:
    """A null byte survives all borders."""
    assert await stage.result("null_byte") == ["null byte \0"] * 2


async def test_step_called_directly() -> None:
    """Outside a workflow a step is the function that it is, asynchronous or not."""
    assert await add(1, 2) == 3
    product: object = multiply(2, 3)
    assert product == 6


async def test_metadata(stage: Stage) -> None:
    """A workflow knows its run, a step knows itself and the run."""
    run = await stage.start("metadata")
    about = await outcome(run)
    info = await run.info()
    assert about["name"] == info.workflow
    assert (about["runId"], about["url"]) == (run.id, "")
    assert about["startedAt"] == datetime.fromtimestamp(info.created_at / 1000, UTC)
    (step,) = await run.steps()
    assert about["step"] == {
        "id": step.id,
        "name": "step//./steps.py//describe_itself",
        "run_id": run.id,
        "attempt": 1,
        "started_at": about["step"]["started_at"],
    }
    assert about["step"]["started_at"] >= about["startedAt"]


async def test_metadata_in_steps(stage: Stage) -> None:
    """A step knows its run as the workflow does: inline, and in a thread as a task of its own, which a retry is."""
    run = await stage.start("metadata_in_steps")
    inside, *in_steps = await outcome(run)
    if not stage.speaks_python:
        inside = WorkflowMetadata(*map(inside.get, ("workflowRunId", "workflowName", "workflowStartedAt", "url")))
    assert inside == WorkflowMetadata(run.id, stage.full_name("metadata_in_steps"), inside.started_at, "")
    assert in_steps == [inside, inside]


async def test_helper_metadata(stage: Stage) -> None:
    """A helper in another file knows the run that it works for."""
    run = await stage.start("helper_metadata")
    assert await outcome(run) == run.id


async def test_import_meta(stage: Stage) -> None:
    """A module knows its own file, relative to the project and not where it lies on some machine."""
    place = await stage.result("import_meta")
    assert place.endswith(f"flows/sequence.{'js' if stage.guest == 'quickjs' else 'py'}")
    assert str(Path(__file__).parent) not in place


async def test_rendered_in_step(stage: Stage) -> None:
    """A template library works in a step, with values from the workflow."""
    assert await stage.result("rendered_in_step", "Ada") == "Dear Ada, $5 are due."


async def test_logs(stage: Stage) -> None:
    """What workflow code writes is kept once, in order, with its level."""
    run = await stage.start("logs")
    await outcome(run)
    assert [(line.level, line.text) for line in await run.logs()] == [("info", "before 1"), ("warn", "after")]


async def test_modules_belong_to_a_run(stage: Stage) -> None:
    """What a workflow changes in its module is seen by this run alone."""
    assert [await stage.result("counts_its_calls") for _ in range(3)] == [1, 1, 1]


async def test_draws(stage: Stage) -> None:
    """Random numbers, ids and times are the run's own: they never repeat in it, nor in another run."""
    runs = [await stage.start("draws") for _ in range(2)]
    drawn = [await outcome(run) for run in runs]
    numbers = [value for each in drawn for value in (each[0], each[1], each[3], each[4])]
    assert len({str(number) for number in numbers}) == len(numbers)
    for run, each in zip(runs, drawn, strict=True):
        assert each[2] == (await run.info()).created_at
        assert each[5] >= each[2]


async def test_many_steps(stage: Stage) -> None:
    """Hundreds of steps one after another, some of them after a wait, count to their number."""
    run = await stage.start("count_then_wait", 300, f"many-{stage.runtime}")
    await stage.resume(f"many-{stage.runtime}")
    assert await outcome(run) == 300


@pytest.mark.parametrize("runtime", ["snapshot"], scope="module")
async def test_ten_thousand_steps(stage: Stage) -> None:
    """The snapshot of a loop that holds no data is as small after a thousand steps as after fifty."""
    few, many = [await stage.start("count_then_wait", n, f"snapshot-{n}") for n in (50, 1_000)]
    assert await _size_when_parked(stage, many) < await _size_when_parked(stage, few) + PAGE_NOISE
    await stage.resume("snapshot-1000")
    assert await outcome(many) == 1_000


async def _size_when_parked(stage: Stage, run: RunHandle) -> int:
    """Return the bytes of the snapshot that a run leaves when it waits for its hook."""
    (hook,) = await stage.logged(run, "hook_created")

    async def parked() -> Snapshot | None:
        snapshot = await stage.app.world.snapshot(run.id)
        return snapshot if snapshot is not None and snapshot.cursor >= hook.seq - 1 else None

    found = await until(stage.app, parked)
    assert found is not None
    return len(found.data)
