"""Deployment keys: a worker gets only what it can read, and everybody learns which keys are in use."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from torpor.errors import HookNotFoundError
from torpor.model import Claims, Event, NewRun, NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    T,
    Turn,
    ask,
    claim_step,
    ending,
    everything,
    hook,
    new_run,
    outcome,
    step,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

K1: Final = "k1"
K2: Final = "k2"


def _encrypted(run_id: str = RUN, key_id: str = K1) -> NewRun:
    return replace(new_run(run_id), key_id=key_id, public=b"public half of 32 bytes" + bytes(9), seed=b"")


async def _turn(world: World, new: NewRun) -> Turn:
    run = await world.create_run(new)
    [task] = await take(world, key_ids=(new.key_id,))
    return Turn(world, task, run.head)


class KeysSuite(Suite):
    """What worlds do with the key of a run; the key itself they never see."""

    async def test_a_run_keeps_its_key(self, world: World) -> None:
        """Key id and public half come back as they were given; an encrypted run has no seed."""
        run = await world.create_run(_encrypted())
        assert (run.key_id, run.public, run.seed) == (K1, _encrypted().public, b"")
        assert await world.get_run(RUN) == run
        assert (await world.load(RUN)).run.key_id == K1

    async def test_a_hook_tells_the_key_of_its_run(self, world: World) -> None:
        """So that whoever resumes it knows how to encrypt the payload."""
        turn = await _turn(world, _encrypted())
        await turn.commit(hook("hook_created", 1))
        [of_run] = (await world.open_entities(RUN)).hooks.values()
        [loaded] = (await world.load(RUN)).held.hooks.values()
        for found in (await world.hook("token"), of_run, loaded):
            assert (found.key_id, found.public) == (K1, _encrypted().public)

    async def test_turns_of_other_keys_are_left_alone(self, world: World) -> None:
        """A claim names its keys; the empty one stands for runs that are not encrypted."""
        await world.create_run(_encrypted())
        await world.create_run(_encrypted(OTHER, K2))
        await world.create_run(new_run("wrun_plain"))
        assert [task.run_id for task in await take(world)] == ["wrun_plain"]
        assert await take(world, key_ids=("", "k3")) == []
        assert [task.run_id for task in await take(world, key_ids=(K2, "k3"))] == [OTHER]
        assert [task.run_id for task in await take(world, key_ids=("", K1, K2))] == [RUN]

    async def test_the_longest_ready_comes_first_across_keys(self, world: World, clock: ManualClock) -> None:
        """Keys make no order of their own."""
        for n, key_id in enumerate((K2, "", K1)):
            await world.create_run(_encrypted(f"wrun_{n}", key_id))
            clock.advance(1)
        tasks = await take(world, key_ids=("", K1, K2), turns_max=2)
        assert [task.run_id for task in tasks] == ["wrun_0", "wrun_1"]

    async def test_steps_of_other_keys_are_left_alone(self, world: World) -> None:
        """Their attempts are not begun, and the task of a step says which key it needs."""
        turn = await _turn(world, _encrypted())
        await turn.commit(Event("run_started", T), step("step_created", 1), tasks=[NewTask("step_01")], park=True)
        before = await everything(world)
        assert await ask(world, key_ids=("", K2)) == Claims()
        assert await everything(world) == before
        [task] = await take(world, key_ids=("", K1))
        assert (task.step_id, task.key_id) == ("step_01", K1)
        await world.finish_step(outcome(task, "step_completed"))
        assert (await types(world))[-1] == "step_completed"

    async def test_a_step_of_a_plain_run_has_no_key(self, world: World) -> None:
        """Its task says so."""
        turn = await _turn(world, new_run())
        await turn.commit(step("step_created", 1), tasks=[NewTask("step_01")])
        assert (await claim_step(world)).key_id == ""

    async def test_the_next_time_is_of_these_keys(self, world: World) -> None:
        """A worker that cannot read a run is not woken for it, neither by its turn nor by its steps."""
        turn = await _turn(world, _encrypted())
        await turn.commit(Event("run_started", T), wait("wait_created", 1, T + 1), park=True)
        turn = await _turn(world, _encrypted(OTHER, K2))
        await turn.commit(step("step_created", 1), tasks=[NewTask("step_01", T + 2)], park=True)
        assert (await ask(world)).next_at is None
        assert (await ask(world, key_ids=("", K1, K2))).next_at == T + 1
        assert (await ask(world, key_ids=("", K2))).next_at == T + 2
        assert (await ask(world, key_ids=(K1,), guests=())).next_at is None

    async def test_keys_in_use_are_counted(self, world: World) -> None:
        """By key, of all runs or of those that have not ended; plain runs have none."""
        assert await world.runs_by_key(live=False) == {}
        await world.create_run(new_run("wrun_plain"))
        await world.create_run(_encrypted("wrun_1"))
        await world.create_run(_encrypted("wrun_2"))
        await world.cancel_run("wrun_2", "")
        turn = await _turn(world, _encrypted("wrun_3", K2))
        await turn.commit(Event("run_started", T), ending())
        assert await world.runs_by_key(live=True) == {K1: 1}
        assert await world.runs_by_key(live=False) == {K1: 2, K2: 1}

    async def test_a_payload_is_for_the_run_that_it_was_encrypted_for(self, world: World) -> None:
        """When the token is another run's by now, nothing is received."""
        first = await _turn(world, _encrypted())
        await first.commit(hook("hook_created", 1))
        await world.resume_hook("token", b"encr1", "r1", run_id=RUN)
        await world.cancel_run(RUN, "")
        second = await _turn(world, _encrypted(OTHER))
        await second.commit(hook("hook_created", 1))
        before = await everything(world, OTHER)
        with pytest.raises(HookNotFoundError, match=f"not run {RUN}'s any more"):
            await world.resume_hook("token", b"encr2", "r2", run_id=RUN)
        assert await everything(world, OTHER) == before
        assert await world.resume_hook("token", b"encr2", "r2", run_id=OTHER) == OTHER
