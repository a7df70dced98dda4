"""Routes: a worker gets what its applications, queues, guests, keys and steps fit; what fits nobody waits."""

from __future__ import annotations

from typing import Any, Final

import pytest
from msgspec.structs import replace

from torpor.model import Claims, Event, NewRun, NewTask, WaitingSteps
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    SECOND,
    WORKER,
    T,
    Turn,
    ask,
    begin,
    claim_step,
    everything,
    new_run,
    outcome,
    step,
    take,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

ROUTED: Final[dict[str, Any]] = {"app": "shop", "queue": "slow", "guest": "cpython", "key_id": "k1"}
"""Of a run that differs in all from what :func:`~torpor.testing.worlds.story.new_run` returns."""

FITTING: Final[dict[str, Any]] = {
    "apps": ("", "shop"),
    "queues": ("slow", ""),
    "guests": ("quickjs", "cpython"),
    "key_ids": ("k1", ""),
}
"""A request for both."""


def _routed(run_id: str = RUN) -> NewRun:
    return replace(new_run(run_id), **ROUTED)


async def _with_tasks(world: World, new: NewRun, *names: str) -> None:
    """Create a run that sleeps and has a task of each step."""
    run = await world.create_run(new)
    [task] = await take(world, **{**FITTING, "apps": (new.app,)}, steps_max=0)
    created = [replace(step("step_created", n), name=name) for n, name in enumerate(names, start=1)]
    tasks = [NewTask(event.id, signature=f"{event.name}()") for event in created]
    await Turn(world, task, run.head).commit(Event("run_started", T), *created, tasks=tasks, park=True)


class RoutesSuite(Suite):
    """What a claim matches."""

    @pytest.mark.parametrize("lacking", [
        {"apps": ("",)}, {"apps": ("shop2", "sho", "SHOP")}, {"apps": ()},
        {"queues": ("",)}, {"queues": ("fast",)}, {"queues": ()},
        {"guests": ("quickjs",)}, {"guests": ()},
        {"key_ids": ("",)}, {"key_ids": ("k2",)}, {"key_ids": ()},
    ], ids=str)  # fmt: skip
    async def test_a_turn_waits_for_who_fits_in_all(self, world: World, lacking: dict[str, Any]) -> None:
        """One thing that a worker lacks is enough for it to be left alone, untouched."""
        await world.create_run(_routed())
        before = await everything(world)
        assert await ask(world, **{**FITTING, **lacking}) == Claims()
        assert await everything(world) == before
        assert [task.run_id for task in await take(world, **FITTING)] == [RUN]

    @pytest.mark.parametrize("lacking", [
        {"apps": ("",)}, {"queues": ("",)}, {"key_ids": ("",)}, {"steps": ("refund",)}, {"steps": ()},
        {"steps": ("PAY", "pa", "pay2")},
    ], ids=str)  # fmt: skip
    async def test_a_step_waits_for_who_fits_in_all(self, world: World, lacking: dict[str, Any]) -> None:
        """It needs the application, the queue, the key and the step itself."""
        await _with_tasks(world, _routed(), "pay")
        before = await everything(world)
        assert await ask(world, **{**FITTING, **lacking}) == Claims()
        assert await everything(world) == before
        assert [task.name for task in await take(world, **FITTING)] == ["pay"]

    async def test_steps_need_no_guest(self, world: World) -> None:
        """Any worker that has a step may carry it out, whatever its run is written in."""
        await _with_tasks(world, _routed(), "pay")
        [task] = await take(world, **{**FITTING, "guests": ()})
        assert (task.kind, task.key_id) == ("step", "k1")

    async def test_what_does_not_fit_hides_nothing(self, world: World, clock: ManualClock) -> None:
        """A run of another guest waits, and what stands behind it is handed out in its order."""
        for n, guest in enumerate(("cpython", "quickjs", "cpython", "quickjs")):
            await world.create_run(replace(new_run(f"wrun_{n}"), guest=guest))
            clock.advance(1)
        assert [task.run_id for task in await take(world, turns_max=1)] == ["wrun_1"]
        tasks = await take(world, guests=("cpython", "quickjs"), turns_max=2)
        assert [task.run_id for task in tasks] == ["wrun_0", "wrun_2"]

    async def test_the_longest_ready_comes_first_across_routes(self, world: World, clock: ManualClock) -> None:
        """Routes make no order of their own, neither for turns nor for steps."""
        for n in range(4):
            await _with_tasks(world, replace(new_run(f"wrun_{n}"), app=f"app{n % 2}"), "pay")
            clock.advance(1)
        apps = ("app1", "app0", "")
        assert [task.run_id for task in await take(world, apps=apps, steps_max=3)] == ["wrun_0", "wrun_1", "wrun_2"]

    async def test_the_longest_ready_step_comes_first_across_names(self, world: World) -> None:
        """Names make no order of their own."""
        await _with_tasks(world, new_run(), "b", "a", "c")
        tasks = await take(world, steps=("a", "b", "c"), steps_max=2)
        assert [task.name for task in tasks] == ["b", "a"]

    async def test_the_next_time_is_of_what_fits(self, world: World) -> None:
        """A worker is not woken for what it would not take."""
        for run_id, due, fields in ((RUN, T + 10, {"app": "shop"}), (OTHER, T + 20, {"queue": "slow"})):
            run = await world.create_run(replace(new_run(run_id), **fields))
            [task] = await take(world, **FITTING)
            await Turn(world, task, run.head).commit(Event("run_started", T), wait("wait_created", 1, due), park=True)
        assert (await ask(world)).next_at is None
        assert (await ask(world, queues=("", "slow"))).next_at == T + 20
        assert (await ask(world, **FITTING)).next_at == T + 10

    async def test_a_step_that_a_worker_leaves_is_for_others(self, world: World) -> None:
        """Whether it is ready or will be; the worker's other steps are not concerned."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in (1, 2, 3)))
        tasks = [NewTask("step_01"), NewTask("step_02", T + 5), NewTask("step_03", T + 9)]
        await turn.commit(tasks=tasks, park=True)
        left = await ask(world, left=("step_01", "step_02"))
        assert (left.tasks, left.next_at) == ([], T + 9)
        [task] = await take(world, SECOND, left=("step_02",))
        assert task.step_id == "step_01"

    async def test_a_step_that_nobody_has_is_seen_to_wait(self, world: World, clock: ManualClock) -> None:
        """By application, name and signature, with how many they are, since when, and a run that has one."""
        assert await world.waiting_steps() == []
        await _with_tasks(world, new_run("wrun_1"), "pay")
        clock.advance(5)
        await _with_tasks(world, new_run("wrun_2"), "pay", "refund")
        await _with_tasks(world, replace(new_run("wrun_3"), app="shop"), "pay")
        clock.advance(5)
        assert await ask(world, steps=("other",)) == Claims()
        assert await world.waiting_steps() == [
            WaitingSteps("", "pay", "pay()", 2, T, "wrun_1"),
            WaitingSteps("", "refund", "refund()", 1, T + 5, "wrun_2"),
            WaitingSteps("shop", "pay", "pay()", 1, T + 5, "wrun_3"),
        ]

    async def test_only_ready_steps_wait(self, world: World) -> None:
        """Neither claimed ones nor retries whose time has not come nor those of ended runs."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in (1, 2)))
        await turn.commit(tasks=[NewTask("step_01"), NewTask("step_02", T + 9)])
        await claim_step(world)
        assert await world.waiting_steps() == []
        turn = await begin(world, OTHER, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        assert len(await world.waiting_steps()) == 1
        await world.cancel_run(OTHER, "")
        assert await world.waiting_steps() == []

    async def test_why_a_step_was_not_taken_is_told(self, world: World, clock: ManualClock) -> None:
        """What its last worker said when it gave the step back, from then on, and since when it was asked for."""
        await _with_tasks(world, new_run(), "pay")
        clock.advance(3)
        task = await claim_step(world)
        await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=10, why="no memory")
        waiting = [WaitingSteps("", "pay", "pay()", 1, T, RUN, "no memory")]
        assert await world.waiting_steps() == waiting
        clock.advance(10)
        assert await world.waiting_steps() == waiting
        await world.finish_step(outcome(await claim_step(world), "step_completed"))
        assert await world.waiting_steps() == []
