"""Steps that must not happen twice: when nobody knows how one ended, its run waits until somebody says."""

from __future__ import annotations

import pytest

from tests.engine.support import until
from tests.semantics.steps import DIARIES
from tests.semantics.support import Stage, attempts, outcome
from torpor import RunHandle
from torpor.errors import EntityConflictError
from torpor.run_info import Awaited

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def blocked(stage: Stage, run: RunHandle) -> Awaited:
    """Return the step that a run is blocked on, once it is."""

    async def there() -> tuple[Awaited, ...]:
        return (await run.info()).blocked

    return (await until(stage.app, there))[0]


async def test_an_effect_happens_once(stage: Stage) -> None:
    """One that ends as steps do is a step as any other."""
    run = await stage.start("charges_once", "well")
    assert await outcome(run) == "receipt"
    assert DIARIES["charges"].count(run.id) == 1


@pytest.mark.parametrize(("how", "told"), [("unknown", "UnknownOutcomeError"), ("late", "UnknownOutcomeError")])
async def test_an_unknown_outcome_blocks_the_run(stage: Stage, how: str, told: str) -> None:
    """The body says that it does not know, or has not ended in time; a value resolves it."""
    run = await stage.start("charges_once", how)
    step = await blocked(stage, run)
    assert (step.name, step.op, step.status, step.attempt) == ("charge_once", 1, "blocked", 1)
    assert told in step.why
    assert await run.status() == "running"
    await run.resolve(step.op, {"receipt": 17})
    assert await outcome(run) == {"receipt": 17}
    assert DIARIES["charges"].count(run.id) == 1
    assert (await attempts(run))[-2:] == [("step_blocked", 1), ("step_completed", 1)]


async def test_it_is_resolved_as_failed(stage: Stage) -> None:
    """Workflow code gets an error with the text, and may catch it."""
    run = await stage.start("charges_once", "unknown")
    step = await blocked(stage, run)
    await run.resolve(step.id, failed="the bank says no")
    assert "the bank says no" in await outcome(run)


async def test_an_error_is_known(stage: Stage) -> None:
    """What the body raises is how it ended; it is not tried again unless the step says so."""
    run = await stage.start("charges_once", "refused")
    assert "after 1 attempt: ConnectionRefusedError" in await outcome(run)
    assert DIARIES["charges"].count(run.id) == 1


async def test_only_blocked_steps_are_resolved(stage: Stage) -> None:
    """The refusal says how the step stands, or that there is none."""
    run = await stage.start("charges_once", "unknown")
    step = await blocked(stage, run)
    with pytest.raises(EntityConflictError, match="was never asked for"):
        await run.resolve(99)
    await run.cancel(force=True)
    with pytest.raises(EntityConflictError, match="is cancelled"):
        await run.resolve(step.op)


async def test_a_blocked_run_is_cancelled(stage: Stage) -> None:
    """Nothing waits for the step then."""
    run = await stage.start("charges_once", "unknown")
    step = await blocked(stage, run)
    await run.cancel()
    await run._client.wait_ended(run.id)
    assert await run.status() == "cancelled"
    with pytest.raises(EntityConflictError):
        await run.resolve(step.op)
