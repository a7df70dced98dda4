"""
SIGKILL of a worker process at every failpoint, and inside a step: no run is lost, no op lost or doubled.

A round starts runs, lets a worker die at a random passage of the point, kills the next
worker at a random moment besides, and lets a third one finish. The random numbers' seed is in the test's id.
``make crash`` plays twenty rounds of each point, a common run of all tests a few.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import multiprocessing
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.crash import process
from torpor import ids
from torpor.client import Client
from torpor.engine.failpoints import Failpoint
from torpor.errors import HookNotFoundError
from torpor.lifecycle import CREATIONS
from torpor.model import Event
from torpor.worlds import open_world

POINTS: tuple[str, ...] = (*Failpoint, "while a step runs")
PASSAGES: dict[str, int] = {Failpoint.AFTER_ENDING: 3, Failpoint.BEFORE_STEP_OUTCOME: 3, Failpoint.WHILE_PARKING: 3}
"""How often a round passes the points that each of its runs passes once."""

PASSAGES_OF_OTHERS = 12
"""How often it passes any other point, at least."""

WORKFLOWS = ("mixed", "mixed_in_python", "mixed")
"""The runs of a round."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.process"])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
async def test_runs_outlive_workers_killed_at(point: str, rounds: int, tmp_path: Path) -> None:
    """
    Every run completes with the right result, its log is dense, and each step has exactly one recorded result.
    """
    dice = random.Random(point)
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    client = Client(world)
    ledger = tmp_path / "ledger.txt"
    died = 0
    try:
        for _ in range(rounds):
            run_ids = [ids.fresh("wrun", world.clock.now()) for _ in WORKFLOWS]
            resuming = [asyncio.create_task(resume(client, f"token-{run_id}")) for run_id in run_ids]
            named = zip(run_ids, WORKFLOWS, strict=True)
            starts = {run_id: [workflow, f"token-{run_id}"] for run_id, workflow in named}
            nth = dice.randint(1, PASSAGES.get(point, PASSAGES_OF_OTHERS))
            died += await live_and_die(world.url, ledger, starts, point, nth, None)
            await live_and_die(world.url, ledger, starts, point, dice.randint(1, 30), dice.uniform(0.05, 0.4))
            assert await live_and_die(world.url, ledger, starts, "", 0, None) == 0
            await asyncio.gather(*resuming)
            for run_id in run_ids:
                await check(client, run_id, ledger)
    finally:
        await world.close()
    assert died >= rounds // 2, "the crash point was hardly ever passed"


async def live_and_die(
    url: str, ledger: Path, starts: Mapping[str, list[Any]], point: str, nth: int, seconds: float | None
) -> int:
    """Let a worker live until it ends by itself, by its crash point or by time; return 1 when it was killed."""
    worker = _processes.Process(target=process.serve, args=(url, str(ledger), starts, point, nth))
    await asyncio.to_thread(worker.start)
    try:
        await asyncio.to_thread(worker.join, 60 if seconds is None else seconds)
        assert seconds is not None or worker.exitcode is not None, "the worker neither finished nor died in a minute"
    finally:
        if worker.exitcode is None:
            worker.kill()
            await asyncio.to_thread(worker.join)
    assert worker.exitcode in (0, -9), f"the worker ended with {worker.exitcode}"
    return int(worker.exitcode == -9)


async def resume(client: Client, token: str) -> None:
    """Resume the hook as soon as it is there; a repetition with the same id is recorded once."""
    for _ in range(6000):
        try:
            await client.resume_hook(token, {"extra": 7}, resume_id=f"resume-{token}")
            break
        except HookNotFoundError:
            await asyncio.sleep(0.01)
    else:
        raise AssertionError(f"no hook {token} came up in a minute")
    with contextlib.suppress(HookNotFoundError):
        await client.resume_hook(token, {"extra": 7}, resume_id=f"resume-{token}")


async def check(client: Client, run_id: str, ledger: Path) -> None:
    """Complain of a run that has not come to the right end by way of a right log, or of steps in the ledger."""
    result = await client.run(run_id).result()
    assert result["total"] == 10 + 65 + 7
    assert result["winner"] in ("string", "number")
    assert len(set(result["drawn"])) == 4
    events = await client.run(run_id).events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    _check_ops(events)
    _check_steps(events, run_id, ledger)


def _check_ops(events: list[Event]) -> None:
    created = [event for event in events if event.type in CREATIONS and event.type != "run_created"]
    assert sorted(event.op for event in created) == list(range(1, len(created) + 1))
    assert len({event.id for event in created}) == len(created)
    received = [event for event in events if event.type == "hook_received"]
    assert len(received) == 1


def _check_steps(events: list[Event], run_id: str, ledger: Path) -> None:
    executed = collections.defaultdict(list)
    for line in ledger.read_text().splitlines():
        run, step_id, _, attempt = line.split()
        if run == run_id:
            executed[step_id].append(int(attempt))
    for step in (event for event in events if event.type == "step_created"):
        own = [event for event in events if event.id == step.id]
        [completed] = [event for event in own if event.type == "step_completed"]
        # Each execution is an attempt of its own, which was stored before it began.
        assert len(set(executed[step.id])) == len(executed[step.id])
        assert completed.attempt in executed[step.id]
        assert max(executed[step.id]) == completed.attempt
