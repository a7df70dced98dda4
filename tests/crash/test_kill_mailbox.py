"""SIGKILL of workers and of senders while messages arrive: nothing is lost, nothing doubled, and the order is kept."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from pathlib import Path

import pytest

from tests.crash import process
from tests.crash.test_kill import live_and_die
from torpor import ids
from torpor.client import Client
from torpor.engine.failpoints import Failpoint
from torpor.worlds import open_world

MESSAGES = 40
WORKFLOWS = ("collecting", "collecting_in_python")
POINTS = {
    Failpoint.AFTER_CLAIM: 2,
    Failpoint.AFTER_DELIVER: 12,
    Failpoint.BEFORE_COMMIT: 12,
    Failpoint.WHILE_PARKING: 2,
    Failpoint.AFTER_COMMIT: 12,
}
"""Where workers die, and how often a round passes there at least: while messages come, runs hardly sleep."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.process"])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
async def test_messages_outlive_workers_and_senders_killed_at(point: Failpoint, rounds: int, tmp_path: Path) -> None:
    """
    A sender that was killed begins anew with the same ids, and each run receives all messages once, in their order.
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
            starts = {run_id: [workflow] for run_id, workflow in zip(run_ids, WORKFLOWS, strict=True)}
            sending = asyncio.create_task(_send_and_die(world.url, run_ids, dice.uniform(0.02, 0.3)))
            died += await live_and_die(world.url, ledger, starts, point, dice.randint(1, POINTS[point]), None)
            await live_and_die(world.url, ledger, starts, point, dice.randint(1, 30), dice.uniform(0.05, 0.4))
            assert await live_and_die(world.url, ledger, starts, "", 0, None) == 0
            await sending
            for run_id in run_ids:
                assert await client.run(run_id).result() == list(range(MESSAGES))
                events = await client.run(run_id).events()
                assert [event.seq for event in events] == list(range(1, len(events) + 1))
                assert sum(event.type == "message_sent" for event in events) == MESSAGES + 1
                info = await client.run(run_id).info()
                assert (info.sent, info.unreceived) == (MESSAGES + 1, 0)
    finally:
        await world.close()
    assert died >= rounds // 2, "the crash point was hardly ever passed"


async def _send_and_die(url: str, run_ids: list[str], seconds: float) -> None:
    """Let a sender be killed after some time, and another one send everything."""
    for limit in (seconds, 60):
        sender = _processes.Process(target=process.send, args=(url, run_ids, MESSAGES))
        await asyncio.to_thread(sender.start)
        try:
            await asyncio.to_thread(sender.join, limit)
        finally:
            if sender.exitcode is None:
                sender.kill()
                await asyncio.to_thread(sender.join)
    assert sender.exitcode == 0, f"the sender ended with {sender.exitcode}"
