"""Deployment keys: a worker gets only what it can read, and everybody learns which keys are in use."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from torpor.errors import HookNotFoundError
from torpor.model import Event, NewRun, NewTask, Task
from torpor.testing.worlds.story import (
    GUESTS,
    OTHER,
    RUN,
    WORKER,
    T,
    Turn,
    claim_step,
    ending,
    everything,
    hook,
    new_run,
    outcome,
    step,
    types,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

K1: Final = "k1"
K2: Final = "k2"


def _encrypted(run_id: str = RUN, key_id: str = K1, at: int = T) -> NewRun:
    return replace(new_run(run_id, at=at), key_id=key_id, public=b"public half of 32 bytes" + bytes(9), seed=b"")


async def _claim(world: World, *keys: str, turns: int = 9, steps: int = 9) -> list[Task]:
    return await world.claim(WORKER, T + 9, turns=turns, steps=steps, guests=GUESTS, keys=keys)


async def _turn(world: World, new: NewRun) -> Turn:
    run = await world.create_run(new)
    [task] = await _claim(world, new.key_id)
    return Turn(world, task, run.head, WORKER)


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
        [of_run] = await world.hooks(RUN)
        [loaded] = (await world.load(RUN)).hooks
        for found in (await world.hook("token"), of_run, loaded):
            assert (found.key_id, found.public) == (K1, _encrypted().public)

    async def test_turns_of_other_keys_are_left_alone(self, world: World) -> None:
        """A claim names its keys; the empty one stands for runs that are not encrypted."""
        await world.create_run(_encrypted())
        await world.create_run(_encrypted(OTHER, K2))
        await world.create_run(new_run("wrun_plain"))
        assert [task.run_id for task in await _claim(world, "")] == ["wrun_plain"]
        assert await _claim(world, "", "k3") == []
        assert [task.run_id for task in await _claim(world, K2, "k3")] == [OTHER]
        assert [task.run_id for task in await _claim(world, "", K1, K2)] == [RUN]

    async def test_a_claim_without_keys_takes_what_is_plain(self, world: World) -> None:
        """That is what who knows of no keys can read."""
        await world.create_run(_encrypted())
        assert await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS) == []
        assert await world.next_ready_at(guests=GUESTS) is None

    async def test_the_longest_ready_comes_first_across_keys(self, world: World) -> None:
        """Keys make no order of their own."""
        for n, key_id in enumerate((K2, "", K1)):
            await world.create_run(_encrypted(f"wrun_{n}", key_id, T + n))
        assert [task.run_id for task in await _claim(world, "", K1, K2, turns=2)] == ["wrun_0", "wrun_1"]

    async def test_steps_of_other_keys_are_left_alone(self, world: World) -> None:
        """Their attempts are not begun, and the task of a step says which key it needs."""
        turn = await _turn(world, _encrypted())
        await turn.commit(step("step_created", 1), tasks=[NewTask("step_01", T)], park=True)
        before = await everything(world)
        assert await _claim(world, "", K2) == []
        assert await world.next_ready_at(guests=GUESTS, keys=("", K2)) is None
        assert await everything(world) == before
        [task] = await _claim(world, "", K1)
        assert (task.step_id, task.key_id) == ("step_01", K1)
        await world.finish_step(outcome(task, "step_completed"))
        assert (await types(world))[-1] == "step_completed"

    async def test_a_step_of_a_plain_run_has_no_key(self, world: World) -> None:
        """Its task says so."""
        turn = await _turn(world, new_run())
        await turn.commit(step("step_created", 1), tasks=[NewTask("step_01", T)])
        assert (await claim_step(world)).key_id == ""

    async def test_the_next_time_is_of_these_keys(self, world: World) -> None:
        """A worker that cannot read a run is not woken for it, neither by its turn nor by its steps."""
        await world.create_run(_encrypted(at=T + 1))
        turn = await _turn(world, _encrypted(OTHER, K2))
        await turn.commit(step("step_created", 1), tasks=[NewTask("step_01", T + 2)])
        assert await world.next_ready_at(guests=GUESTS, keys=("",)) is None
        assert await world.next_ready_at(guests=GUESTS, keys=("", K1, K2)) == T + 1
        assert await world.next_ready_at(guests=GUESTS, keys=("", K2)) == T + 2
        assert await world.next_ready_at(guests=(), keys=("", K1)) is None

    async def test_keys_in_use_are_counted(self, world: World) -> None:
        """By key, of all runs or of those that have not ended; plain runs have none."""
        assert await world.runs_by_key(live=False) == {}
        await world.create_run(new_run("wrun_plain"))
        await world.create_run(_encrypted("wrun_1"))
        await world.create_run(_encrypted("wrun_2"))
        await world.cancel_run("wrun_2", "", T)
        turn = await _turn(world, _encrypted("wrun_3", K2))
        await turn.commit(Event("run_started", T), ending())
        assert await world.runs_by_key(live=True) == {K1: 1}
        assert await world.runs_by_key(live=False) == {K1: 2, K2: 1}

    async def test_a_payload_is_for_the_run_that_it_was_encrypted_for(self, world: World) -> None:
        """When the token is another run's by now, nothing is received."""
        first = await _turn(world, _encrypted())
        await first.commit(hook("hook_created", 1))
        await world.resume_hook("token", b"encr1", "r1", T, run_id=RUN)
        await world.cancel_run(RUN, "", T)
        second = await _turn(world, _encrypted(OTHER))
        await second.commit(hook("hook_created", 1))
        before = await everything(world, OTHER)
        with pytest.raises(HookNotFoundError, match=f"not run {RUN}'s any more"):
            await world.resume_hook("token", b"encr2", "r2", T, run_id=RUN)
        assert await everything(world, OTHER) == before
        assert (await world.resume_hook("token", b"encr2", "r2", T, run_id=OTHER)).run_id == OTHER
