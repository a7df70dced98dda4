"""Opening and closing, and hearing of changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from torpor.model import NewTask, Notice
from torpor.testing.worlds.story import (
    RUN,
    WORKER,
    begin,
    begin_task,
    claim_step,
    ending,
    hook,
    new_run,
    outcome,
    step,
    take,
    watching,
)
from torpor.testing.worlds.suite import PATIENCE_SECONDS, MakeWorld, Suite, opened
from torpor.world import World


class Ear:
    """A listener that can be waited on."""

    def __init__(self, world: World) -> None:
        self.heard: list[Notice] = []
        self._news = asyncio.Event()
        self.stop = world.subscribe(self._hear)

    def _hear(self, notice: Notice) -> None:
        self.heard.append(notice)
        self._news.set()

    async def wait_for(self, wanted: Callable[[Notice], bool]) -> Notice:
        """Return the first notice that is wanted, also an earlier one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for notice in self.heard:
                    if wanted(notice):
                        return notice
                self._news.clear()
                await self._news.wait()


class NoticesSuite(Suite):
    """``subscribe``."""

    async def test_a_new_hook_is_told(self, world: World) -> None:
        """To who waits for it, though the run stays awake and nobody gets work."""
        turn = await begin(world)
        ear = Ear(world)
        await turn.commit(hook("hook_created", 1))
        notice = await ear.wait_for(lambda notice: notice.hooked)
        assert (notice.run_id, notice.work, notice.ended) == (RUN, False, False)

    async def test_others_hooks_are_told(self, world: World, make_world: MakeWorld) -> None:
        """Those that another world on the same store has made, where the world can hear of it."""
        if not world.capabilities.listen_ms:
            pytest.skip("this world does not hear of others' changes")
        async with opened(make_world()) as other:
            turn = await begin(other)
            ear = Ear(world)
            await turn.commit(hook("hook_created", 1))
            await ear.wait_for(lambda notice: notice.hooked and notice.run_id in {None, RUN})

    async def test_a_new_run_is_work(self, world: World) -> None:
        """The notice names the run."""
        ear = Ear(world)
        await world.create_run(new_run())
        assert await ear.wait_for(lambda notice: notice.work) == Notice(RUN, work=True)

    async def test_a_wake_up_is_work(self, world: World) -> None:
        """So is a payload for a hook."""
        await begin(world, RUN, hook("hook_created", 1))
        ear = Ear(world)
        await world.resume_hook("token", b"devl", "r1")
        assert (await ear.wait_for(lambda notice: notice.work)).run_id == RUN

    async def test_a_task_is_work(self, world: World) -> None:
        """So is a step that leaves its turn."""
        turn = await begin(world, RUN, step("step_created", 1))
        ear = Ear(world)
        await turn.commit(tasks=[NewTask("step_01")])
        assert (await ear.wait_for(lambda notice: notice.work)).run_id == RUN

    async def test_a_step_result_is_work(self, world: World) -> None:
        """It woke the run. A run that is awake hears of it in its turn."""
        turn = await begin_task(world)
        await turn.commit(park=True)
        task = await claim_step(world)
        ear = Ear(world)
        await world.finish_step(outcome(task, "step_completed"))
        assert (await ear.wait_for(lambda notice: notice.work)).run_id == RUN

    async def test_a_parked_run_is_work(self, world: World) -> None:
        """Its next wait may be the first thing that anybody has to wake up for."""
        turn = await begin(world)
        ear = Ear(world)
        await turn.commit(park=True)
        assert (await ear.wait_for(lambda notice: notice.work)).run_id == RUN

    async def test_a_snoozed_run_is_work(self, world: World) -> None:
        """Who waits for the next time must know this one."""
        turn = await begin(world)
        ear = Ear(world)
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=30, why="no memory")
        assert (await ear.wait_for(lambda notice: notice.work)).run_id == RUN

    async def test_a_snoozed_step_is_work(self, world: World) -> None:
        """Another worker may take it."""
        await begin_task(world)
        task = await claim_step(world)
        ear = Ear(world)
        await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=0, why="no memory")
        assert (await ear.wait_for(lambda notice: notice.work)).run_id == RUN

    async def test_released_tasks_are_work(self, world: World) -> None:
        """Whose they were is not said."""
        await begin(world)
        ear = Ear(world)
        await world.release([WORKER])
        await ear.wait_for(lambda notice: notice.work)

    @pytest.mark.parametrize("cancelled", [True, False])
    async def test_an_end_is_told(self, world: World, cancelled: bool) -> None:
        """Who waits for a result is woken."""
        turn = await begin(world)
        ear = Ear(world)
        if cancelled:
            await world.cancel_run(RUN, "")
        else:
            await turn.commit(ending())
        assert (await ear.wait_for(lambda notice: notice.ended)).run_id == RUN

    @pytest.mark.parametrize("cancelled", [True, False])
    async def test_an_end_that_wakes_another_run_is_work(self, world: World, cancelled: bool) -> None:
        """The run that watched it can go on; where nobody watched there is nothing to do."""
        for parents, is_work in (([], False), ([watching(1, "wrun_c1")], True)):
            child = await begin(world, f"wrun_c{len(parents)}")
            await begin(world, f"wrun_p{len(parents)}", *parents)
            ear = Ear(world)
            if cancelled:
                await world.cancel_run(child.task.run_id, "")
            else:
                await child.commit(ending())
            notice = await ear.wait_for(lambda notice: notice.ended)
            assert (notice.run_id, notice.work) == (child.task.run_id, is_work)

    async def test_a_notice_comes_after_the_change(self, world: World) -> None:
        """Whoever looks when told sees it."""
        ear = Ear(world)
        created = asyncio.ensure_future(world.create_run(new_run()))
        await ear.wait_for(lambda notice: notice.work)
        assert len(await take(world)) == 1
        await created

    async def test_every_listener_is_told(self, world: World) -> None:
        """Each once for each change."""
        ears = [Ear(world), Ear(world)]
        await world.create_run(new_run())
        for ear in ears:
            await ear.wait_for(lambda notice: notice.run_id == RUN)

    async def test_who_has_unsubscribed_hears_nothing(self, world: World) -> None:
        """Not even of what is under way; doing it twice is harmless."""
        deaf, ear = Ear(world), Ear(world)
        deaf.stop()
        deaf.stop()
        await world.create_run(new_run())
        await ear.wait_for(lambda notice: notice.work)
        assert deaf.heard == []

    async def test_others_changes_are_heard(self, world: World, make_world: MakeWorld) -> None:
        """What another world on the same store wrote is told, where the world can."""
        if not world.capabilities.listen_ms:
            pytest.skip("this world does not hear of others' changes")
        async with opened(make_world()) as other:
            ear = Ear(world)
            await other.create_run(new_run())
            await ear.wait_for(lambda notice: notice.work and notice.run_id in {None, RUN})
            ear.heard.clear()
            await other.cancel_run(RUN, "")
            await ear.wait_for(lambda notice: notice.ended and notice.run_id in {None, RUN})


class OpeningSuite(Suite):
    """``open``, ``close`` and what stays."""

    async def test_a_world_may_be_opened_twice(self, world: World) -> None:
        """The second time changes nothing."""
        await world.create_run(new_run())
        await world.open()
        assert (await world.get_run(RUN)).id == RUN

    async def test_a_world_may_be_closed_twice(self, make_world: MakeWorld) -> None:
        """Also one that was never opened."""
        world = make_world()
        await world.close()
        await world.open()
        await world.close()
        await world.close()

    async def test_closing_finishes_what_was_begun(self, make_world: MakeWorld) -> None:
        """Operations that were under way are carried out, and seen by who opens the world again."""
        world = make_world()
        await world.open()
        creations = [asyncio.ensure_future(world.create_run(new_run(f"wrun_{n}"))) for n in range(20)]
        await asyncio.sleep(0)  # they are queued now
        await world.close()
        assert [run.id for run in await asyncio.gather(*creations)] == [f"wrun_{n}" for n in range(20)]
        await world.open()
        assert len(await take(world, turns_max=99)) == 20
        await world.close()

    async def test_worlds_on_one_store_see_the_same(self, world: World, make_world: MakeWorld) -> None:
        """What one has stored the other reads at once."""
        async with opened(make_world()) as other:
            await world.create_run(new_run())
            assert await other.get_run(RUN) == await world.get_run(RUN)

    async def test_a_world_knows_its_url(self, make_world: MakeWorld) -> None:
        """It names itself as it was asked for."""
        assert "://" in make_world().url
