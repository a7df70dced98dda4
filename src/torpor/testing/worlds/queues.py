"""Queues with limits: what may begin, who is next, and that slots come back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from torpor.errors import ConfigurationError
from torpor.model import NOW, ClaimRequest, Claims, Event, NewTask, Task
from torpor.model.flow import Limits, Place, QueueInfo
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    SECOND,
    WORKER,
    T,
    Turn,
    begin,
    ending,
    new_run,
    outcome,
    request,
    step,
    wait,
    worker_row,
)
from torpor.testing.worlds.suite import MakeWorld, Suite, at_once
from torpor.world import World

MAIL = "mail"


async def enqueue(world: World, *names: str, queue: str = MAIL, **fields: Any) -> None:
    """Create runs in a queue, of which each name says id and, before a hyphen, key: ``anna-1``."""
    for name in names:
        key, hyphen, _ = name.rpartition("-")
        await world.create_run(replace(new_run(name), queue=queue, key=key if hyphen else "", **fields))


def asked(worker: str = WORKER, **fields: Any) -> ClaimRequest:
    """Return a request for what is in the queue, and in none."""
    return request(worker, queues=("", MAIL), **fields)


async def claims(world: World, worker: str = WORKER, **fields: Any) -> Claims:
    """Claim; a worker that the world does not know registers first."""
    found = await world.claim(asked(worker, **fields))
    if found.known:
        return found
    await world.register(worker_row(worker))
    return await world.claim(asked(worker, **fields))


async def claimed(world: World, worker: str = WORKER, **fields: Any) -> list[str]:
    """Claim, and return the ids of runs, and of steps behind their runs'."""
    return [task.step_id or task.run_id for task in (await claims(world, worker, **fields)).tasks]


async def turn_of(world: World, run_id: str, worker: str = WORKER) -> Turn:
    """Return the turn of a run that was claimed."""
    held = (await world.load(run_id)).held
    return Turn(world, Task("turn", run_id, held.run.epoch), held.run.head, worker, held)


async def hand_over(world: World, *places: Place, run_id: str = RUN) -> Turn:
    """Begin a run whose steps 1, 2 … wait at these places."""
    turn = await begin(world, run_id)
    numbers = range(1, len(places) + 1)
    tasks = [NewTask(f"step_{n:02}", NOW, place=place) for n, place in zip(numbers, places, strict=True)]
    await turn.commit(*[step("step_created", n) for n in numbers], tasks=tasks)
    return turn


async def info(world: World) -> tuple[int, int]:
    """Return how much waits in the queue, and how much has a slot."""
    found = {(queue.app, queue.name): queue for queue in await world.queues()}
    queue = found.get(("", MAIL), QueueInfo("", MAIL, Limits()))
    return queue.waiting, queue.held


class QueuesSuite(Suite):
    """The ``Queues`` protocol, and claims in queues."""

    async def test_limits_come_back(self, world: World) -> None:
        """Those of one application, or of all, by name; they may change, and be forgotten."""
        limits = Limits(concurrency=3, per_worker=2, per_key=1, rate=10, period_ms=60_000, asleep="give_back")
        await world.set_queue("shop", "b", limits)
        await world.set_queue("", "a", Limits())
        assert await world.queues() == [QueueInfo("", "a", Limits()), QueueInfo("shop", "b", limits)]
        await world.set_queue("shop", "b", Limits(rate=1))
        assert await world.queues("shop") == [QueueInfo("shop", "b", Limits(rate=1))]
        await world.delete_queue("shop", "b")
        await world.delete_queue("shop", "b")
        assert await world.queues("shop") == []

    async def test_limits_that_make_no_sense_are_refused(self, world: World) -> None:
        """And nothing is stored."""
        for name, limits in (
            (MAIL, Limits(rate=-1)),
            ("", Limits()),
            (MAIL, Limits(period_ms=1)),
            ("x" * 999, Limits()),
        ):
            with pytest.raises(ConfigurationError):
                await world.set_queue("", name, limits)
        assert await world.queues() == []

    async def test_a_queue_without_limits_holds_nobody_back(self, world: World) -> None:
        """Only workers that take its runs get them."""
        await enqueue(world, "1", "2")
        assert await world.queues() == [QueueInfo("", MAIL, Limits(), waiting=2)]
        await world.register(worker_row())
        assert (await world.claim(request())).tasks == []
        assert await claimed(world) == ["1", "2"]
        assert await info(world) == (0, 2)

    async def test_so_many_have_a_slot_at_once(self, world: World) -> None:
        """The longest ready first; the others follow as slots come back, over claims and workers."""
        await world.set_queue("", MAIL, Limits(concurrency=2))
        await enqueue(world, "1", "2", "3", "4")
        assert await claimed(world) == ["1", "2"]
        assert await claimed(world, SECOND) == []
        assert await info(world) == (2, 2)
        turn = await turn_of(world, "1")
        await turn.commit(Event("run_started", T), ending())
        assert await claimed(world, SECOND) == ["3"]
        await world.cancel_run("2", "")
        assert await claimed(world) == ["4"]

    async def test_limits_may_change_while_runs_wait(self, world: World) -> None:
        """More may begin at once; of fewer, those that have begun go on."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await enqueue(world, "1", "2", "3", "4")
        assert await claimed(world) == ["1"]
        await world.set_queue("", MAIL, Limits(concurrency=3))
        assert await claimed(world) == ["2", "3"]
        await world.set_queue("", MAIL, Limits(concurrency=1))
        assert await claimed(world) == []
        assert await info(world) == (1, 3)
        await world.delete_queue("", MAIL)
        assert await claimed(world) == ["4"]

    async def test_what_is_in_no_queue_is_not_held_back(self, world: World) -> None:
        """Neither by the limit, nor by what waits before it."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await enqueue(world, "1", "2", "3")
        await enqueue(world, "free", queue="")
        assert await claimed(world, turns_max=2) == ["1", "free"]

    async def test_a_run_holds_its_slot_while_it_sleeps(self, world: World, clock: ManualClock) -> None:
        """And wakes without waiting for one."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await enqueue(world, "1", "2")
        assert await claimed(world) == ["1"]
        turn = await turn_of(world, "1")
        await turn.commit(Event("run_started", T), wait("wait_created", 1, T + 50), park=True)
        assert await claimed(world) == []
        clock.advance(50)
        assert await claimed(world, SECOND) == ["1"]

    async def test_a_run_may_give_its_slot_back_while_it_sleeps(self, world: World, clock: ManualClock) -> None:
        """Then it waits for one when it wakes."""
        await world.set_queue("", MAIL, Limits(concurrency=1, asleep="give_back"))
        await enqueue(world, "1", "2")
        assert await claimed(world) == ["1"]
        turn = await turn_of(world, "1")
        await turn.commit(Event("run_started", T), wait("wait_created", 1, T + 50), park=True)
        assert await claimed(world) == ["2"]
        clock.advance(50)
        assert await claimed(world) == []
        other = await turn_of(world, "2")
        await other.commit(Event("run_started", T), ending())
        assert await claimed(world) == ["1"]

    async def test_a_dead_worker_lets_its_runs_go_on(self, world: World) -> None:
        """Their slots are theirs; one that gives its slot back asleep waits for it anew."""
        for asleep in ("hold", "give_back"):
            await world.set_queue("", MAIL, Limits(concurrency=1, asleep=asleep))
            await enqueue(world, f"{asleep} 1", f"{asleep} 2")
            assert await claimed(world) == [f"{asleep} 1"]
            assert await world.release([WORKER]) == 1
            assert await claimed(world, SECOND) == [f"{asleep} 1"]
            for n in (1, 2):
                await world.cancel_run(f"{asleep} {n}", "")

    async def test_so_many_begin_at_one_worker(self, world: World) -> None:
        """And more at another one."""
        await world.set_queue("", MAIL, Limits(per_worker=2))
        await enqueue(world, "1", "2", "3", "4", "5")
        assert await claimed(world) == ["1", "2"]
        assert await claimed(world) == []
        assert await claimed(world, SECOND) == ["3", "4"]

    async def test_so_many_of_a_key_have_a_slot(self, world: World) -> None:
        """What waits of one key holds no other up."""
        await world.set_queue("", MAIL, Limits(per_key=1))
        await enqueue(world, "anna-1", "anna-2", "anna-3", "bert-1", "cleo-1", "cleo-2")
        assert await claimed(world, turns_max=9) == ["anna-1", "bert-1", "cleo-1"]
        assert await claimed(world) == []
        turn = await turn_of(world, "anna-1")
        await turn.commit(Event("run_started", T), ending())
        assert await claimed(world) == ["anna-2"]

    async def test_keys_take_turns(self, world: World) -> None:
        """However much one of them has put in before the others, within a claim and over claims."""
        await world.set_queue("", MAIL, Limits(concurrency=100))
        await enqueue(world, "anna-1", "anna-2", "anna-3", "anna-4", "bert-1", "cleo-1", "cleo-2")
        assert await claimed(world, turns_max=4) == ["anna-1", "bert-1", "cleo-1", "anna-2"]
        assert await claimed(world, turns_max=1) == ["cleo-2"]
        assert await claimed(world) == ["anna-3", "anna-4"]

    async def test_a_higher_priority_comes_first(self, world: World) -> None:
        """Whatever the turn of its key, also when a slot is free again."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await enqueue(world, "anna-1", "bert-1")
        await enqueue(world, "anna-2", priority=5)
        assert await claimed(world) == ["anna-2"]
        await world.cancel_run("anna-2", "")
        assert await claimed(world) == ["bert-1"]

    async def test_so_much_begins_in_a_while(self, world: World, clock: ManualClock) -> None:
        """Never more in any period, and the world tells when the next may begin."""
        await world.set_queue("", MAIL, Limits(rate=3, period_ms=1_000))
        await enqueue(world, *map(str, range(9)))
        begun: list[tuple[int, str]] = []
        while len(begun) < 9:
            found = await claims(world)
            begun += [(clock.now(), task.run_id) for task in found.tasks]
            if len(begun) < 9:
                assert found.next_at is not None
                clock.advance(found.next_at - clock.now())
        assert [run_id for _, run_id in begun] == [*map(str, range(9))]
        assert all(sum(at <= other < at + 1_000 for other, _ in begun) <= 3 for at, _ in begun)
        assert begun[-1][0] - begun[0][0] <= 2 * 1_100

    async def test_a_clock_that_is_put_back_stops_no_rate(self, world: World, clock: ManualClock) -> None:
        """What began in its future counts for a period at most."""
        await world.set_queue("", MAIL, Limits(rate=1, period_ms=1_000))
        await enqueue(world, "1", "2")
        assert await claimed(world) == ["1"]
        clock.jump(-3_600_000)
        clock.advance(2_100)
        assert await claimed(world) == ["2"]

    async def test_steps_may_have_a_queue_of_their_own(self, world: World) -> None:
        """A slot is held while one is claimed, and comes back with its outcome."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await hand_over(world, Place(MAIL), Place(MAIL))
        first = (await claims(world)).tasks
        assert [(task.step_id, task.queue) for task in first] == [("step_01", MAIL)]
        assert await claimed(world, SECOND) == []
        assert await info(world) == (1, 1)
        await world.finish_step(outcome(first[0], "step_completed"))
        assert await claimed(world, SECOND, turns_max=0) == ["step_02"]

    async def test_slots_of_steps_come_back_with_their_claims(self, world: World, clock: ManualClock) -> None:
        """With a retry, a snooze, the worker's death, and the end of the run."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await hand_over(world, Place(MAIL), Place(MAIL), Place(MAIL))
        [task] = (await claims(world)).tasks
        await world.finish_step(outcome(task, "step_retrying", due=T + 9))
        [task] = (await claims(world)).tasks
        assert task.step_id == "step_02"
        await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=9, why="why")
        assert await claimed(world) == ["step_03"]
        await world.release([WORKER])
        clock.advance(9)
        assert await claimed(world, SECOND, turns_max=0) == ["step_03"]
        await world.cancel_run(RUN, "")
        assert await info(world) == (0, 0)

    async def test_a_step_may_be_moved_into_a_queue(self, world: World) -> None:
        """By a worker that knows that it belongs there."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        turn = await hand_over(world, Place(MAIL))
        await turn.commit(step("step_created", 2), tasks=[NewTask("step_02")])
        assert await claimed(world, steps_max=0) == []
        tasks = {task.step_id: task for task in (await claims(world)).tasks}
        assert set(tasks) == {"step_01", "step_02"}
        await world.snooze_step(
            RUN, "step_02", WORKER, tasks["step_02"].epoch, delay_ms=0, why="", place=Place(MAIL, "anna")
        )
        assert await claimed(world) == []
        await world.finish_step(outcome(tasks["step_01"], "step_completed"))
        assert await claimed(world, turns_max=0) == ["step_02"]

    async def test_runs_and_steps_of_a_queue_share_its_limits(self, world: World) -> None:
        """And keys of both are the same."""
        await world.set_queue("", MAIL, Limits(per_key=1))
        await hand_over(world, Place(MAIL, "anna"), Place(MAIL, "bert"))
        await enqueue(world, "anna-1", "cleo-1")
        assert await claimed(world) == ["anna-1", "cleo-1", "step_02"]

    async def test_steps_of_a_run_in_a_queue_need_no_slot(self, world: World) -> None:
        """Unless they have a queue of their own: else the run would wait for itself."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await enqueue(world, RUN, OTHER)
        assert await claimed(world) == [RUN]
        turn = await turn_of(world, RUN)
        await turn.commit(Event("run_started", T), step("step_created", 1), tasks=[NewTask("step_01")], park=True)
        assert await claimed(world) == ["step_01"]

    async def test_weight_counts_against_the_rate(self, world: World, clock: ManualClock) -> None:
        """That which is known before, and that which is told after; what is heavier than the rate begins alone."""
        await world.set_queue("", MAIL, Limits(rate=100, period_ms=1_000))
        await hand_over(
            world, Place(MAIL, weight=60), Place(MAIL, weight=30), Place(MAIL, weight=30), Place(MAIL, weight=500)
        )
        tasks = (await claims(world)).tasks
        assert [task.step_id for task in tasks] == ["step_01", "step_02"]
        told = replace(outcome(tasks[0], "step_completed"), queue=MAIL, spent=-40)
        await world.finish_step(told)
        assert await claimed(world, turns_max=0) == ["step_03"]
        clock.advance(1_050)
        assert await claimed(world, turns_max=0) == ["step_04"]

    async def test_a_run_knows_how_many_are_before_it(self, world: World) -> None:
        """In its queue, or of its key where that is what holds it back; none once it has a slot."""
        await world.set_queue("", MAIL, Limits(concurrency=1))
        await enqueue(world, "anna-1", "anna-2", "bert-1")
        await enqueue(world, "cleo-1", priority=1)
        assert [await world.ahead_of(run_id) for run_id in ("cleo-1", "anna-1", "anna-2", "bert-1")] == [0, 1, 2, 3]
        assert await claimed(world) == ["cleo-1"]
        assert [await world.ahead_of(run_id) for run_id in ("cleo-1", "anna-1", "bert-1")] == [None, 0, 2]
        await world.set_queue("", MAIL, Limits(per_key=1))
        assert [await world.ahead_of(run_id) for run_id in ("anna-2", "bert-1")] == [1, 0]

    async def test_workers_that_claim_at_once_keep_the_limits(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """Each through a world of its own."""
        await world.set_queue("", MAIL, Limits(concurrency=5, per_key=2))
        await enqueue(world, *(f"{key}-{n}" for key in ("anna", "bert", "cleo") for n in range(4)))
        workers = [f"wrkr_{n}" for n in range(6)]
        for worker in workers:
            await world.register(worker_row(worker))

        def claim(worker: str) -> Any:
            return lambda other: claimed(other, worker, turns_max=2)

        found = await at_once(lambda: make_world(clock), [claim(worker) for worker in workers])
        begun = [run_id for ids in found for run_id in ids]
        assert len(begun) == len(set(begun)) == 5
        assert all(sum(run_id.startswith(key) for run_id in begun) <= 2 for key in ("anna", "bert", "cleo"))
        assert await info(world) == (7, 5)
