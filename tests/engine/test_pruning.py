"""What policies keep: logs of runs that go on, runs that have ended, and the programs of runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.engine.support import until
from tests.testing.application import app, buy, nap, naps
from torpor import KeepLog, Retention, Torpor, WorkerSettings, WorkflowNotRegisteredError
from torpor.client import Client
from torpor.engine import pruning
from torpor.engine.pruning import Bites, Pruner
from torpor.engine.upkeep import Sweep
from torpor.errors import ArchiveError, ConfigurationError, DamagedError, EntityConflictError, RunNotFoundError
from torpor.inspection.archive import can_be_restored
from torpor.model import EndedFilter, Event, Run, RunFilter, Runtime
from torpor.retention import Policies, Policy, checked_policy
from torpor.testing import Testbed
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.deletion import lived
from torpor.testing.worlds.story import RUN, T, new_run
from torpor.world import World
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.sqlite import SqliteWorld

DAY = 86_400_000
EVER = EndedFilter(0)


class Ticking(ManualClock):
    """A clock whose pauses are over at once."""

    async def sleep(self, ms: int) -> None:
        assert ms > 0, "a bite is followed by a pause"


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands where the stories end."""
    return Ticking(T)


@pytest.fixture
async def world(clock: ManualClock) -> World:
    """A world in which a run has failed."""
    world = MemoryWorld("memory://", clock)
    await lived(world)
    return world


async def pruner(world: World, **policy: object) -> Pruner:
    """Return a pruner of all runs, which trusts every snapshot."""

    async def trust(_run: Run) -> bool:
        return True

    return Pruner(world, lambda: "", Policies(checked_policy(**policy)), trust)  # type: ignore[arg-type]


async def names(world: World) -> list[str]:
    """Return the ids of all runs."""
    return [run.id for run in await world.list_runs(RunFilter())]


async def test_a_run_goes_when_it_is_no_longer_kept(world: World, clock: ManualClock) -> None:
    """Not before, and not with another ending."""
    rounds = await pruner(world, retention=Retention(failed="30d", completed="1d"))
    clock.advance(30 * DAY - 1)
    await rounds.round()
    assert await names(world) == [RUN]
    clock.advance(2)
    await rounds.round()
    assert await names(world) == []


async def test_a_name_stays_for_seven_days(world: World, clock: ManualClock) -> None:
    """However short the run is kept: how it ended and what it has received is known until then, and all else gone."""
    rounds = await pruner(world, retention="1h")
    clock.advance(DAY)
    await rounds.round()
    assert (await world.get_run(RUN)).status == "failed"
    assert [event.type for event in await world.events(RUN)] == ["run_failed"]
    assert await world.log_entries(RUN) == []
    assert await world.resumed(f"token of {RUN}", "r1") == RUN
    clock.advance(6 * DAY + 1)
    await rounds.round()
    assert await names(world) == []
    assert await world.resumed(f"token of {RUN}", "r1") == ""


async def test_names_that_stay_are_passed_once(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither page after page nor round after round is what went looked at again; but all is once in a while."""
    for n in range(120):
        await lived(world, run_id=f"wrun_{n:03}")
    asked: list[tuple[int, int]] = []
    ended_runs = world.ended_runs

    async def asking(where: EndedFilter) -> list[Run]:
        found = await ended_runs(where)
        if where.whole:
            asked.append((where.since, len(found)))
        return found

    monkeypatch.setattr(world, "ended_runs", asking)
    rounds = await pruner(world, retention=Retention(failed="1h"))
    clock.advance(DAY)
    ended, through = (await world.get_run(RUN)).ended_at, clock.now() - DAY // 24
    await rounds.round()
    assert asked == [(0, 50), (ended, 50), (ended, 21), (ended, 0)]
    asked.clear()
    for _ in range(pruning._ROUNDS - 1):
        await rounds.round()
    assert asked == [(through, 0)] * (pruning._ROUNDS - 1)
    await rounds.round()
    assert asked[-1] == (0, 0)


async def test_what_could_not_go_is_tried_again_in_the_next_round(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others of its page have gone, and it ended before them."""
    for run_id in ("wrun_1", "wrun_2"):
        await lived(world, "run_cancelled", run_id)
        clock.advance(1_000)
    held, delete_run = ["wrun_1"], world.delete_run

    async def delete(run_id: str, **options: Any) -> bool:
        if run_id in held:
            raise EntityConflictError(f"somebody is at {run_id}")
        return await delete_run(run_id, **options)

    monkeypatch.setattr(world, "delete_run", delete)
    rounds = await pruner(world, retention="30d")
    clock.advance(31 * DAY)
    await rounds.round()
    assert await names(world) == held
    held.clear()
    await rounds.round()
    assert await names(world) == []


async def test_nothing_goes_without_a_policy(world: World, clock: ManualClock) -> None:
    """All is kept for ever by default."""
    clock.advance(9_999 * DAY)
    await (await pruner(world, retention=None, log=None)).round()
    assert await names(world) == [RUN]


async def test_a_workflow_may_have_a_policy_of_its_own(world: World, clock: ManualClock) -> None:
    """The default is not for it then."""
    await lived(world, run_id="wrun_01B")

    async def trust(_run: Run) -> bool:
        return True

    own = Policies(Policy(), {"order": checked_policy("8d", None)})
    besides = Policies(checked_policy("8d", None), {"order": Policy()})
    clock.advance(9 * DAY)
    await Pruner(world, lambda: "", besides, trust).round()
    assert len(await names(world)) == 2
    await Pruner(world, lambda: "another", own, trust).round()
    assert len(await names(world)) == 2
    await Pruner(world, lambda: "", own, trust).round()
    assert await names(world) == []


async def test_a_log_is_archived_before_it_goes(world: World, clock: ManualClock, tmp_path: Path) -> None:
    """One line of JSON for each event, in the order of the log, and nothing twice."""
    seqs = [event.seq for event in await world.events(RUN)]
    clock.advance(DAY)
    rounds = await pruner(world, retention=Retention(failed="1h", archive=tmp_path / "kept"))
    await rounds.round()
    clock.advance(7 * DAY)
    await rounds.round()
    assert await names(world) == []
    lines = [json.loads(line) for line in (tmp_path / "kept" / f"{RUN}.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == seqs
    assert lines[0]["type"] == "run_created"


async def test_what_cannot_be_archived_stays(world: World, clock: ManualClock) -> None:
    """The error says so, and the next round tries again."""
    told: list[int] = []

    async def archive(_run_id: str, events: Sequence[Event]) -> None:
        told.append(len(events))
        if len(told) == 1:
            raise OSError("disk full")

    clock.advance(8 * DAY)
    rounds = await pruner(world, retention=Retention(failed="1h", archive=archive))
    with pytest.raises(ArchiveError, match="could not be archived, and stays: disk full"):
        await rounds.round()
    assert await names(world) == [RUN]
    await rounds.round()
    assert await names(world) == []


async def test_somebody_else_may_be_quicker(world: World) -> None:
    """A run that is gone already is nobody's error."""
    run = await world.get_run(RUN)
    await world.delete_run(RUN)
    assert await Bites(world).delete([run], lambda _: None, keep_name=False) == []


async def test_short_runs_go_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bite has no more rows than one long run could lose, and no run of it takes another's share."""
    for n in range(9):
        await lived(world, run_id=f"wrun_{n}")
    runs = [await world.get_run(f"wrun_{n}") for n in range(9)]
    monkeypatch.setattr(pruning, "DELETED_ROWS_MAX", 3 * runs[0].head)
    asked: list[tuple[str, int]] = []
    real = world.delete_run

    async def delete_run(run_id: str, **options: Any) -> bool:
        asked.append((run_id, options["rows_max"]))
        return await real(run_id, **options)

    monkeypatch.setattr(world, "delete_run", delete_run)
    groups = [*pruning._groups(runs)]
    assert [len(group) for group in groups] == [3, 3, 3]
    assert await Bites(world).delete(groups[0], lambda _: None, keep_name=False) == groups[0]
    assert {rows_max for _, rows_max in asked} == {runs[0].head}
    assert {run_id for run_id, _ in asked} == {run.id for run in groups[0]}


async def test_several_workers_prune_at_once(tmp_path: Path) -> None:
    """Each on a connection of its own; nothing is an error, and nothing is left."""
    url = f"sqlite:///{tmp_path}/t.db?synchronous=normal"
    clock = ManualClock(T)
    worlds = [SqliteWorld(url, Ticking(T + 9 * DAY)) for _ in range(3)]
    first = SqliteWorld(url, clock)
    await first.open()
    for n in range(12):
        await lived(first, run_id=f"wrun_{n}")
    for each in worlds:
        await each.open()
    await asyncio.gather(*[(await pruner(each, retention="1d")).round() for each in worlds])
    assert await names(first) == []
    assert await first.damaged() == []
    for each in (first, *worlds):
        await each.close()


async def test_a_damaged_run_stays_and_stops_no_other(clock: ManualClock) -> None:
    """The others go."""

    class Damaged(MemoryWorld):
        async def delete_run(self, run_id: str, **options: Any) -> bool:
            if run_id == RUN:
                raise DamagedError("a row", "it makes no sense", run_id=RUN)
            return await super().delete_run(run_id, **options)

    world = Damaged("memory://", clock)
    await lived(world)
    await lived(world, run_id="wrun_01B")
    clock.advance(9 * DAY)
    await (await pruner(world, retention="1d")).round()
    assert await names(world) == [RUN]


async def test_a_run_that_is_started_again_under_its_name_is_the_same(world: World, clock: ManualClock) -> None:
    """Also after what it stored is gone, as long as its name is kept."""
    clock.advance(DAY)
    await (await pruner(world, retention="1h")).round()
    assert (await world.create_run(new_run())).status == "failed"


@pytest.mark.parametrize("runtime", ["snapshot", "replay"])
async def test_the_log_of_a_run_that_goes_on_is_dropped(tmp_path: Path, runtime: Runtime) -> None:
    """Behind its snapshot, all but some; the run goes on to its end. A run in replay mode keeps its log."""
    seen: list[Event] = []
    settings = WorkerSettings(upkeep_ms=10)
    app.keep(naps, log=KeepLog(events=20, archive=lambda _, events: seen.extend(events)))
    try:
        world = f"sqlite:///{tmp_path}/t.db"
        async with Testbed(app, world=world, settings=settings, runtime=runtime, timeout=60) as torpor:
            run, other = await torpor.start(naps, 100), await torpor.start(nap, "I")
            await torpor.skip("80d")

            async def is_short() -> bool:
                return (await run.info()).base > 100

            if runtime == "snapshot":
                await until(app, is_short)
                assert [event.seq for event in seen] == list(range(1, (await run.info()).base + 1))
            assert await run.result() == 100
            assert (await run.info()).base == len({event.seq for event in seen})
            assert (await other.info()).base == 0
    finally:
        app._policies.clear()


async def test_a_log_is_dropped_by_age() -> None:
    """All that is older than that goes, counted back from the snapshot, unless so many events are to stay."""
    async with Testbed(app, timeout=60) as torpor:
        run = await torpor.start(naps, 80)
        await torpor.skip("70d")
        snapshot = await torpor.world.snapshot(run.id)
        assert snapshot is not None
        aged = [event.seq for event in await run.events() if event.at < snapshot.at - 10 * DAY]
        assert 100 < aged[-1] < 140
        verify = partial(can_be_restored, Client(torpor.world, app.keyring))

        async def pruned(*kept: object) -> int:
            policy = checked_policy(None, KeepLog(*kept))  # type: ignore[arg-type]
            await Pruner(torpor.world, lambda: app.name, Policies(policy), verify).round()
            return (await run.info()).base

        assert await pruned(None, "60d") == 0  # it is not worth while
        assert await pruned(snapshot.cursor - 50, "10d") == 0
        assert await pruned(None, "10d") == aged[-1]


async def test_a_snapshot_that_cannot_be_restored_lets_no_log_go() -> None:
    """Nothing is asked of the world then."""

    async def distrust(_run: Run) -> bool:
        return False

    async with Testbed(app, timeout=60) as torpor:
        run = await torpor.start(naps, 80)
        await torpor.skip("60d")
        await Pruner(torpor.world, lambda: app.name, Policies(checked_policy(None, 5)), distrust).round()
        assert (await run.info()).base == 0


async def test_programs_that_no_run_keeps_go(tmp_path: Path) -> None:
    """A program is needed by its runs, ended or not, and by what is deployed."""
    async with Testbed(app, world=f"sqlite:///{tmp_path}/t.db") as torpor:
        torpor.replace("pay", Mock(return_value="paid"))
        run = await torpor.start(buy, "o-1")
        await run.result()
        world, sweep = torpor.world, Sweep(torpor.world)
        await world.put_blob("program/forgotten", b"{}")
        await sweep.look()
        assert await sweep.look() == ["program/forgotten"]
        assert len(await world.blob_sizes("program/")) > 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retention": "soon"}, "retention='soon'"),
        ({"log": -1}, "log=-1"),
        ({"log": True}, "log=True"),
        ({"log": KeepLog()}, "how many events"),
        ({"log": KeepLog(age="old")}, "age='old'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, object], told: str) -> None:
    """At once, where they stand."""
    with pytest.raises(ConfigurationError, match=told):
        Torpor("memory://", **options)  # type: ignore[arg-type]


async def test_a_policy_for_a_workflow_that_there_is_not_is_told() -> None:
    """When the worker begins."""
    app.keep("nowhere", retention="1d")
    try:
        with pytest.raises(WorkflowNotRegisteredError, match="nowhere"):
            await Testbed(app).__aenter__()
    finally:
        app._policies.clear()


async def test_a_handle_deletes_its_run() -> None:
    """With its name, once it has ended."""
    async with Testbed(app) as torpor:
        run = await torpor.start(nap, "I", run_id="nap-1")
        with pytest.raises(EntityConflictError, match="cancel it first"):
            await run.delete()
        await run.result()
        await run.delete()
        with pytest.raises(RunNotFoundError, match="nap-1"):
            await run.status()
        assert await (await torpor.start(nap, "You", run_id="nap-1")).result() == "You slept"
