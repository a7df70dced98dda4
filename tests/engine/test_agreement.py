"""A run whose parts do not agree is not continued: it is given back, and says what is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.application import app as application
from tests.engine.odd_steps import gates
from tests.engine.support import TIMEOUT, keep_nothing, until
from torpor import RunHandle, Torpor, WorkerSettings, codec, ids
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine.attempts import Attempt
from torpor.engine.steps import Steps
from torpor.inspection.archive import archive
from torpor.inspection.soundness import find_damage
from torpor.model import Runtime


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The database of the test."""
    return tmp_path / "torpor.db"


@pytest.fixture
async def app(file: Path, runtime: Runtime) -> AsyncIterator[Torpor]:
    """An open application on a SQLite file."""
    async with application.on(f"sqlite:///{file}", runtime=runtime) as opened:
        yield opened


async def parked(app: Torpor) -> RunHandle:
    """Return a run that sleeps at a hook, after a payload and a step, with no worker left."""
    async with app.worker():
        run = await app.start("collects", "a-1")

        async def received() -> bool:
            return bool((await app.world.open_entities(run.id)).hooks)

        await until(app, received)
        await app.resume_hook("a-1", {"n": 1})

        async def asleep() -> bool:
            found = await app.world.get_run(run.id)
            return found.ready_at is None and not found.worker

        await until(app, asleep)
    return run


def change(file: Path, *statements: str) -> None:
    """Change the database behind the world's back."""
    db = sqlite3.connect(file)
    with db:
        for statement in statements:
            assert db.execute(statement).rowcount == 1 or statement.startswith("DELETE")
    db.close()


def copy_of(file: Path) -> bytes:
    """Return what is in a file that nobody uses."""
    return file.read_bytes()


def restore(file: Path, backup: bytes) -> None:
    """Put a database back."""
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()
    file.write_bytes(backup)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE runs SET seed = zeroblob(32)", "its id is not that of hook 1 of a run with this seed"),
        ("UPDATE runs SET seed = x'00'", "its id is not that of hook 1 of a run with this seed"),
        ("UPDATE runs SET ops = ops + 1", "has emitted 2 ops"),
        ("UPDATE runs SET ops = 0", "has emitted 0 ops"),
        ("UPDATE hooks SET op = 7", "its id is not that of hook"),
        ("UPDATE hooks SET id = 'hook_1'", "is damaged: "),
        ("UPDATE events SET type = 8 WHERE type = 14", "its id is not that of step 1"),
        ("UPDATE events SET op = 3 WHERE type = 14", "its id is not that of hook"),
        ("UPDATE events SET payload = NULL WHERE type = 14", "it has lost its payload"),
        ("UPDATE events SET payload = x'00' WHERE type = 14", "its payload cannot be read"),
        ("UPDATE events SET payload = x'7a73746400' WHERE type = 14", "its payload cannot be read"),
    ],
)
async def test_a_run_whose_parts_do_not_agree_is_given_back(app: Torpor, file: Path, statement: str, told: str) -> None:
    """Whoever damaged it, the run does not fail, and ends as ever once that is mended."""
    run = await parked(app)
    await app.close()
    backup = copy_of(file)
    change(file, statement, "UPDATE runs SET ready_at = 0")
    if "UPDATE events" in statement:  # which a snapshot would make good
        change(file, "DELETE FROM snapshots")
    async with app:

        async def snoozed() -> str:
            return (await app.world.get_run(run.id)).snoozed

        async with app.worker():
            assert told in await until(app, snoozed)
        assert await run.status() == "running"

    restore(file, backup)
    async with app, app.worker():
        await app.resume_hook("a-1", {"n": 2, "last": True})
        assert await run.result(timeout=TIMEOUT) == [1, 2]


async def test_a_snapshot_that_does_not_fit_the_log_costs_only_a_replay(app: Torpor, file: Path) -> None:
    """Its ops are not those that the log records."""
    if app.runtime == "replay":
        pytest.skip("there is no snapshot")
    run = await parked(app)
    change(file, "UPDATE snapshots SET ops = 0")
    async with app.worker():
        await app.resume_hook("a-1", {"n": 2, "last": True})
        assert await run.result(timeout=TIMEOUT) == [1, 2]
    assert "the snapshot does not fit" in (await run.logs())[0].text


@pytest.mark.parametrize(
    "given", [b"", b"devl[", *map(codec.dumps, (7, {"kwargs": {}}, {"args": 7}, {"args": [], "kwargs": 1}))]
)
async def test_arguments_that_are_none_do_not_fail_a_step(given: bytes) -> None:
    """It is tried again until somebody has mended them."""
    steps = Steps(application.steps, application.clock, application.client.streams, keep_nothing)
    attempt = Attempt("wrun_1", "step_1", 1, "step//./steps.py//add", 9, 8, given, PLAIN)

    outcome = await steps.attempt(attempt)

    steps.shutdown()
    assert outcome.type == "step_retrying"
    assert "step_1 of run wrun_1 is damaged: its arguments cannot be read" in str(codec.loads(outcome.payload or b""))


def test_an_id_tells_of_which_op_and_seed_it_is() -> None:
    """Whatever else it is compared with is another."""
    seed = ids.seed()
    made = ids.correlation("step", seed, 7, 1_700_000_000_000)
    assert ids.is_correlation(made, "step", seed, 7)
    assert not ids.is_correlation(made, "step", seed, 8)
    assert not ids.is_correlation(made, "wait", seed, 7)
    assert not ids.is_correlation(made, "step", ids.seed(), 7)
    for other in ("", "step_1", made[:-1], made + "0", made.lower(), f"{made[:-2]}é1"):
        assert not ids.is_correlation(other, "step", seed, 7)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshots SET data = CAST(substr(data, 1, length(data) - 20) || zeroblob(20) AS BLOB)",
        "UPDATE snapshots SET data = x''",
        "UPDATE snapshots SET cursor = -3",
        "UPDATE snapshots SET cursor = 1000",
        "UPDATE snapshots SET ops = 0",
        "UPDATE snapshots SET logs = logs + 1000",
        "UPDATE snapshots SET image = (SELECT program FROM runs)",
        "DELETE FROM snapshots",
    ],
)
async def test_a_run_whose_log_begins_late_waits_for_its_snapshot(app: Torpor, file: Path, statement: str) -> None:
    """Nothing else tells where it stood: it is given back, says so, is named by doctor, and a backup mends it."""
    if app.runtime == "replay":
        pytest.skip("its log cannot begin late")
    run = await parked(app)
    archived, gone = await archive(app.client, run.id)
    assert gone == archived.base > 0
    await app.close()
    backup = copy_of(file)
    change(file, statement)
    async with app:
        assert list(await find_damage(app.world, app.keyring)) == [run.id]
        await app.resume_hook("a-1", {"n": 2, "last": True})

        async def snoozed() -> str:
            return (await app.world.get_run(run.id)).snoozed

        async with app.worker():
            assert "snapshot" in await until(app, snoozed)
        assert await run.status() == "running"

    restore(file, backup)
    async with app, app.worker():
        await app.resume_hook("a-1", {"n": 2, "last": True})
        assert await run.result(timeout=TIMEOUT) == [1, 2]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE events SET payload = CAST('devl[1]' AS BLOB) WHERE type = 5", "not what the run asked for"),
        ("UPDATE events SET payload = NULL WHERE type = 5", "it has lost its payload"),
        ("UPDATE events SET due = due + 1 WHERE type = 10", "is not what event"),
        ("UPDATE waits SET due = due + 1", "it is not what event"),
        ("DELETE FROM waits", "it is not there; event"),
        ("DELETE FROM steps", "it is not there; event"),
        ("UPDATE runs SET ready_at = NULL", "is not to be woken for them"),
        ("UPDATE steps SET ready_at = NULL", "it waits for nobody"),
        ("UPDATE runs SET status = 2", "and the run is completed"),
        ("UPDATE blobs SET data = x'00' WHERE key LIKE 'program/%'", "is not there or damaged"),
        ("UPDATE snapshots SET data = CAST(substr(data, 1, length(data) - 2) || zeroblob(2) AS BLOB)", "snapshot"),
    ],
)
async def test_what_a_turn_does_not_meet_is_found_by_who_looks(file: Path, statement: str, told: str) -> None:
    """Before somebody wonders why a run does not go on."""
    settings = WorkerSettings(grace_seconds=0.0)
    async with application.on(f"sqlite:///{file}", runtime="snapshot", settings=settings) as app:
        async with app.worker():
            run = await app.start("racesHeld", 3_600_000)
            await gates[run.id].reached()

            async def asleep() -> bool:
                return bool(await app.world.snapshot(run.id))

            await until(app, asleep)
            gates[run.id].given_up.clear()
        await app.world.release([row.id for row in await app.world.workers()])
        assert await find_damage(app.world, app.keyring) == {}
        change(file, statement)
        assert told in "\n".join((await find_damage(app.world, app.keyring)).values())
