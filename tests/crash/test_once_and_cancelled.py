"""SIGKILL inside a step that must not happen twice, and around a cancellation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.crash.test_kill import live_and_die
from torpor import RunHandle
from torpor.client import Client
from torpor.engine.failpoints import Failpoint
from torpor.errors import EntityConflictError, RunCancelledError
from torpor.worlds import open_world

T = TypeVar("T")

LANGUAGES = pytest.mark.parametrize("suffix", ["", "_in_python"], ids=["quickjs", "cpython"])


async def until(look: Callable[[], Awaitable[T]]) -> T:
    """Look until there is something to see, of what other processes do."""
    for _ in range(3000):
        if seen := await look():
            return seen
        await asyncio.sleep(0.02)
    raise AssertionError("there was nothing to see in a minute")


@pytest.mark.timeout(300)
@LANGUAGES
@pytest.mark.parametrize("seconds", [0, 0.3], ids=["in its turn", "handed over"])
async def test_a_step_whose_worker_dies_inside_is_not_begun_again(suffix: str, seconds: float, tmp_path: Path) -> None:
    """The run is blocked on it, whatever worker lives, and goes on with what somebody has found out."""
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    ledger = tmp_path / "ledger.txt"
    starts = {"order-1": [f"charges{suffix}", seconds]}
    run = Client(world).run("order-1")
    try:
        assert await live_and_die(world.url, ledger, starts, "while a step runs", 1, None) == 1
        second = asyncio.create_task(live_and_die(world.url, ledger, starts, "", 0, None))

        async def blocked() -> bool:
            return bool((await run.info()).blocked)

        await until(blocked)
        (step,) = (await run.info()).blocked
        assert (step.name, step.op, step.attempt) == ("charge", 1, 1)
        assert "died in attempt 1" in step.why
        assert _charged(ledger) == 1
        await run.resolve(step.op, 900)
        assert await run.result(timeout=60) == 902
        assert await second == 0
        assert _charged(ledger) == 1
        with pytest.raises(EntityConflictError):
            await run.resolve(step.op, 901)
    finally:
        await world.close()


def _charged(ledger: Path) -> int:
    return sum(" charge " in line for line in ledger.read_text().splitlines())


@pytest.mark.timeout(600)
@LANGUAGES
@pytest.mark.parametrize("point", [*Failpoint, "while a step runs"])
async def test_a_cancelled_run_cleans_up_though_workers_die(suffix: str, point: str, tmp_path: Path) -> None:
    """It ends as cancelled, once, and its cleanup is done."""
    dice = random.Random(f"{point}{suffix}")
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    client = Client(world)
    ledger = tmp_path / "ledger.txt"
    starts = {"order-1": [f"reserves{suffix}", "token"]}
    run = client.run("order-1")
    try:
        asked = asyncio.create_task(_cancel(client, run))
        await live_and_die(world.url, ledger, starts, point, dice.randint(1, 4), 3)
        await live_and_die(world.url, ledger, starts, point, dice.randint(1, 3), 3)
        assert await live_and_die(world.url, ledger, starts, "", 0, None) == 0
        await asked
        with pytest.raises(RunCancelledError, match="sold out"):
            await run.result(timeout=60)
        events = await run.events()
        kinds = [event.type for event in events]
        assert (kinds[-1], kinds.count("run_cancelling"), kinds.count("run_cancelled")) == ("run_cancelled", 1, 1)
        assert kinds.count("step_completed") == 2
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
    finally:
        await world.close()


async def _cancel(client: Client, run: RunHandle) -> None:
    """Cancel the run once it waits for its hook."""

    async def waits() -> bool:
        return any(hook.run_id == run.id for hook in await client.world.live_hooks())

    await until(waits)
    await run.cancel("sold out")
