"""Two worlds that are told the same random history."""

from __future__ import annotations

from collections.abc import Callable

from torpor.testing.clock import ManualClock
from torpor.testing.worlds import run_history
from torpor.world import World
from torpor.worlds.memory import MemoryWorld


async def assert_alike(make: Callable[[ManualClock], World], seed: int, moves: int) -> None:
    """Tell a world and one in memory the same history; both must answer alike."""
    transcripts = []
    for each in (lambda clock: MemoryWorld("memory://", clock), make):
        clock = ManualClock()
        world = each(clock)
        await world.open()
        transcripts.append(await run_history(world, clock, seed, moves))
        await world.close()
    memory, other = transcripts
    for move, (one, its) in enumerate(zip(memory, other, strict=False)):
        assert one == its, f"seed {seed} differs first at answer {move}"
    assert len(memory) == len(other)
