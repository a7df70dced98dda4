"""Only what a run itself did fails it; for all else it is given back, visibly, and goes on later."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.application import app as application
from tests.engine.odd_steps import gates
from tests.engine.support import TIMEOUT, until
from torpor import RunFailedError, Torpor, WorkerSettings, errors
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine import health, recovery
from torpor.engine.deployments import make_deployment
from torpor.engine.moves import TooMuchAtOnceError
from torpor.engine.recovery import Answer, answer_to
from torpor.engine.settings import TurnOptions
from torpor.errors import ConfigurationError, HostError, TorporError
from torpor.guests.quickjs import QuickJS
from torpor.guests.quickjs.vm import QuickJsVm
from torpor.model import Commit, Committed, Deployment, Entities
from torpor.programs.catalogue import Programs
from torpor.retries import Backoff
from torpor.run_handle import RunHandle

FAILING = {
    "GuestTrapError", "CpuLimitError", "MemoryLimitError", "OutputLimitError", "LimitExceededError", "ProgramError",
    "SerializationError", "DecryptionError", "MaxDeliveriesError", "NotAllowedError", "QuotaExceededError",
    "StackLimitError",
}  # fmt: skip
"""What a run did itself. A class that is added to this list lets one more kind of error end runs for good."""

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, TorporError)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The database of the test."""
    return tmp_path / "torpor.db"


@pytest.fixture
async def app(file: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Torpor]:
    """An open application on a SQLite file, whose workers are quick to try again."""
    soon = Backoff(first=0.01, most=0.02)
    for name in ("_SNOOZE_BACKOFF", "_WORLD_BACKOFF"):
        monkeypatch.setattr(recovery, name, soon)
    monkeypatch.setattr(health, "_BACKOFF", soon)
    async with application.on(f"sqlite:///{file}", runtime="snapshot") as opened:
        yield opened


async def parked(app: Torpor, token: str) -> RunHandle:
    """Return a run that sleeps at a hook, with no worker left."""
    async with app.worker():
        run = await app.start("waits", token)
        await until(app, lambda: app.world.snapshot(run.id))
    return run


def change(file: Path, statement: str, *values: object) -> None:
    """Change the database behind the world's back."""
    with sqlite3.connect(file) as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def failing(times: int, error: Exception, then: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises *error* so many times and is *then* from then on."""
    left = times

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return then(*args, **kwargs)

    return call


def made(kind: type[Exception]) -> Exception:
    """Return an error of a class, whatever it takes to make one."""
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_an_answer_and_few_fail_a_run(kind: type[Exception]) -> None:
    """Errors of Torpor that are not the run's own doing never end a run, whoever adds them."""
    assert (answer_to(made(kind)) is Answer.FAIL) is (kind.__name__ in FAILING)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (TooMuchAtOnceError(), Answer.ONE_BY_ONE),
        (errors.SnapshotError(), Answer.REBUILD),
        (errors.LeaseLostError(), Answer.LEAVE),
        (errors.VmInterruptedError(), Answer.LEAVE),
        (errors.HostError(), Answer.SNOOZE),
        (errors.KeyMissingError("x", "y"), Answer.SNOOZE),
        (errors.ConfigurationError(), Answer.SNOOZE),
        (errors.ProgramMissingError(), Answer.SNOOZE),
        (OSError(errno.EMFILE, "x"), Answer.SNOOZE),
        (MemoryError(), Answer.SNOOZE),
        (errors.WorldError(), Answer.RETRY),
        (errors.VmError(), Answer.RETRY),
        (ZeroDivisionError(), Answer.RETRY),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_what_follows_from_an_error(error: Exception, answer: Answer) -> None:
    """Errors of the host and of configuration give the run back at once; the world and bugs get some tries."""
    assert answer_to(error) is answer


@pytest.mark.parametrize(
    "error",
    [
        HostError("mmap: Cannot allocate memory"),
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        MemoryError("copying"),
        ConfigurationError("the guest quickjs does not boot"),
        ZeroDivisionError("a bug of ours"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_run_outlives_what_is_not_its_doing(
    app: Torpor, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever its VM could not be made for, the run ends as it would have, and the worker says what was wrong."""
    run = await parked(app, "r-1")
    guest = QuickJS(pool_size=2)
    monkeypatch.setattr(guest, "lease", failing(6, error, guest.lease))
    monkeypatch.setattr(Programs, "guest", lambda _self, _name: guest)
    async with app.worker():
        await app.resume_hook("r-1", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2

    assert "by no fault of its own" in caplog.text
    assert (await run.info()).snoozed == ""


async def test_why_a_run_waits_stands_in_it_once(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the last one, not a list; nothing of it is in the run's log."""
    run = await parked(app, "r-2")
    guest = QuickJS(pool_size=0)
    count = 0

    def lacking(*_: object) -> None:
        nonlocal count
        count += 1
        raise HostError(f"no memory, attempt {count}")

    monkeypatch.setattr(guest, "lease", lacking)
    monkeypatch.setattr(Programs, "guest", lambda _self, _name: guest)

    async def snoozed_thrice() -> bool:
        return (await app.world.get_run(run.id)).snoozes >= 3

    async with app.worker():
        await app.resume_hook("r-2", {"n": 1})
        await until(app, snoozed_thrice)

    found = await run.info()
    assert found.status == "running"
    assert found.snoozed.startswith("no memory, attempt ")
    assert await run.logs() == []


async def test_a_worker_whose_host_lacks_something_claims_nothing_for_a_while(
    app: Torpor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, once for all runs that wait, and takes them when the time is over."""
    runs = [await parked(app, f"r-3-{number}") for number in range(3)]
    guest = QuickJS(pool_size=2)
    monkeypatch.setattr(guest, "lease", failing(1, HostError("no descriptors"), guest.lease))
    monkeypatch.setattr(Programs, "guest", lambda _self, _name: guest)
    async with app.worker():
        for number in range(3):
            await app.resume_hook(f"r-3-{number}", {"n": 1})
        for run in runs:
            assert (await run.result(timeout=TIMEOUT))["sum"] == 2

    assert sum("claims no runs for" in line for line in caplog.text.splitlines()) == 1


async def test_a_run_is_given_back_when_the_world_is_there_again(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A world that fails longer than a turn has patience loses no run to a worker that lives."""
    run = await parked(app, "r-7")
    lost = errors.WorldError("no connection")
    for name, times in (("load", 9), ("snooze", 5)):
        monkeypatch.setattr(app.world, name, failing(times, lost, getattr(app.world, name)))
    async with app.worker():
        await app.resume_hook("r-7", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2


async def test_steps_are_told_of_that_a_lost_commit_has_handed_over(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit may be stored of which the worker does not learn; what it handed over then goes on as a task."""
    app = application.on(f"sqlite:///{file}", settings=WorkerSettings(turn=TurnOptions(inline_ms=0)))
    commit, lost = app.world.commit, asyncio.Event()

    async def unheard(commitment: Commit, held: Entities | None = None) -> Committed:
        committed = await commit(commitment, held)
        if any(task.claimed for task in commitment.tasks) and not lost.is_set():
            lost.set()
            raise errors.WorldError("the connection was lost")
        return committed

    monkeypatch.setattr(app.world, "commit", unheard)
    monkeypatch.setattr(app.world, "commit_at_once", lambda *_: None)
    monkeypatch.setattr(app.world, "hand_in", lambda *_: False)
    async with app, app.worker():
        run = await app.start("isHeld")
        await lost.wait()
        gates[run.id].open.set()
        assert await run.result(timeout=TIMEOUT) == "done"
    assert gates[run.id].given_up == []


async def test_the_reason_shows_nothing_of_what_a_run_holds(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of an error of ours may be made of payloads, and what stands in a run is not encrypted."""
    run = await parked(app, "r-4")
    monkeypatch.setattr(QuickJsVm, "restore", failing(99, ValueError("secret-payload"), QuickJsVm.restore))

    async def snoozed() -> str:
        return (await app.world.get_run(run.id)).snoozed

    async with app.worker() as one:
        await app.resume_hook("r-4", {"n": 1})
        why = await until(app, snoozed)

    assert why == f"ValueError, an error of Torpor's own; see the log of worker {one.id}"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE snapshots SET ops = ops + 3",
        "UPDATE snapshots SET ops = 0",
        "UPDATE snapshots SET cursor = cursor + 50",
        "UPDATE snapshots SET data = CAST('zstd' || x'28b52ffde0' || x'0000000005000000' || x'010000' AS BLOB)",
        "UPDATE snapshots SET data = CAST('zstd' || x'28b52ffde0' || x'00000000000000f0' || x'010000' AS BLOB)",
        "UPDATE snapshots SET data = x''",
    ],
    ids=["more ops", "fewer ops", "later", "20 GB", "more than there is", "nothing"],
)
async def test_a_snapshot_that_lies_costs_only_a_replay(app: Torpor, file: Path, damage: str) -> None:
    """Whatever it says, in itself or in its row, its run is rebuilt from the log before anybody blames the run."""
    run = await parked(app, "r-5")
    change(file, damage)
    async with app.worker():
        await app.resume_hook("r-5", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2
    assert "rebuilt from its log" in (await run.logs())[0].text


async def test_a_trap_of_the_run_itself_fails_it_after_one_replay(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time, without the snapshot, nobody else is left to blame."""
    run = await parked(app, "r-6")
    calls = 0

    def trap(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise errors.GuestTrapError("the guest trapped")

    monkeypatch.setattr(QuickJsVm, "deliver", trap)
    async with app.worker():
        await app.resume_hook("r-6", {"n": 1})
        with pytest.raises(RunFailedError, match="the guest trapped"):
            await run.result(timeout=TIMEOUT)
    assert calls == 2


async def test_a_damaged_snapshot_without_a_whole_log_loses_nothing(app: Torpor, file: Path) -> None:
    """Where the log's beginning is gone, neither the run nor its snapshot is given up: a backup may bring it back."""
    run = await parked(app, "r-7")
    snapshot = await app.world.snapshot(run.id)
    assert snapshot is not None
    change(file, "UPDATE runs SET base = ?", snapshot.cursor)
    change(file, "DELETE FROM events WHERE (k & 4294967295) <= ?", snapshot.cursor)
    change(file, "UPDATE snapshots SET data = ?", b"\0" + snapshot.data)

    async def snoozed() -> str:
        return (await app.world.get_run(run.id)).snoozed

    async with app.worker():
        await app.resume_hook("r-7", {"n": 1})
        assert "the stored snapshot is damaged" in await until(app, snoozed)
    change(file, "UPDATE snapshots SET data = ?", snapshot.data)
    async with app.worker():
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2


ROWS: dict[str, Callable[[bytes], bytes | None]] = {
    "flipped": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda _: b"\x00\x11\x22\x33",
    "empty": lambda _: b"",
    "another": lambda _: PLAIN.pack_binary(b"{}"),
    "gone": lambda _: None,
}


def damage_blobs(file: Path, prefix: str, damage: Callable[[bytes], bytes | None]) -> None:
    """Change the rows of a kind of blob."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT key, data FROM blobs WHERE key LIKE ?", (f"{prefix}/%",)).fetchall()
        assert rows
        for key, data in rows:
            changed = damage(data)
            if changed is None:
                connection.execute("DELETE FROM blobs WHERE key = ?", (key,))
            else:
                connection.execute("UPDATE blobs SET data = ? WHERE key = ?", (changed, key))
    connection.close()


def blobs(file: Path, prefix: str) -> dict[str, bytes]:
    """Return what is inside the rows of a kind of blob."""
    connection = sqlite3.connect(file)
    rows = connection.execute("SELECT key, data FROM blobs WHERE key LIKE ?", (f"{prefix}/%",)).fetchall()
    connection.close()
    return {key: PLAIN.unpack_binary(data) for key, data in rows}


@pytest.mark.parametrize("kind", ["program", "image"])
@pytest.mark.parametrize("damage", ROWS)
async def test_a_damaged_row_is_written_anew(app: Torpor, file: Path, kind: str, damage: str) -> None:
    """A program by the application that has it, an image from the program; a new worker's runs notice nothing."""
    run = await parked(app, "r-8")
    before = blobs(file, kind)
    await app.close()
    damage_blobs(file, kind, ROWS[damage])
    async with application.on(f"sqlite:///{file}", runtime="snapshot") as again:
        async with again.worker():
            await again.resume_hook("r-8", {"n": 1})
            assert (await again.run(run.id).result(timeout=TIMEOUT))["sum"] == 2
        await parked(again, "r-9")

    assert blobs(file, kind) == before


@pytest.mark.parametrize("damage", ROWS)
async def test_a_program_that_is_damaged_while_a_worker_works_is_stored_anew(
    app: Torpor, file: Path, damage: str
) -> None:
    """Its worker has it, and need not be started again."""
    async with app.worker() as one:
        await one.wait_idle()
        before = blobs(file, "program")
        damage_blobs(file, "program", ROWS[damage])
        run = await app.start("addTen", 1)
        assert await run.result(timeout=TIMEOUT) == 11

    assert blobs(file, "program") == before


async def nothing() -> Deployment:
    """Bring nothing but the application's name."""
    return make_deployment(application.name, {}, {})


async def test_a_program_that_nobody_has_is_waited_for(app: Torpor, file: Path) -> None:
    """A worker without the application gives the run back; a worker with it goes on."""
    run = await parked(app, "r-10")
    damage_blobs(file, "program", ROWS["flipped"])

    async def snoozed() -> str:
        return (await app.world.get_run(run.id)).snoozed

    async with app.worker(programs=lambda _: None, deployment=nothing):
        await app.resume_hook("r-10", {"n": 1})
        assert "has only a damaged copy of program" in await until(app, snoozed)
    async with application.on(f"sqlite:///{file}") as again, again.worker():
        assert (await again.run(run.id).result(timeout=TIMEOUT))["sum"] == 2
