"""Batches of chunks in few words, and at random."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from torpor.model import NewChunk, StreamBatch, StreamType
from torpor.testing.worlds.story import RUN


def batch(
    *texts: str,
    first: int = 0,
    attempt: int = 1,
    end: bool = False,
    writer: str = "step_01",
    name: str = "news",
    kind: StreamType = "",
    run_id: str = RUN,
) -> StreamBatch:
    """Return a batch of chunks that hold these texts."""
    chunks = tuple(NewChunk(text.encode(), b"tag of " + text.encode()) for text in texts)
    its_end = b"end" if end else None
    return StreamBatch(
        run_id=run_id, name=name, type=kind, writer=writer, attempt=attempt, first=first, chunks=chunks, end=its_end
    )


def random_batch(random: Random, runs: Sequence[str]) -> StreamBatch:
    """Return a batch that a world may take, or have good reasons not to."""
    first = random.choice((0, 0, 1, 2, 3))
    texts = [f"{n}" for n in range(first, first + random.randint(0, 3))]
    return batch(
        *texts,
        first=first,
        attempt=random.choice((1, 1, 1, 2)),
        end=random.random() < 0.1,  # one in ten
        writer=random.choice(("step_001", "step_002", "wrtr_1")),
        name=random.choice(("news", "file")),
        kind=random.choices(("", "bytes"), (9, 1))[0],
        run_id=random.choice(runs),
    )
