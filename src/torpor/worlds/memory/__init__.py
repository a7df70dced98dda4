"""The memory world: the reference for all others, and quick for tests."""

from torpor.worlds.memory.world import MemoryWorld

__all__ = ["MemoryWorld"]
