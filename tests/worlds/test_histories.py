"""Two worlds that are told the same random history answer the same and end with the same logs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.names import FRESH_SEED
from tests.postgres_server import empty, server_url
from tests.redis_server import empty_redis
from tests.worlds.alike import assert_alike
from torpor.model import Commit, Committed, Entities
from torpor.testing.clock import ManualClock
from torpor.testing.worlds import run_history
from torpor.worlds import open_world
from torpor.worlds.memory import MemoryWorld

_MOVES = 400
_SEEDS = (*range(1, 9), FRESH_SEED)
_PUT_BACK = (1981146350, 1729268891)
"""Histories in which a clock is put back between two looks for what is due."""


@pytest.mark.parametrize("seed", _SEEDS)
async def test_memory_and_sqlite_answer_alike(tmp_path: Path, seed: int) -> None:
    """The last of the seeds is a fresh one; a failure's name tells it."""
    url = f"sqlite:///{tmp_path}/torpor.db?synchronous=normal"
    await assert_alike(partial(open_world, url), seed, _MOVES)


@pytest.mark.parametrize("seed", [*range(1, 4), *_PUT_BACK, FRESH_SEED])
async def test_memory_and_redis_answer_alike(seed: int) -> None:
    """And with another one."""
    await assert_alike(partial(open_world, empty_redis()), seed, _MOVES // 2)


@pytest.mark.parametrize("seed", [*range(1, 4), FRESH_SEED])
async def test_memory_and_postgres_answer_alike(seed: int) -> None:
    """It is the same with a server in between."""
    url = server_url()
    empty(url)
    await assert_alike(partial(open_world, url), seed, _MOVES // 2)


class _Forgetful(MemoryWorld):
    """A world that does not believe what turns know."""

    async def commit(self, commit: Commit, held: Entities | None = None) -> Committed:
        return await super().commit(commit)


@pytest.mark.parametrize("seed", _SEEDS)
async def test_what_a_turn_knows_changes_no_answer(seed: int) -> None:
    """A commit that reads nothing does the same as one that reads everything."""
    transcripts = []
    for kind in (MemoryWorld, _Forgetful):
        clock = ManualClock()
        transcripts.append(await run_history(kind(clock=clock), clock, seed, 2 * _MOVES))
    for move, (one, other) in enumerate(zip(*transcripts, strict=False)):
        assert one == other, f"seed {seed} differs first at answer {move}"
