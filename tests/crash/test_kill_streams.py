"""
SIGKILL of a worker while its step writes a stream, and before the commit that has the step's outcome.

A reader in another process follows all the time. It sees each chunk that is durable once, in order; chunks of the
attempt that died stay and are marked, and those of the last attempt are whole.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.crash.test_kill import live_and_die
from torpor import StreamChunk, ids
from torpor.client import Client
from torpor.engine.failpoints import Failpoint
from torpor.errors import RunNotFoundError
from torpor.worlds import open_world

POINTS = ("while a stream is written", Failpoint.BEFORE_COMMIT)
WORKFLOWS = ("telling", "telling_in_python")
CHUNKS = 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
async def test_readers_see_each_durable_chunk_once(point: str, rounds: int, tmp_path: Path) -> None:
    """Whoever follows, and whoever comes later."""
    dice = random.Random(point)
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    client = Client(world)
    ledger = tmp_path / "ledger.txt"
    died = 0
    try:
        for _ in range(rounds):
            run_ids = [ids.fresh("wrun", world.clock.now()) for _ in WORKFLOWS]
            starts = {run_id: [name, CHUNKS] for run_id, name in zip(run_ids, WORKFLOWS, strict=True)}
            following = [asyncio.create_task(follow(client, run_id)) for run_id in run_ids]
            passages = 2 * CHUNKS if point == POINTS[0] else 4
            died += await live_and_die(world.url, ledger, starts, point, dice.randint(1, passages), None)
            await live_and_die(world.url, ledger, starts, point, dice.randint(1, passages), dice.uniform(0.05, 0.4))
            assert await live_and_die(world.url, ledger, starts, "", 0, None) == 0
            for run_id, reading in zip(run_ids, following, strict=True):
                check(await reading, [chunk async for chunk in client.run(run_id).stream().chunks()])
                last = [value async for value in client.run(run_id).stream(attempts="last")]
                assert last == list(range(CHUNKS))
    finally:
        await world.close()
    assert died >= rounds // 2, "the crash point was hardly ever passed"


async def follow(client: Client, run_id: str) -> list[StreamChunk]:
    """Follow a run's stream from before the run is there until the run has ended; a retry opens a closed one again."""
    seen: list[StreamChunk] = []
    while True:
        try:
            run = client.run(run_id)
            async for chunk in run.stream(start=len(seen)).chunks():
                seen.append(chunk)  # noqa: PERF401  # what was seen stays when the reading is broken off
            if (await run.info()).ended_at and await run.stream().tail_index() < len(seen):
                return seen
            await asyncio.sleep(0.01)
        except RunNotFoundError:
            await asyncio.sleep(0.01)


def check(followed: list[StreamChunk], stored: list[StreamChunk]) -> None:
    """Complain of chunks that were missed, doubled, out of order, or lost."""
    assert [(chunk.index, chunk.value, chunk.attempt) for chunk in followed] == [
        (chunk.index, chunk.value, chunk.attempt) for chunk in stored
    ]
    assert [chunk.index for chunk in stored] == list(range(len(stored)))
    attempts: dict[int, list[int]] = {}
    for chunk in stored:
        attempts.setdefault(chunk.attempt, []).append(chunk.value)
    *before, last = attempts
    assert [*before, last] == sorted(attempts)
    for attempt, values in attempts.items():
        assert values == list(range(len(values)))
        assert all(chunk.is_last_attempt == (attempt == last) for chunk in stored if chunk.attempt == attempt)
    assert attempts[last] == list(range(CHUNKS))
