"""A step that writes to the run's stream."""

from benchmarks.steps import write
from torpor import get_writable


async def streaming(chunks: int, size: int, pause: float) -> int:
    """Return how many chunks were written."""
    return await write(get_writable(type="bytes"), chunks, size, pause)
