"""Runs that go on and on: a step costs as much late as early, and the log behind a snapshot may go."""

from __future__ import annotations

import pytest

from tests.engine.support import until
from tests.semantics.support import Stage, kinds, outcome
from torpor import RunHandle
from torpor.errors import EntityConflictError
from torpor.inspection.archive import archive
from torpor.model import Snapshot

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = 150
"""The benchmark ``forever`` does a million."""


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    """A token that no other test has."""
    return str(request.node.name)


async def at_half(stage: Stage, run: RunHandle, token: str, half: int) -> int:
    """Return the size of the run's snapshot when it sleeps there, 0 if it has none, and let it go on."""
    made = (await stage.logged(run, "hook_created", half))[-1]

    async def asleep() -> Snapshot | None:
        stored = await stage.app.world.snapshot(run.id)
        return stored if stored is not None and stored.cursor >= made.seq - 1 else None

    size = 0
    if stage.runtime == "snapshot":
        stored = await until(stage.app, asleep)
        assert stored is not None
        size = len(stored.data)
    await stage.resume(f"{token} {half}")
    return size


async def test_ten_thousand_steps(stage: Stage, token: str) -> None:
    """Each makes two events, from the first to the last, and the snapshot does not grow with the past."""
    run = await stage.start("many_steps", STEPS, token)
    early = await at_half(stage, run, token, 1)
    late = await at_half(stage, run, token, 2)
    assert await outcome(run) == 2 * STEPS
    counted = await kinds(run)
    assert (counted["step_created"], counted["step_completed"]) == (2 * STEPS, 2 * STEPS)
    assert late <= early * 1.25, (early, late)  # an allocator does not use the very same bytes again


async def test_million_iterations(stage: Stage, token: str) -> None:
    """The log is dropped in the middle, and the run goes on; one in replay mode keeps its log, and says so."""
    run = await stage.start("many_steps", STEPS, token)
    await stage.logged(run, "hook_created", 1)

    async def dropped() -> int:
        return (await archive(stage.app.client, run.id))[1]

    if stage.runtime == "replay":
        with pytest.raises(EntityConflictError):
            await dropped()
    else:
        assert await until(stage.app, dropped) > STEPS
        assert (await run.info()).base > STEPS
    await stage.resume(f"{token} 1")
    await stage.resume(f"{token} 2")
    assert await outcome(run) == 2 * STEPS
