"""What operations cost: how many statements, and that none looks through rows that it does not need."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from tests.worlds.empty_sqlite import world
from tests.worlds.ends import found_both_ways
from torpor.lifecycle import RunStatus
from torpor.model import NOW, Deployment, Event, LogEntry, NewTask, Run, RunFilter
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    WORKER,
    T,
    begin,
    claim,
    claim_step,
    ending,
    hook,
    new_run,
    outcome,
    request,
    snapshot,
    step,
    take,
    wait,
    watching,
    worker_row,
)
from torpor.worlds.sqlite import SqliteWorld, queries
from torpor.worlds.sqlite.connection import ConnectionThread
from torpor.worlds.sqlite.store import Store

__all__ = ["world"]

BRACKETS = ("BEGIN IMMEDIATE", "COMMIT")
FAR = 4_000_000_000_000


async def _trace(*threads: ConnectionThread) -> list[str]:
    """
    Return the list to which every statement of these threads is added from now on; but for those that say whether a
    commit waits for the disk, as a claim's does not (0097): they touch no data.
    """
    seen: list[str] = []

    def note(statement: str) -> None:
        if not statement.startswith("PRAGMA synchronous"):
            seen.append(statement)

    def operation(store: Store) -> tuple[None, None]:
        store.db.set_trace_callback(note)
        return None, None

    for thread in threads:
        await thread._submit(operation, "a test")
    seen.clear()
    return seen


def _verbs(statements: Iterable[str]) -> list[str]:
    return [" ".join(text.split()[:3]) if text not in BRACKETS else text for text in statements]


# How many


async def test_a_sequential_steps_commit_reads_nothing(world: SqliteWorld) -> None:
    """Its run compared and set, two events, the step that ended gone and the next one there: in one transaction."""
    turn = await begin(world, RUN, step("step_created", 1, attempt=1))
    await turn.commit(step("step_created", 2, attempt=1), inputs=[step("step_completed", 1)], ops=2)
    seen = await _trace(world._writer)
    await turn.commit(step("step_created", 3, attempt=1), inputs=[step("step_completed", 2)], ops=3)
    assert _verbs(seen) == [
        "BEGIN IMMEDIATE",
        "UPDATE runs SET",
        "INSERT INTO events",
        "INSERT INTO events",
        "DELETE FROM steps",
        "INSERT INTO steps",
        "COMMIT",
    ]


async def test_the_first_commit_after_a_claim_reads_nothing_of_the_run(world: SqliteWorld) -> None:
    """Also in a process that has never seen the run: the claim has told it all."""
    await world.create_run(new_run())
    other = SqliteWorld(world.url)
    await other.open()
    turn = await claim(other)
    seen = await _trace(other._writer)
    await turn.commit(Event("run_started", T))
    assert _tables(seen) == ["runs", "events"]
    await other.close()


async def test_a_claim_that_finds_nothing_is_one_query(world: SqliteWorld) -> None:
    """However many applications, queues, guests, keys and steps the worker has, and whatever is not for it."""
    turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, FAR))
    await turn.commit(tasks=[NewTask("step_01")], park=True)
    seen = await _trace(world._writer)
    many = tuple(f"step {n}" for n in range(1000))
    claims = await world.claim(
        request(apps=("", "a", "b"), queues=("", "q"), guests=("quickjs", "cpython"), key_ids=("", "k"), steps=many)
    )
    assert (claims.tasks, claims.next_at) == ([], FAR)
    assert _verbs(seen) == ["BEGIN IMMEDIATE", "WITH RECURSIVE waiting", "COMMIT"]


async def test_a_claim_reads_and_writes_a_row_for_each_task(world: SqliteWorld) -> None:
    """A turn is its run's row, and the event of a run that nobody has touched; a step its own row. No log grows."""
    turn = await begin(world, RUN, step("step_created", 1))
    await turn.commit(tasks=[NewTask("step_01")])
    await world.create_run(new_run(OTHER))
    seen = await _trace(world._writer)
    assert len(await take(world)) == 2
    bracket, look, look_at_steps, *rest = seen
    assert (bracket, look.split()[0], "json_group_array" in look_at_steps) == ("BEGIN IMMEDIATE", "WITH", True)
    assert _tables(rest) == ["runs", "runs", "events", "runs", "steps", "steps"]


@pytest.mark.parametrize("steps", [1, 99])
async def test_the_end_of_a_step_reads_nothing_of_the_others(world: SqliteWorld, steps: int) -> None:
    """Each of many tasks of one run is finished with as many statements as an only one: what it is, and its outcome."""
    turn = await begin(world, RUN, *(step("step_created", n) for n in range(1, steps + 1)))
    await turn.commit(tasks=[NewTask(f"step_{n:02}") for n in range(1, steps + 1)], park=True)
    [task] = await take(world, turns_max=0, steps_max=1)
    seen = await _trace(world._writer)
    await world.finish_step(outcome(task, "step_completed"))
    assert _tables(seen) == ["runs", "steps", "waits", "runs", "events", "steps"]


def _tables(statements: Iterable[str]) -> list[str]:
    """Return which table each statement is about."""
    words = [text.replace("(", " ").split() for text in statements if text not in BRACKETS]
    tables = {"SELECT": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE", "DELETE": "FROM"}
    return [text[text.index(tables[text[0]]) + 1] for text in words]


# What they look through


async def _live_a_whole_life(world: SqliteWorld) -> None:
    """Do everything that workers, callers and people do."""
    await world.create_run(replace(new_run("wrun_encrypted"), key_id="k1"))
    turn = await begin(world, RUN, step("step_created", 1, attempt=1), step("step_created", 2))
    await turn.commit(wait("wait_created", 3, T + 9), hook("hook_created", 4), inputs=[step("step_completed", 1)])
    await world.resume_hook("token", b"devl1", "r1")
    turn.held = None
    await turn.commit(lines=[LogEntry(1, T, "info", "line")], snapshot=snapshot())
    await turn.commit(tasks=[NewTask("step_02", NOW)], park=True)
    task = await claim_step(world)
    await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=-1, why="busy")
    await world.waiting_steps()
    task = await claim_step(world)
    await world.finish_step(outcome(task, "step_retrying", due=T))
    task = await claim_step(world)
    await world.finish_step(outcome(task, "step_completed"))
    turn = await claim(world)
    await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=-1, why="busy")
    await world.snoozed_runs()
    turn = await claim(world)
    await world.release([WORKER])
    await world.register(worker_row())
    await world.heartbeat(WORKER)
    turn = await claim(world)
    await world.set_attributes(RUN, {"a": "1", "b": "2"})
    await world.pause_run(RUN)
    await world.wake_up(RUN)
    await world.unpause_run(RUN)
    turn.held = None
    await world.put_blob("build/b1", b"build")
    await turn.commit(hook("hook_disposed", 4), snapshot=snapshot())
    await turn.commit(ending("run_failed"))
    await world.retry_run(RUN)
    turn = await claim(world)
    await turn.commit(ending("run_failed"))
    await world.archive(RUN, 3)
    turn = await begin(world, OTHER, hook("hook_created", 1))
    parent = await begin(world, "wrun_parent", watching(1, OTHER), watching(2, RUN))
    await parent.commit(park=True)
    await turn.commit(park=True)
    await _read(world)
    await world.cancel_run(OTHER, "")
    await world.delete_snapshot(OTHER)
    await world.delete_blob("build/b1")
    await world.release([WORKER], expired_only=True)


async def _read(world: SqliteWorld) -> None:
    """Ask for all that can be asked for."""
    await world.hook("token")
    await world.get_run(OTHER)
    await world.events(OTHER, after=1)
    await world.log_entries(OTHER)
    await world.snapshot(OTHER)
    await world.blob("build/b1")
    await world.has_blob("build/b1")
    await world.blob_sizes("build/")
    await world.open_entities(OTHER)
    await world.put_deployment(Deployment("d1", "shop"))
    await world.deployments()
    await world.deployments("shop")
    await world.live_hooks()
    await world.live_hooks(before="hook_09")
    await world.workers()
    await world.statuses([RUN, OTHER])
    await world.images_in_use()
    for live in (True, False):
        await world.runs_by_key(live=live)
    for where in _filters():
        await world.list_runs(where)
    await world.runs_beginning_with("wrun")


def _filters() -> list[RunFilter]:
    return [
        RunFilter(status, workflow, app, before, attributes=attributes)
        for status in (None, "running")
        for workflow in (None, "order")
        for app in (None, "")
        for before in (None, OTHER)
        for attributes in ({}, {"a": "1"}, {"a": "1", "b": "2"})
    ]


async def _plans(world: SqliteWorld, statements: Iterable[str]) -> dict[str, list[str]]:
    def plans(store: Store) -> dict[str, list[str]]:
        return {text: [row[3] for row in store.db.execute(f"EXPLAIN QUERY PLAN {text}")] for text in set(statements)}

    return await world._reader.submit(plans, "a test")


SMALL = (
    # what is looked through: tables with a row for each workflow, route, worker or deployment, and what a query makes
    *(
        "w",
        "routes",
        "workers",
        "deployments",
        "lists",
        "l",
        "waiting",
        "owners",
        "CONSTANT ROW",
        "(subquery",
        "s VIRTUAL",
    ),
    *("json_each VIRTUAL", "value VIRTUAL"),
    # an index whose rows are all wanted, or a page of them in its order
    *(
        "h USING INDEX hooks_live",
        "runs USING INDEX runs_snoozed",
        "deployments USING INDEX",
    ),
)


async def test_every_query_of_a_life_is_a_search(world: SqliteWorld) -> None:
    """SQLite's own plan of each statement goes by an index, and looks through no table that grows with the runs."""
    seen = await _trace(world._writer, world._reader, world._queries)
    await _live_a_whole_life(world)
    statements = {text for text in seen if text.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}}
    assert len(statements) > 50
    scans = [
        (text, line)
        for text, plan in (await _plans(world, statements)).items()
        for line in plan
        if line.startswith("SCAN") and not line.removeprefix("SCAN ").startswith(SMALL)
    ]
    assert scans == []


async def test_a_claim_reads_no_more_than_it_takes(world: SqliteWorld) -> None:
    """Ready turns and steps are found in the order of an index; none is sorted, and no timer is passed over."""
    turn = await begin(world, RUN, step("step_created", 1))
    await turn.commit(tasks=[NewTask("step_01")])
    seen = await _trace(world._writer)
    await world.claim(request(key_ids=("", "k1")))
    plans = await _plans(world, [text for text in seen if "_ready" in text or "ready_at = 0" in text])
    lines = [line for plan in plans.values() for line in plan]
    assert not [line for line in lines if "TEMP B-TREE" in line]
    searches = [line for line in lines if "_ready (" in line]
    for table in ("runs USING INDEX runs_ready (route=?", "steps USING COVERING INDEX steps_ready (route=? AND kind=?"):
        for what in ("ready_at=?", "ready_at>? AND ready_at<?"):
            assert f"SEARCH {table} AND {what})" in searches
    assert "SEARCH steps USING COVERING INDEX steps_ready (route=? AND kind>?)" in searches


async def test_a_page_reads_no_more_than_a_page_of_each_list(world: SqliteWorld) -> None:
    """Filtered runs are found in the order of an index that knows workflow and status, or along their rowids."""
    seen = await _trace(world._queries)
    await world.create_run(new_run(OTHER))
    for where in _filters():
        await world.list_runs(where)
    await world.runs_beginning_with("wrun")
    plans = await _plans(world, [text for text in seen if "FROM runs" in text])
    searches = {line for plan in plans.values() for line in plan if "runs" in line}
    assert searches == {
        "SEARCH runs USING COVERING INDEX runs_listed (workflow=? AND status=? AND rowid<?)",
        "SEARCH runs USING COVERING INDEX sqlite_autoindex_runs_1 (id=?)",
        "SEARCH runs USING INDEX sqlite_autoindex_runs_1 (id>? AND id<?)",
        "SEARCH runs USING INTEGER PRIMARY KEY (rowid<?)",
        "SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)",
    }


@pytest.mark.parametrize(
    ("attributes", "status", "listed"),
    [
        ({"region": "eu"}, "cancelled", True),
        ({"region": "eu"}, "pending", True),
        ({"region": "eu", "customer": "c-3"}, "pending", False),
        ({"region": "eu", "customer": "c-3"}, "cancelled", False),
        ({"region": "eu"}, None, False),
    ],
)
async def test_a_search_goes_along_what_is_rarest(
    world: SqliteWorld, attributes: dict[str, str], status: RunStatus | None, listed: bool
) -> None:
    """The runs of a status that few have, of which those with the attributes are taken, or the other way round."""
    names = [f"wrun_{n:02}" for n in range(30)]
    for n, name in enumerate(names):
        await world.create_run(replace(new_run(name), attributes={"region": "eu", "customer": f"c-{n}"}))
    for name in (gone := names[3:9]):
        await world.cancel_run(name, "")
    seen = await _trace(world._queries)
    page = await world.list_runs(RunFilter(status, attributes=attributes, limit=4))
    fitting = gone if status == "cancelled" else [name for name in names if not (status and name in gone)]
    wanted = [name for name in fitting if "customer" not in attributes or name == "wrun_03"]
    assert [run.id for run in page] == wanted[::-1][:4]
    assert any(text.startswith("SELECT r.k FROM workflows w") for text in seen) == listed
    rest = await world.list_runs(RunFilter(status, attributes=attributes, limit=99, before=names[8]))
    assert [run.id for run in rest] == [name for name in wanted[::-1] if name < names[8]]


async def test_pages_are_merged_in_the_order_of_creation(world: SqliteWorld) -> None:
    """Whatever workflows, applications and statuses are mixed, pages of any filter are its runs, newest first."""
    for n in range(40):
        new = replace(new_run(f"wrun_{n * 7 % 40:02}", workflow=f"flow {n % 3}"), app=f"app {n % 4 // 2}")
        await world.create_run(new)
        if n % 5 == 0:
            await world.cancel_run(new.id, "")
    everything = await world.list_runs(RunFilter())
    assert len(everything) == 40
    for status in (None, "pending", "cancelled", "failed"):
        for workflow in (None, "flow 1", "flow 9"):
            for app in (None, "app 1", "app 9"):
                wanted = [
                    run
                    for run in everything
                    if status in {None, run.status} and workflow in {None, run.workflow} and app in {None, run.app}
                ]
                assert await _paged(world, RunFilter(status, workflow, app, limit=3)) == wanted


async def _paged(world: SqliteWorld, where: RunFilter) -> list[Run]:
    """Return all pages of a list, one after the other."""
    runs: list[Run] = []
    while page := await world.list_runs(where):
        assert len(page) <= where.limit
        runs += page
        where = replace(where, before=page[-1].id)
    return runs


async def test_runs_that_ended_at_some_time_are_found_both_ways(
    world: SqliteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few along the index of ends, many along all runs: the same ones."""
    await found_both_ways(world, queries, monkeypatch)
