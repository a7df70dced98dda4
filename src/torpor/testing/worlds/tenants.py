"""Tenants: who may begin, what is counted of their runs, and what stays when runs go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from torpor.errors import (
    ConfigurationError,
    EntityConflictError,
    LeaseLostError,
    QuotaExceededError,
    TenantNotFoundError,
)
from torpor.model import LogEntry, NewRun, Snapshot
from torpor.model.flow import Limits, Place
from torpor.model.tenants import Quotas, Tenant, Usage
from torpor.tenant_names import step_queue_of
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.batches import batch
from torpor.testing.worlds.queues import hand_over
from torpor.testing.worlds.story import (
    SECOND,
    WORKER,
    T,
    begin,
    claim,
    ending,
    new_run,
    open_steps,
    outcome,
    step,
    take,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

APP = ""
FREE = Quotas(starts="", open_runs=0, storage=0)


def tenant(**fields: Any) -> Tenant:
    """Return a tenant to store; *fields* of it are others."""
    return Tenant(**{"name": "acme", "app": APP, "quotas": FREE, **fields})


def a_run(name: str = "one", **fields: Any) -> NewRun:
    """Return a run of that tenant, of which workers of the stories are."""
    return replace(new_run(f"@acme:{name}"), **fields)


class TenantsSuite(Suite):
    """The ``Tenants`` protocol."""

    async def test_a_tenant_comes_back(self, world: World, clock: ManualClock) -> None:
        """With the world's time, and nothing used."""
        stored = await world.put_tenant(tenant(allow=("host//a", "step//./b.py//c"), quotas=Quotas(starts="3/2h")))
        assert stored.created_at == clock.now()
        info = await world.tenant("acme")
        assert (info.tenant, info.usage) == (stored, Usage())

    async def test_tenants_are_listed_by_name(self, world: World) -> None:
        """Of one application, or of all."""
        for name, app in (("zoo", APP), ("acme", "other"), ("bolt", APP)):
            await world.put_tenant(tenant(name=name, app=app))
        assert [each.tenant.name for each in await world.tenants()] == ["acme", "bolt", "zoo"]
        assert [each.tenant.name for each in await world.tenants(APP)] == ["bolt", "zoo"]
        assert await world.tenants("nobody") == []

    async def test_a_name_is_one_in_the_world(self, world: World) -> None:
        """Another application does not get it, and what is no name is refused."""
        stored = await world.put_tenant(tenant())
        with pytest.raises(EntityConflictError, match="tenant 'acme' is of application"):
            await world.put_tenant(tenant(app="other"))
        with pytest.raises(ConfigurationError, match="is no name of a tenant"):
            await world.put_tenant(tenant(name="a:b"))
        assert (await world.tenant("acme")).tenant == stored

    async def test_a_run_needs_its_tenant(self, world: World) -> None:
        """Of the same application; nothing is stored of another one."""
        with pytest.raises(TenantNotFoundError, match="no tenant 'acme'"):
            await world.create_run(a_run())
        await world.put_tenant(tenant())
        with pytest.raises(EntityConflictError, match="is of application"):
            await world.create_run(a_run(app="other"))
        assert (await world.create_run(a_run())).id == "@acme:one"
        assert (await world.tenant("acme")).usage.runs == 1

    async def test_starting_again_counts_once(self, world: World) -> None:
        """Also where nothing more may begin."""
        await world.put_tenant(tenant(quotas=Quotas(open_runs=1, starts="1/h")))
        first = await world.create_run(a_run())
        assert (await world.create_run(a_run())).created_at == first.created_at
        assert (await world.tenant("acme")).usage.runs == 1

    async def test_what_a_run_uses_is_counted_with_it(self, world: World) -> None:
        """CPU time, steps and bytes of each commit; a snapshot takes the place of the one before."""
        await world.put_tenant(tenant())
        turn = await begin(world, "@acme:one")
        before = (await world.tenant("acme")).usage
        snapshot = Snapshot(cursor=0, ops=1, logs=1, image="i", at=1, data=b"s" * 1_000)
        await turn.commit(
            step("step_created", 1), ops=1, logs=1, cpu_us=1_500, lines=(LogEntry(1, 1, "info", "x" * 100),)
        )
        await turn.commit(step("step_created", 2), ops=2, logs=1, cpu_us=500, snapshot=snapshot)
        middle = (await world.tenant("acme")).usage
        assert (middle.open, middle.cpu_us, middle.steps) == (1, 2_000, 2)
        assert middle.stored - before.stored > 1_100
        await turn.commit(snapshot=replace(snapshot, data=b"s" * 10), ops=2, logs=1)
        after = (await world.tenant("acme")).usage
        assert middle.stored - after.stored == 990

    async def test_what_was_used_elsewhere_counts_once(self, world: World, clock: ManualClock) -> None:
        """However often it is told; the larger of two figures of one world is the later one."""
        first, later, other = Usage(2, 1, 500, 7, 90), Usage(3, 0, 900, 7), Usage(1, 0, 10, 1)
        await world.put_tenant(tenant(brought=((5, first),)))
        await world.put_tenant(tenant(brought=((5, later), (6, other))))
        await world.put_tenant(tenant(brought=((5, first),)))
        await world.create_run(a_run())
        info = await world.tenant("acme")
        assert replace(info.usage, stored=0) == Usage(5, 1, 910, 8)
        assert info.brought() == ((5, later), (6, other), (clock.now(), Usage(1)))
        stored = await world.put_tenant(tenant(quotas=Quotas(cpu=0.0001), brought=info.brought()))
        assert stored.brought == info.tenant.brought, "what was used here comes back to where it is counted"
        with pytest.raises(QuotaExceededError, match="quota cpu"):
            await world.create_run(a_run("two"))

    async def test_a_run_that_arrives_is_counted_where_it_came_from(self, world: World) -> None:
        """Only what is stored of it is here, and what it uses from now on."""
        await world.put_tenant(tenant())
        turn = await begin(world, "@acme:one")
        await turn.commit(step("step_created", 1), ops=1, cpu_us=1_500)
        parcel, before = await world.parcel("@acme:one"), (await world.tenant("acme")).usage
        await world.cancel_run("@acme:one", "", force=True)
        await world.delete_run("@acme:one")
        left = (await world.tenant("acme")).usage
        assert (left.runs, left.steps, left.cpu_us, left.stored) == (1, 1, 1_500, 0)
        await world.put_parcel(parcel)
        there = (await world.tenant("acme")).usage
        assert replace(there, stored=0) == replace(left, open=1, stored=0)
        assert there.stored >= before.stored > 0

    async def test_chunks_of_streams_count_as_stored(self, world: World) -> None:
        """Once, however often they come; also those of a run that has ended, and no more when it is gone."""
        await world.put_tenant(tenant())
        turn = await begin(world, "@acme:one")
        before = (await world.tenant("acme")).usage
        for _ in range(2):
            await world.write_stream(batch("a" * 700, "b" * 300, run_id="@acme:one"))
        assert (await world.tenant("acme")).usage == replace(before, stored=before.stored + 1_000)
        parcel = await world.parcel("@acme:one")
        await turn.commit(ending("run_completed"))
        await world.create_run(a_run("two"))  # who begins adds up what has ended
        before = (await world.tenant("acme")).usage
        await world.write_stream(batch("c" * 50, writer="wrtr_1", attempt=0, run_id="@acme:one"))
        assert (await world.tenant("acme")).usage == replace(before, stored=before.stored + 50)
        await world.create_run(a_run("three"))
        assert (await world.tenant("acme")).usage.stored > before.stored + 50
        for name in ("one", "two", "three"):
            if name != "one":
                await world.cancel_run(f"@acme:{name}", "")
            while not await world.delete_run(f"@acme:{name}"):
                pass
        assert (await world.tenant("acme")).usage.stored == 0
        await world.put_parcel(parcel)
        assert (await world.tenant("acme")).usage.stored > 1_000

    async def test_attempts_wait_where_a_tenants_steps_have_a_rate(self, world: World, clock: ManualClock) -> None:
        """Whatever queue the one before was in: after an error, and after its worker's death; others stay there."""
        await world.put_tenant(tenant())
        ours, rate = Place("ours", "key", 3), step_queue_of("acme")
        for run_id in ("@acme:one", "wrun_1"):
            await hand_over(world, ours, ours, run_id=run_id)
        tasks = {(task.run_id, task.op): task for task in await take(world, queues=None, turns_max=0)}
        assert len(tasks) == 4
        for run_id in ("@acme:one", "wrun_1"):
            await world.finish_step(outcome(tasks[run_id, 1], "step_retrying", due=T + 9))
        await world.release([WORKER])
        assert {each.place for each in await open_steps(world, "@acme:one")} == {Place(rate)}
        assert {each.place for each in await open_steps(world, "wrun_1")} == {ours}
        await world.set_queue(APP, rate, Limits(rate=1, period_ms=3_600_000))
        clock.advance(9)
        again = await take(world, SECOND, queues=None, turns_max=0)
        assert sorted(task.queue for task in again) == [rate, "ours", "ours"]
        [mine] = [task for task in again if task.run_id == "@acme:one"]
        await world.snooze_step(mine.run_id, mine.step_id, SECOND, mine.epoch, delay_ms=0, why="", place=ours)
        [mine] = await take(world, SECOND, queues=None, turns_max=0)
        assert (mine.queue, mine.attempt) == ("ours", 2)

    async def test_a_refused_commit_counts_nothing(self, world: World) -> None:
        """What was not stored has cost nothing here."""
        await world.put_tenant(tenant())
        turn = await begin(world, "@acme:one")
        await world.cancel_run("@acme:one", "", force=True)
        with pytest.raises(LeaseLostError):
            await turn.commit(step("step_created", 1), ops=1, cpu_us=5)
        assert (await world.tenant("acme")).usage.cpu_us == 0

    async def test_runs_of_others_are_not_counted(self, world: World) -> None:
        """Those of nobody, and of another tenant."""
        await world.put_tenant(tenant())
        await world.put_tenant(tenant(name="bolt"))
        await world.create_run(new_run("wrun_1"))
        await world.create_run(a_run(id="@bolt:one"))
        assert (await world.tenant("acme")).usage == Usage()
        assert (await world.tenant("bolt")).usage.runs == 1

    async def test_open_runs_are_bounded(self, world: World) -> None:
        """One that ends makes room."""
        await world.put_tenant(tenant(quotas=Quotas(open_runs=2)))
        for name in ("one", "two"):
            await world.create_run(a_run(name))
        with pytest.raises(QuotaExceededError, match=r"has 2 runs that have not ended, .* \(quota open_runs\)"):
            await world.create_run(a_run("three"))
        await world.cancel_run("@acme:two", "")
        await world.create_run(a_run("three"))
        usage = (await world.tenant("acme")).usage
        assert (usage.runs, usage.open) == (3, 2)

    async def test_of_many_starts_at_once_only_so_many_begin(self, world: World) -> None:
        """However they come together."""
        await world.put_tenant(tenant(quotas=Quotas(open_runs=3)))
        starts = [world.create_run(a_run(f"n{n}")) for n in range(8)]
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        assert sum(isinstance(each, QuotaExceededError) for each in outcomes) == 5
        assert (await world.tenant("acme")).usage.open == 3

    async def test_starts_have_a_rate(self, world: World, clock: ManualClock) -> None:
        """By the world's clock; it is over when its time is."""
        await world.put_tenant(tenant(quotas=Quotas(starts="2/m")))
        for name in ("one", "two"):
            await world.create_run(a_run(name))
        with pytest.raises(QuotaExceededError, match=r"may begin 2/m \(quota starts\)"):
            await world.create_run(a_run("three"))
        clock.advance(64_000)
        await world.create_run(a_run("three"))

    async def test_who_has_used_up_storage_or_time_begins_nothing(self, world: World) -> None:
        """Until more is allowed, which keeps what was used."""
        await world.put_tenant(tenant(quotas=Quotas(storage=5, cpu=0.001)))
        await world.create_run(a_run())
        with pytest.raises(QuotaExceededError, match="quota storage"):
            await world.create_run(a_run("two"))
        turn = await claim(world)
        await turn.commit(step("step_created", 1), ops=1, cpu_us=2_000)
        await world.put_tenant(tenant(quotas=Quotas(storage=0, cpu=0.001)))
        with pytest.raises(QuotaExceededError, match=r"has used 0\.0 s of CPU time, and may use 0\.001 s"):
            await world.create_run(a_run("two"))
        await world.put_tenant(tenant())
        await world.create_run(a_run("two"))
        assert (await world.tenant("acme")).usage.cpu_us == 2_000

    async def test_what_deleted_runs_have_used_stays_but_for_storage(self, world: World) -> None:
        """Whether they were added up before they went, or not."""
        await world.put_tenant(tenant())
        turns = [await begin(world, f"@acme:{name}") for name in ("one", "two")]
        for n, turn in enumerate(turns):
            await turn.commit(step("step_created", 1), ending("run_completed"), ops=1, cpu_us=1_000)
            await world.create_run(a_run(f"next-{n}"))  # who begins adds up what has ended
        usage = (await world.tenant("acme")).usage
        assert (usage.runs, usage.open, usage.cpu_us, usage.steps) == (4, 2, 2_000, 2)
        for name in ("one", "two"):
            while not await world.delete_run(f"@acme:{name}"):
                pass
        left = (await world.tenant("acme")).usage
        assert (left.runs, left.open, left.cpu_us, left.steps) == (4, 2, 2_000, 2)
        for name in ("next-0", "next-1"):
            await world.cancel_run(f"@acme:{name}", "")
            while not await world.delete_run(f"@acme:{name}"):
                pass
        assert (await world.tenant("acme")).usage == Usage(4, 0, 2_000, 2, 0)

    async def test_a_tenant_goes_when_its_runs_have(self, world: World) -> None:
        """Not before, and its name is free then."""
        await world.put_tenant(tenant())
        await world.create_run(a_run())
        with pytest.raises(EntityConflictError, match="tenant 'acme' still has 1 runs"):
            await world.delete_tenant("acme")
        await world.cancel_run("@acme:one", "")
        while not await world.delete_run("@acme:one"):
            pass
        await world.delete_tenant("acme")
        for gone in (world.tenant("acme"), world.delete_tenant("acme")):
            with pytest.raises(TenantNotFoundError):
                await gone
        assert (await world.put_tenant(tenant(app="other"))).app == "other"
