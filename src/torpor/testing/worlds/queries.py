"""Lists, searches and counts, for people."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import RunNotFoundError
from torpor.lifecycle import EventType
from torpor.model import Event, ImageUse, NewTask, ProgramUse, RunFilter
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    WORKER,
    T,
    Turn,
    begin,
    claim,
    ending,
    hook,
    new_run,
    open_steps,
    step,
    take,
    wait,
    watching,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


async def _ids(world: World, where: RunFilter) -> list[str]:
    return [run.id for run in await world.list_runs(where)]


class QueriesSuite(Suite):
    """The ``Queries`` protocol, but for ``waiting_steps`` and ``workers``."""

    async def test_runs_are_listed_newest_first(self, world: World) -> None:
        """The order is that of their creation, whatever their names."""
        for run_id in ("wrun_02", "my order", "wrun_01"):
            await world.create_run(new_run(run_id))
        assert await _ids(world, RunFilter()) == ["wrun_01", "my order", "wrun_02"]

    async def test_nothing_is_damaged_in_a_sound_world(self, world: World) -> None:
        """Whatever happened in it."""
        turn = await begin(world, OTHER, step("step_created", 1), hook("hook_created", 2), wait("wait_created", 3, T))
        await turn.commit(ending("run_failed"))
        turn = await begin(world, RUN, step("step_created", 1), hook("hook_created", 2), wait("wait_created", 3, T))
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        assert await world.damaged() == []

    async def test_a_listed_run_is_as_it_stands(self, world: World) -> None:
        """Whole, as reading it alone has it."""
        turn = await begin(world, RUN)
        await turn.commit(ending("run_failed"))
        assert await world.list_runs(RunFilter()) == [await world.get_run(RUN)]

    async def test_runs_are_listed_in_pages(self, world: World) -> None:
        """``limit`` bounds a page, and the next one begins after the last one's end."""
        for n in (3, 0, 4, 1, 2):
            await world.create_run(new_run(f"wrun_{n}"))
        first = await _ids(world, RunFilter(limit=2))
        second = await _ids(world, RunFilter(limit=2, before=first[-1]))
        third = await _ids(world, RunFilter(limit=2, before=second[-1]))
        assert [first, second, third] == [["wrun_2", "wrun_1"], ["wrun_4", "wrun_0"], ["wrun_3"]]
        assert await _ids(world, RunFilter(limit=2, before=third[-1])) == []

    async def test_a_workflow_may_be_named_shortly(self, world: World) -> None:
        """By the last part of its full name, which is no part of a word; the full name selects one of several."""
        names = ("workflow//./a.py//pay", "workflow//./b.py//pay", "workflow//./a.py//repay", "pay", "workflow//pay//x")
        for n, name in enumerate(names):
            await world.create_run(new_run(f"wrun_{n}", workflow=name))
        assert await _ids(world, RunFilter(workflow="pay")) == ["wrun_3", "wrun_1", "wrun_0"]
        assert await _ids(world, RunFilter(workflow=names[1])) == ["wrun_1"]
        assert await _ids(world, RunFilter(workflow="ay")) == []

    async def test_runs_are_listed_by_their_end(self, world: World, clock: ManualClock) -> None:
        """Newest first as ever, those alone that ended at that time, together with every other filter."""
        stories: tuple[tuple[str, EventType], ...] = (
            ("order", "run_failed"),
            ("refund", "run_completed"),
            ("order", "run_completed"),
            ("order", "run_failed"),
        )
        turns: list[Turn] = []
        for n, (name, _) in enumerate(stories):
            new = new_run(f"wrun_{n}", workflow=name)
            await world.create_run(replace(new, attributes={"n": str(n), "even": str(n % 2 == 0)}))
            turns.append(await claim(world))
        for n, turn in reversed([*enumerate(turns)]):  # who began last ends first
            clock.advance(1)
            await turn.commit(Event("run_started", clock.now()), ending(stories[n][1], at=clock.now()))
        await begin(world, "wrun_4")
        ends = [(await world.get_run(f"wrun_{n}")).ended_at for n in range(4)]
        assert ends == sorted(ends, reverse=True)
        assert await _ids(world, RunFilter(ended_since=1)) == ["wrun_3", "wrun_2", "wrun_1", "wrun_0"]
        assert await _ids(world, RunFilter(ended_since=ends[1])) == ["wrun_1", "wrun_0"]
        assert await _ids(world, RunFilter(ended_before=ends[1])) == ["wrun_3", "wrun_2"]
        assert await _ids(world, RunFilter(ended_since=ends[2], ended_before=ends[0])) == ["wrun_2", "wrun_1"]
        assert await _ids(world, RunFilter(ended_since=ends[3], status="failed")) == ["wrun_3", "wrun_0"]
        assert await _ids(world, RunFilter(ended_since=1, workflow="order", attributes={"even": "True"})) == [
            "wrun_2",
            "wrun_0",
        ]
        assert await _ids(world, RunFilter(ended_since=1, limit=2, before="wrun_3")) == ["wrun_2", "wrun_1"]
        for none in (RunFilter(ended_since=ends[0] + 1), RunFilter(ended_since=1, status="running")):
            assert await _ids(world, none) == []

    async def test_what_is_open_in_several_runs_is_read_together(self, world: World) -> None:
        """Each as it is alone, and none that does not exist."""
        await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        await world.create_run(new_run(OTHER))
        found = await world.open_entities_of([RUN, OTHER, "wrun_none"])
        assert found == {RUN: await world.open_entities(RUN), OTHER: await world.open_entities(OTHER)}

    async def test_runs_are_found_by_the_beginning_of_their_ids(self, world: World) -> None:
        """In the order of ids, and no others: what a pattern could mean is a character like any other."""
        for run_id in ("order-2", "order-1", "order", "ordeq", "orde%", "order-\U0001f600", "ORDER-1"):
            await world.create_run(new_run(run_id))

        async def found(prefix: str, limit: int = 50) -> list[str]:
            return [run.id for run in await world.runs_beginning_with(prefix, limit=limit)]

        assert await found("order-") == ["order-1", "order-2", "order-\U0001f600"]
        assert await found("order", limit=2) == ["order", "order-1"]
        assert await found("orde%") == ["orde%"]
        assert await found("other") == []

    async def test_runs_that_begin_meanwhile_do_not_move_pages(self, world: World) -> None:
        """The next page begins where the last one ended."""
        for n in range(4):
            await world.create_run(new_run(f"wrun_{n}"))
        first = await _ids(world, RunFilter(limit=2))
        await world.create_run(new_run("wrun_4"))
        assert await _ids(world, RunFilter(limit=2, before=first[-1])) == ["wrun_1", "wrun_0"]

    async def test_a_page_after_an_unknown_run_is_an_error(self, world: World) -> None:
        """Rather than a first page again."""
        with pytest.raises(RunNotFoundError, match="wrun_none"):
            await world.list_runs(RunFilter(before="wrun_none"))

    async def test_each_filter_leaves_out_what_it_does_not_name(self, world: World) -> None:
        """Status, workflow and application, alone and together, and page by page."""
        await begin(world, "wrun_1")
        await world.create_run(new_run("wrun_2"))
        await world.create_run(new_run("wrun_3", workflow="refund"))
        await world.create_run(replace(new_run("wrun_4"), app="shop"))
        await world.create_run(replace(new_run("wrun_5", workflow="refund"), app="shop"))
        await world.cancel_run("wrun_5", "")
        assert await _ids(world, RunFilter(status="running")) == ["wrun_1"]
        assert await _ids(world, RunFilter(workflow="order")) == ["wrun_4", "wrun_2", "wrun_1"]
        assert await _ids(world, RunFilter(workflow="order", status="pending")) == ["wrun_4", "wrun_2"]
        assert await _ids(world, RunFilter(app="shop")) == ["wrun_5", "wrun_4"]
        assert await _ids(world, RunFilter(app="")) == ["wrun_3", "wrun_2", "wrun_1"]
        assert await _ids(world, RunFilter(app="shop", workflow="refund", status="cancelled")) == ["wrun_5"]
        assert await _ids(world, RunFilter(workflow="order", limit=1, before="wrun_4")) == ["wrun_2"]
        assert await _ids(world, RunFilter(status="pending", limit=2, before="wrun_5")) == ["wrun_4", "wrun_3"]
        for none in (RunFilter(workflow="nobody"), RunFilter(app="nobody"), RunFilter(limit=0)):
            assert await _ids(world, none) == []

    async def test_what_is_open_is_told_without_inputs(self, world: World) -> None:
        """Steps, waits and hooks of a run that goes on, in the order of their ops."""
        turn = await begin(world, RUN, step("step_created", 4), step("step_created", 1), step("step_created", 2))
        await turn.commit(wait("wait_created", 6, T + 9), wait("wait_created", 5, T + 9), hook("hook_created", 3))
        await turn.commit(tasks=[NewTask("step_02")], inputs=[wait("wait_completed", 6)])
        entities = await world.open_entities(RUN)
        assert entities.run == await world.get_run(RUN)
        assert [(row.id, row.task, row.input) for row in entities.steps.values()] == [
            ("step_01", False, None),
            ("step_02", True, None),
            ("step_04", False, None),
        ]
        assert (list(entities.waits), list(entities.hooks)) == (["wait_05"], ["hook_03"])

    async def test_live_hooks_are_listed_newest_first(self, world: World) -> None:
        """Those that wait for the outside; neither watching nor conflicting ones nor those of ended runs."""
        await begin(world, RUN, hook("hook_created", 1, "a"), hook("hook_created", 4, "d"))
        await begin(world, OTHER, hook("hook_created", 2, "a"), hook("hook_created", 3, "c"), watching(5, RUN))
        ended = await begin(world, "wrun_3", hook("hook_created", 6, "f"))
        await ended.commit(ending("run_failed"))
        hooks = await world.live_hooks()
        assert [(row.id, row.token, row.run_id) for row in hooks] == [
            ("hook_04", "d", RUN),
            ("hook_03", "c", OTHER),
            ("hook_01", "a", RUN),
        ]
        assert hooks[0] == await world.hook("d")

    async def test_live_hooks_are_listed_in_pages(self, world: World) -> None:
        """The next page begins after the last one's end."""
        await begin(world, RUN, *(hook("hook_created", n, f"t{n}") for n in range(1, 6)))
        first = await world.live_hooks(limit=2)
        second = await world.live_hooks(limit=2, before=first[-1].id)
        third = await world.live_hooks(limit=2, before=second[-1].id)
        assert [[row.op for row in page] for page in (first, second, third)] == [[5, 4], [3, 2], [1]]

    async def test_snoozed_runs_are_listed(self, world: World, clock: ManualClock) -> None:
        """Longest snoozed first, until something of them is stored or they end."""
        for n in range(4):
            turn = await begin(world, f"wrun_{n}")
            await world.snooze(f"wrun_{n}", WORKER, turn.task.epoch, delay_ms=0 if n == 2 else 99, why=f"why {n}")
            if n == 2:
                await (await claim(world)).commit(step("step_created", 1, T + n))
            clock.advance(1)
        await world.cancel_run("wrun_3", "")
        assert [(run.id, run.snoozed) for run in await world.snoozed_runs()] == [
            ("wrun_0", "why 0"),
            ("wrun_1", "why 1"),
        ]
        assert [run.id for run in await world.snoozed_runs(limit=1)] == ["wrun_0"]

    async def test_images_of_runs_are_in_use(self, world: World) -> None:
        """Each once, until its runs have completed; of builds that nobody knows there are none."""
        assert await world.images_in_use() == set()
        for n, build in enumerate(("b1", "b2", "", "b1", "b3", "b4")):
            await world.create_run(replace(new_run(f"wrun_{n}"), build=build, program=f"p{n % 3}"))
        await world.create_run(replace(new_run("wrun_6"), build="b1", key_id="k1", public=b"public", seed=b""))
        await world.cancel_run("wrun_4", "")
        failed, completed = await take(world, turns_max=2, steps_max=0)
        await Turn(world, failed, 1).commit(Event("run_started", T), ending("run_failed"))
        await Turn(world, completed, 1).commit(Event("run_started", T), ending("run_completed"))
        assert await world.images_in_use() == {
            ImageUse("p0", "b1", ""),
            ImageUse("p1", "b3", ""),
            ImageUse("p2", "b4", ""),
            ImageUse(new_run().program, "b1", "k1"),
        }

    async def test_programs_of_live_runs_are_in_use(self, world: World) -> None:
        """With how many runs keep them, by application and key, and one of those; ended runs need none."""
        assert await world.programs_in_use() == []
        shop = replace(new_run(), app="shop")
        for n, new in enumerate((shop, new_run(), replace(shop, workflow="refund"), replace(new_run(), program="x"))):
            await world.create_run(replace(new, id=f"wrun_{n}"))
        await world.create_run(replace(shop, id="wrun_4", key_id="k1", public=b"public", seed=b""))
        await world.create_run(replace(shop, id="wrun_5"))
        await world.cancel_run("wrun_3", "")
        await world.cancel_run("wrun_5", "")
        program = new_run().program
        assert await world.programs_in_use() == [
            ProgramUse("", program, "quickjs", "", 1, "wrun_1"),
            ProgramUse("shop", program, "quickjs", "", 2, "wrun_0"),
            ProgramUse("shop", program, "quickjs", "k1", 1, "wrun_4"),
        ]

    async def test_many_runs_are_looked_up_at_once(self, world: World) -> None:
        """Those that exist, by id."""
        for run_id in (RUN, OTHER):
            await world.create_run(new_run(run_id))
        found = await world.statuses([OTHER, "wrun_none"])
        assert found == {OTHER: await world.get_run(OTHER)}
        assert await world.statuses([]) == {}

    async def test_of_many_runs_those_that_have_ended_are_looked_up_at_once(self, world: World) -> None:
        """However they ended; who waits for many looks often, and wants to know of no others."""
        turn = await begin(world, "wrun_1", step("step_created", 1))
        for n in (0, 2, 3):
            await world.create_run(new_run(f"wrun_{n}"))
        assert await world.statuses(["wrun_0", "wrun_1"], ended=True) == {}
        await world.cancel_run("wrun_0", "")
        await turn.commit(Event("run_completed", T, payload=b"x"))
        found = await world.statuses(["wrun_0", "wrun_1", "wrun_2", "wrun_none"], ended=True)
        assert found == {run_id: await world.get_run(run_id) for run_id in ("wrun_0", "wrun_1")}

    async def test_a_query_changes_nothing(self, world: World) -> None:
        """Whoever asks, and however often."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")])
        before = (await world.get_run(RUN), await open_steps(world))
        await world.waiting_steps()
        await world.snoozed_runs()
        await world.live_hooks()
        assert (await world.get_run(RUN), await open_steps(world)) == before
