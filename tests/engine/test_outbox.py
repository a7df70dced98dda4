"""What a run asks for is stored before much more of it is held, however many events come together."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, until
from torpor import Torpor, limits
from torpor.model import Commit, Committed, Entities, Runtime

SIZE = 20_000
CHAINS = 12


@pytest.fixture
async def app(url: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Torpor]:
    """An open application whose runs may have little waiting to be stored, and get little in one call."""
    monkeypatch.setattr(limits, "OUTBOX_BYTES_MAX", SIZE)
    monkeypatch.setattr(limits, "EVENTS_PER_CALL", 1)
    async with application.on(url, runtime=runtime) as opened:
        yield opened


@pytest.fixture
def outboxes(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return, filled as it goes, how many bytes of outputs each commit has."""
    found: list[int] = []
    commit = app.world.commit

    async def noted(change: Commit, held: Entities) -> Committed:
        found.append(sum(len(event.payload or b"") for event in change.outputs))
        return await commit(change, held)

    monkeypatch.setattr(app.world, "commit", noted)
    monkeypatch.setattr(app.world, "commit_at_once", lambda *_: None)
    monkeypatch.setattr(app.world, "hand_in", lambda *_: False)
    return found


async def test_results_that_come_together_are_taken_as_there_is_room(app: Torpor, outboxes: list[int]) -> None:
    """Each leads to a step with a large argument; no commit has more than the limit and one more of them."""
    async with app.worker():
        run = await app.start("chains", CHAINS, SIZE)
        assert await run.result(timeout=TIMEOUT) == CHAINS * SIZE

    assert max(outboxes) < 3 * SIZE
    assert sum(outboxes) > 6 * SIZE  # packed it is more than half as large


async def test_events_that_came_while_a_run_slept_are_taken_as_there_is_room(app: Torpor, outboxes: list[int]) -> None:
    """They are in its log already; the run parks only when it has had them all."""
    async with app.worker():
        run = await app.start("chainsOfHooks", CHAINS, SIZE)

        async def sleeps() -> bool:
            return len((await app.world.open_entities(run.id)).hooks) == CHAINS

        await until(app, sleeps)
    for number in range(CHAINS):
        await app.resume_hook(f"chain-{number}", number)
    outboxes.clear()
    async with app.worker():
        assert await run.result(timeout=TIMEOUT) == CHAINS * SIZE

    assert max(outboxes) < 3 * SIZE
    assert sum(outboxes) > 6 * SIZE
