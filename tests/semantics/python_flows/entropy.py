"""Randomness and time, from wherever Python has them."""

from __future__ import annotations

import os
import random
import secrets
import tempfile
import time
import uuid
from datetime import UTC, datetime

from tests.semantics.application import app
from tests.semantics.steps import echo
from torpor import hook


def draw() -> list[str]:
    """Draw from every source of entropy and read every clock."""
    numbers = list(range(20))
    random.shuffle(numbers)
    drawn = [
        random.random(),
        random.SystemRandom().random(),
        random.Random().random(),  # that it is seeded by the run is the point
        numbers,
        uuid.uuid4(),
        uuid.uuid1(),
        secrets.token_hex(),
        os.urandom(8).hex(),
        next(tempfile._get_candidate_names()),  # type: ignore[attr-defined]  # a name drawn deep inside
        hash("strings are hashed with a secret of the process"),
        time.time_ns(),
        time.monotonic(),
        time.perf_counter(),
        datetime.now(UTC),
        datetime.now(),  # noqa: DTZ005  # naive, as people write it
    ]
    return [str(each) for each in drawn]


@app.workflow
async def draws_around_a_wait(token: str) -> dict[str, list[str]]:
    before = draw()
    recorded = await echo(before)
    await hook(token)
    return {"before": before, "recorded": recorded, "after": draw()}


@app.workflow
async def sets_are_iterated() -> list[list[str]]:
    words = {"sets", "have", "an", "order", "of", "their", "own"}
    first = [await echo(word) for word in words]
    return [first, list(words)]
