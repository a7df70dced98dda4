"""What is read of runs, from a world in which they really ran."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.engine.support import TIMEOUT, until
from tests.inspection.application import app as application
from torpor import RunInfo, Torpor
from torpor.errors import RunNotFoundError, UsageError
from torpor.inspection.reading import Reader
from torpor.model import Snapshot, build_key


@pytest.fixture
async def app() -> AsyncIterator[Torpor]:
    """An open application with a worker, in a world of its own."""
    async with application.on("memory://") as opened, opened.worker():
        yield opened


@pytest.fixture
def reader(app: Torpor) -> Reader:
    """What reads the application's world."""
    return Reader(app.client)


async def test_a_run_tells_what_it_waits_for(app: Torpor) -> None:
    """A hook by its token, with the moment since when; nothing once the run has ended."""
    run = await app.start("waits", "token-1")
    info = await _waiting(app, run.id)

    [awaited] = info.waits_for
    assert (awaited.kind, awaited.name, awaited.status) == ("hook", "token-1", "waiting")
    assert info.started_at <= awaited.since

    await app.resume_hook("token-1", {"n": 1})
    await run.result(timeout=TIMEOUT)
    assert (await run.info()).waits_for == ()


async def test_a_timer_is_told_with_its_end(app: Torpor) -> None:
    """And so it is in the list of runs."""
    run = await app.start("sleeps", 60_000)
    await _waiting(app, run.id)

    [listed] = await app.list_runs()
    [awaited] = listed.waits_for
    assert (awaited.kind, awaited.due - listed.created_at >= 60_000) == ("timer", True)


async def test_a_step_is_told_while_it_runs(app: Torpor) -> None:
    """By its short name, with its state and attempt."""
    run = await app.start("dawdles")

    async def begun() -> bool:
        return any(awaited.attempt for awaited in (await run.info()).waits_for)

    await until(app, begun)
    [awaited] = (await run.info()).waits_for
    assert (awaited.kind, awaited.name, awaited.status, awaited.attempt) == ("step", "dawdle", "running", 1)
    await run.cancel()  # else the worker would wait for it when it stops


async def test_the_public_never_sees_the_seed(app: Torpor, reader: Reader) -> None:
    """Neither in what a handle, a list or details say."""
    run = await app.start("waits", "token-1")
    await _waiting(app, run.id)
    seed = (await app.world.get_run(run.id)).seed

    shown = [await run.info(), await app.list_runs(), await reader.details(run.id), await reader.hooks(limit=9)]
    encoded = msgspec.msgpack.encode(shown)
    assert len(seed) == 32
    assert seed not in encoded
    assert b"seed" not in encoded


async def test_history_comes_in_pages(app: Torpor, reader: Reader) -> None:
    """Each page goes on after the last op of the one before, and says whether there is another."""
    run = await app.start("counts", 5)
    await run.result(timeout=TIMEOUT)

    first = await reader.history(run.id, limit=2)
    second = await reader.history(run.id, after=first.stories()[-1].op, limit=2)
    last = await reader.history(run.id, after=second.stories()[-1].op, limit=2)

    assert [[step.output for step in page.steps.values()] for page in (first, second, last)] == [[1, 2], [3, 4], [5]]
    assert [page.more for page in (first, second, last)] == [True, True, False]
    assert [page.problems for page in (first, second, last)] == [[], [], []]


async def test_events_come_in_pages(app: Torpor, reader: Reader) -> None:
    """Decoded, from a place in the log on."""
    run = await app.start("counts", 1)
    await run.result(timeout=TIMEOUT)

    first = await reader.events(run.id, limit=2)
    rest = await reader.events(run.id, after=2, limit=1_000)

    assert [event.seq for event in first] == [1, 2]
    assert (first[0].type, first[0].payload) == ("run_created", [1])
    assert (rest[0].seq, rest[-1].type, rest[-1].payload) == (3, "run_completed", 1)


async def test_hooks_of_all_runs_are_listed(app: Torpor, reader: Reader) -> None:
    """Those that wait for the outside world, and no others; the newest run's first."""
    for token in ("first", "second", "third"):
        run = await app.start("waits", token)
        await _waiting(app, run.id)
    await app.resume_hook("second", {"n": 1})
    await app.client.wait_ended((await reader.runs(limit=2))[1].id)

    assert [(hook.token, hook.workflow) for hook in await reader.hooks(limit=9)] == [
        ("third", "waits"),
        ("first", "waits"),
    ]
    assert [hook.token for hook in await reader.hooks(limit=1)] == ["third"]
    assert await reader.hooks(workflow="counts", limit=9) == []


async def test_the_beginning_of_an_id_is_enough(app: Torpor, reader: Reader) -> None:
    """With or without its prefix, where no other id begins like that."""
    for run_id in ("order-10", "order-1", "wrun_01ARZ3NDEKTSV4RRFFQ69G5FAV"):
        await app.start("waits", run_id, run_id=run_id)

    assert await reader.find("order-10") == "order-10"
    assert await reader.find("order-1") == "order-1"  # whole, so it is no beginning
    assert await reader.find("wrun_01ARZ") == await reader.find("01ARZ") == "wrun_01ARZ3NDEKTSV4RRFFQ69G5FAV"
    with pytest.raises(UsageError, match=re.escape("several runs begin with ord: order-1 (waits, ")):
        await reader.find("ord")
    with pytest.raises(RunNotFoundError):
        await reader.find("order-2")


async def test_the_newest_run_is_found(app: Torpor, reader: Reader) -> None:
    """Where there is one."""
    with pytest.raises(RunNotFoundError, match="there is no run in world memory"):
        await reader.newest()
    await app.start("waits", "a")
    run = await app.start("waits", "b")

    assert await reader.newest() == run.id


async def test_a_log_may_begin_in_the_past(app: Torpor, reader: Reader) -> None:
    """What was dropped is said, what is open is shown, and nothing is called damaged."""
    run = await app.start("counts_and_waits", 3, "token-1")
    await _waiting(app, run.id)
    snapshot = await _parked(app, run.id)
    build = build_key((await app.world.get_run(run.id)).build)
    if not await app.world.has_blob(build):  # nothing is dropped without it, and nobody here needs it
        await app.world.put_blob(build, b"a guest")
    await app.world.archive(run.id, snapshot.cursor)

    details = await reader.details(run.id)

    assert details.run.base == snapshot.cursor
    assert [hook.token for hook in details.history.hooks.values()] == ["token-1"]
    assert details.summary.input is None
    assert (details.problems, details.is_stuck) == ([], False)
    page = await reader.history(run.id, limit=10)
    assert [story.id for story in page.stories()] == list(details.history.hooks)


async def _parked(app: Torpor, run_id: str) -> Snapshot:
    """Return the snapshot of a run that has parked after all of its events."""

    async def look() -> Snapshot | None:
        snapshot = await app.world.snapshot(run_id)
        head = (await app.run(run_id).info()).head
        return snapshot if snapshot is not None and snapshot.cursor >= head - 1 else None

    found = await until(app, look)
    assert found is not None
    return found


async def _waiting(app: Torpor, run_id: str) -> RunInfo:
    """Return the run once it waits for something."""

    async def look() -> RunInfo | None:
        info = await app.run(run_id).info()
        return info if info.waits_for else None

    found = await until(app, look)
    assert found is not None
    return found
