"""Runs that go on from a place of another one's log."""

from __future__ import annotations

import pytest

from tests.engine.support import until
from tests.semantics.steps import gates
from tests.semantics.support import HOUR, Stage, kinds, outcome
from torpor import RunHandle, UsageError
from torpor.errors import EntityConflictError
from torpor.inspection.archive import archive
from torpor.inspection.reading import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _token(stage: Stage, run: RunHandle) -> str:
    """Return the token of a run's newest hook."""
    return (await stage.logged(run, "hook_created"))[-1].name


async def _is_sound(stage: Stage, run: RunHandle) -> None:
    """Check that what people are shown of a run makes sense, and nothing of its origin's seed."""
    details = await Reader(stage.app.client, decrypt=True).details(run.id)
    assert details.problems == []
    assert [event.payload for event in details.events if event.type == "run_forked"] == [None]


async def test_a_fork_is_its_own_from_its_place_on(stage: Stage) -> None:
    """What was read before stays; id, entropy, tokens and names of steps are new, also where it is asked in between."""
    run = await stage.start("forkable", 4)
    token = await _token(stage, run)
    place = (await run.info()).head
    early, late = await run.fork(at=4), await run.fork(at=-1)
    assert (await late.info()).forked_from == f"{run.id}@{place}"
    results = []
    for each in (run, early, late):
        await stage.resume(await _token(stage, each), "in")
        results.append(await outcome(each))
    for each, told in zip((run, early, late), results, strict=True):
        assert (told["first"], told["got"], told["ids"]) == (5, "in", [run.id, each.id])
        assert (told["drawn"][0], told["tokens"][0]) == (results[0]["drawn"][0], token)
    assert len({told["drawn"][1] for told in results}) == 3
    assert len({told["tokens"][1] for told in results}) == 3
    steps = [(await stage.logged(each, "step_completed", 2))[-1].id for each in (run, early, late)]
    assert len(set(steps)) == 3
    for each in (early, late):
        await _is_sound(stage, each)
        assert (await kinds(each))["step_completed"] == 2  # and the first of them was not done again
        assert [entry.text for entry in await each.logs()] == ["first 5"]
        whole = await each.fork(at=-2)  # of a fork, just before its end
        assert await outcome(whole) == (await outcome(each))


async def test_another_result(stage: Stage) -> None:
    """Of a step that had ended, and of one that is open; what is no step is refused."""
    run = await stage.start("forkable", 4)
    await _token(stage, run)
    changed = await run.fork(at=4, results={1: 100})
    await stage.resume(await _token(stage, changed), "in")
    assert (await outcome(changed))["first"] == 100
    chosen = await run.fork(at=3, results={1: 7})
    await stage.resume(await _token(stage, chosen), "in")
    assert (await outcome(chosen))["first"] == 7
    with pytest.raises(UsageError, match=r"op 2 of run .* is no step .* 1 .add."):
        await run.fork(at=4, results={2: 0})
    await run.cancel(force=True)


async def test_what_is_open_goes_on(stage: Stage) -> None:
    """A step begins anew in the fork, and a timer keeps its time."""
    name = f"forked-{stage.guest}-{stage.runtime}"
    run = await stage.start("forkable_beside", name)
    await stage.logged(run, "step_completed")
    forked = await run.fork(at=-1)
    due = [each.due for each in await stage.logged(run, "wait_created")]
    assert [each.due for each in await stage.logged(forked, "wait_created")] == due
    gates[name].open.set()
    stage.clock.put_forward(HOUR)
    assert await outcome(forked) == await outcome(run) == [2, name]
    ids = [(await stage.logged(each, "step_completed", 2))[-1].id for each in (run, forked)]
    assert len(set(ids)) == 2


async def _lost(stage: Stage, run: RunHandle) -> int:
    """Let a run's log lose its beginning, and return behind which event it begins then."""
    if stage.runtime == "replay":
        pytest.skip("a run that is replayed keeps its log")

    async def dropped() -> int:
        try:
            return (await archive(stage.app.client, run.id))[0].base
        except EntityConflictError:  # it has no snapshot yet
            return 0

    return await until(stage.app, dropped)


async def test_a_log_that_lost_its_beginning(stage: Stage) -> None:
    """The run is forked at the present, from its snapshot: as its own from there on, like any other fork."""
    run = await stage.start("forkable", 4)
    token = await _token(stage, run)
    base = await _lost(stage, run)
    head = (await run.info()).head
    with pytest.raises(UsageError, match=f"begins after event {base}, so that it can be forked at the present only"):
        await run.fork(at=head - 1)
    with pytest.raises(UsageError, match="other code takes all of it"):
        await run.fork(at=-1, code=stage.app)
    with pytest.raises(UsageError, match=r"op 1 of run .* is no step that is open now; those are: none"):
        await run.fork(at=-1, results={1: 5})
    with pytest.raises(EntityConflictError, match=run.id):
        await run.fork(at=-1, take_over=True)
    forked = await run.fork(at=-1, run_id=f"late-{stage.guest}")
    assert (await run.fork(at=-1, run_id=forked.id)).id == forked.id
    assert (await forked.info()).forked_from == f"{run.id}@{head}"
    again = await forked.fork(at=-1)  # of a fork that begins late
    results = []
    for each in (run, forked, again):
        await stage.resume(await _token(stage, each) if each is run else await _open_token(each), "in")
        results.append(await outcome(each))
    for each, told in zip((run, forked, again), results, strict=True):
        assert (told["first"], told["got"], told["ids"]) == (5, "in", [run.id, each.id])
        assert (told["drawn"][0], told["tokens"][0]) == (results[0]["drawn"][0], token)
    assert len({told["drawn"][1] for told in results}) == 3
    assert len({told["tokens"][1] for told in results}) == 3
    steps = [(await stage.logged(each, "step_completed"))[-1].id for each in (run, forked, again)]
    assert len(set(steps)) == 3
    for each in (forked, again):
        await _is_sound(stage, each)
        assert [entry.text for entry in await each.logs() if entry.n > 0] == ["first 5"]
    with pytest.raises(UsageError, match="it has ended, so that it cannot be forked any more"):
        await run.fork(at=-1)


async def _open_token(run: RunHandle) -> str:
    """Return the token of a run's hook, which its log does not have any more."""
    [waits] = [each for each in (await run.info()).waits_for if each.kind == "hook"]
    return waits.name


async def test_what_is_open_goes_on_without_the_log_before_it(stage: Stage) -> None:
    """A step begins anew, or returns what was chosen; a timer keeps its time."""
    name = f"late-{stage.guest}"
    run = await stage.start("forkable_beside", name)
    await stage.logged(run, "step_completed")
    await _lost(stage, run)
    [open_step] = [each for each in (await run.info()).waits_for if each.kind == "step"]
    forked, chosen = await run.fork(at=-1), await run.fork(at=-1, results={open_step.op: "chosen"})
    dues = [[each.due for each in (await each.info()).waits_for if each.kind == "timer"] for each in (run, forked)]
    assert dues[0] == dues[1] != []
    gates[name].open.set()
    stage.clock.put_forward(HOUR)
    assert await outcome(forked) == await outcome(run) == [2, name]
    assert await outcome(chosen) == [2, "chosen"]
    for each in (forked, chosen):
        await _is_sound(stage, each)


async def test_other_code(stage: Stage) -> None:
    """It is taken when its replay agrees with the log."""
    run = await stage.start("forkable", 4)
    await _token(stage, run)
    forked = await run.fork(at=4, code=stage.app)
    await stage.resume(await _token(stage, forked), "in")
    assert (await outcome(forked))["first"] == 5
    await run.cancel(force=True)


async def test_tokens_are_taken_over_once_they_are_free(stage: Stage) -> None:
    """While their owner goes on that is refused, and names it."""
    run = await stage.start("forkable", 4)
    token = await _token(stage, run)
    with pytest.raises(EntityConflictError, match=f"run {run.id} has that token"):
        await run.fork(at=-1, take_over=True)
    place = (await run.info()).head
    await run.cancel(force=True)
    forked = await run.fork(at=place, take_over=True, run_id=f"heir-{stage.guest}-{stage.runtime}")
    assert (await run.fork(at=place, run_id=forked.id)).id == forked.id
    await stage.resume(token, "in")
    assert (await outcome(forked))["tokens"] == [token, token]
    with pytest.raises(UsageError, match="nothing goes on from there; fork it after event"):
        await run.fork(at=-1)


async def test_a_workflow_forks_itself(stage: Stage) -> None:
    """The origin goes on with 0 and has the others' handles; they go on with 1 and 2."""
    told = await stage.result("searching")
    assert told == [0, 2, 2, [1, 3, 0], [2, 4, 0]]
