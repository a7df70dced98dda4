"""Many at once: claimers, committers and callers, each on a connection and a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain

from torpor.errors import EntityConflictError, LeaseLostError
from torpor.model import NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    RUN,
    WORKER,
    Turn,
    begin,
    ending,
    hook,
    new_run,
    outcome,
    request,
    step,
    take,
    types,
    wait,
    watching,
    worker_row,
)
from torpor.testing.worlds.suite import MakeWorld, Suite, at_once
from torpor.world import World

CROWD = 4
"""How many act at the same moment."""

Act = Callable[[World], Awaitable[object]]


def _again(world: World, turn: Turn) -> Turn:
    """Return the same claim, on another connection."""
    return Turn(world, turn.task, turn.head, held=turn.held)


class CrowdsSuite(Suite):
    """What stays true when nobody waits for anybody."""

    async def test_each_task_is_handed_out_once(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """Turns and steps, until there are none left, and none is forgotten."""
        names = [f"wrun_{n:02}" for n in range(20)]
        for name in names:
            turn = await begin(world, name, step("step_created", 1))
            await turn.commit(hook("hook_created", 2, name), tasks=[NewTask("step_01")], park=True)
        for name in names:
            await world.resume_hook(name, b"devl1", "r1")

        def claimer(n: int) -> Callable[[World], Awaitable[list[str]]]:
            async def claim_all(mine: World) -> list[str]:
                await mine.register(worker_row(f"wrkr_{n}"))
                got: list[str] = []
                while tasks := (await mine.claim(request(f"wrkr_{n}", turns_max=2, steps_max=1))).tasks:
                    got += [f"{task.kind} {task.run_id}" for task in tasks]
                return got

            return claim_all

        handed = await at_once(lambda: make_world(clock), [claimer(n) for n in range(CROWD)])
        assert sorted(chain.from_iterable(handed)) == sorted(
            f"{kind} {name}" for kind in ("turn", "step") for name in names
        )

    async def test_a_run_is_created_once(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """Everybody gets the same one."""
        runs = await at_once(lambda: make_world(clock), [lambda mine: mine.create_run(new_run())] * CROWD)
        assert runs == [await world.get_run(RUN)] * CROWD
        assert await types(world) == ["run_created"]

    async def test_of_two_that_commit_with_one_claim_one_wins(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """The others learn that their claim is over, or of inputs that came first: no log has two stories."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))

        async def finish(mine: World) -> str:
            try:
                again = _again(mine, turn)
                committed = await again.commit(step("step_created", 2), inputs=[step("step_completed", 1)], park=True)
            except LeaseLostError:
                return "lost"
            return "stored" if committed.stored else "refused"

        answers = await at_once(lambda: make_world(clock), [finish] * CROWD)
        assert answers.count("stored") == 1
        assert (await types(world))[2:] == ["step_created", "step_completed", "step_created"]

    async def test_every_payload_is_stored_in_a_dense_log(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """While the run's own turn commits; what it does not know of it is told."""
        turn = await begin(world, RUN, *(hook("hook_created", n, f"t{n}") for n in range(1, CROWD)))

        def caller(n: int) -> Act:
            async def call(mine: World) -> None:
                for k in range(10):
                    await mine.resume_hook(f"t{n}", b"devl%d" % k, f"r{k}")

            return call

        told: list[object] = []

        async def work(mine: World) -> None:
            again = _again(mine, turn)
            for n in range(10, 20):
                told.extend((await again.commit(step("step_created", n))).foreign)
            while not (committed := await again.commit(park=True)).parked:
                told.extend(committed.foreign)

        await at_once(lambda: make_world(clock), [work, *(caller(n) for n in range(1, CROWD))])
        log = await world.events(RUN)
        assert [event.seq for event in log] == list(range(1, len(log) + 1))
        received = [event for event in log if event.type == "hook_received"]
        assert len(received) == 10 * (CROWD - 1)
        for n in range(1, CROWD):
            assert [event.ref for event in received if event.op == n] == [f"r{k}" for k in range(10)]
        # What came once the turn had parked made the run ready, and nothing else did.
        late = len(received) - len(told)
        assert told == received[: len(told)]
        assert bool(await take(world)) == bool(late)

    async def test_steps_of_one_run_end_beside_one_another(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """Each outcome is stored once, whoever stores another one at that moment."""
        count = 5 * CROWD
        turn = await begin(world, RUN, *(step("step_created", n) for n in range(1, count + 1)))
        await turn.commit(tasks=[NewTask(f"step_{n:02}") for n in range(1, count + 1)], park=True)
        tasks = await take(world, steps_max=count)

        def finisher(n: int) -> Act:
            async def finish(mine: World) -> None:
                await asyncio.gather(*(mine.finish_step(outcome(task, "step_completed")) for task in tasks[n::CROWD]))

            return finish

        await at_once(lambda: make_world(clock), [finisher(n) for n in range(CROWD)])
        log = await world.events(RUN)
        assert [event.seq for event in log] == list(range(1, len(log) + 1))
        assert sorted(event.op for event in log if event.type == "step_completed") == list(range(1, count + 1))

    async def test_a_run_ends_once(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """Whoever is first, its own turn or who cancels it; who watches it is told once."""
        for n in range(5):
            child = await begin(world, f"wrun_c{n}")
            parent = await begin(world, f"wrun_p{n}", watching(1, f"wrun_c{n}"))
            await parent.commit(park=True)
            await self._end_at_once(lambda: make_world(clock), child)
            ends = {"run_completed", "run_cancelled"}
            assert len(ends.intersection(await types(world, f"wrun_c{n}"))) == 1
            assert (await types(world, f"wrun_p{n}")).count("hook_received") == 1
            assert len(await take(world)) == 1

    async def _end_at_once(self, make: Callable[[], World], child: Turn) -> None:
        async def complete(mine: World) -> bool:
            try:
                await _again(mine, child).commit(ending())
            except LeaseLostError:
                return False
            return True

        async def cancel(mine: World) -> bool:
            try:
                await mine.cancel_run(child.task.run_id, "")
            except EntityConflictError:
                return False
            return True

        assert sum(await at_once(make, [complete, cancel, cancel])) == 1

    async def test_a_due_wait_is_completed_once(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """However many payloads come at once."""
        turn = await begin(world, RUN, wait("wait_created", 1, clock.now() + 1), hook("hook_created", 2))
        await turn.commit(park=True)
        clock.advance(1)

        def caller(n: int) -> Act:
            return lambda mine: mine.resume_hook("token", b"devl1", f"r{n}")

        await at_once(lambda: make_world(clock), [caller(n) for n in range(CROWD)])
        assert (await types(world))[4:] == ["wait_completed"] + ["hook_received"] * CROWD

    async def test_what_the_dead_had_is_released_once(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """However many notice it."""
        for n in range(6):
            await world.create_run(new_run(f"wrun_{n}"))
        epochs = {task.run_id: task.epoch for task in await take(world)}
        released = await at_once(lambda: make_world(clock), [lambda mine: mine.release([WORKER])] * CROWD)
        assert sum(released) == 6
        assert {run.id: run.epoch - 1 for run in (await world.statuses(list(epochs))).values()} == epochs
