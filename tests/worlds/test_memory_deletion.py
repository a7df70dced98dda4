"""That deleting leaves nothing of a run in a memory world, in whatever it keeps."""

from __future__ import annotations

from dataclasses import fields

from torpor.testing.worlds.deletion import lived
from torpor.testing.worlds.story import RUN
from torpor.worlds.memory import MemoryWorld


async def test_nothing_of_a_deleted_run_is_left() -> None:
    """None of what the store has says anything of it."""
    world = MemoryWorld()
    await lived(world)
    store = world._store
    assert RUN in repr(store.runs)
    assert await world.delete_run(RUN)
    assert [each.name for each in fields(store) if RUN in repr(getattr(store, each.name))] == []
