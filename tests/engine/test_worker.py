"""A worker's own life: what it does when its world, its guests or its steps do not behave."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.application import app as application
from tests.engine.odd_steps import gates
from tests.engine.support import PATIENCE, keep_nothing, no_deadlines
from torpor import WorkerSettings, codec
from torpor.clock import SystemClock
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine import plan
from torpor.engine.attempts import Attempt
from torpor.engine.inline import InlineSteps
from torpor.engine.liveness import machine, worker_row
from torpor.engine.observer import TookOver, only
from torpor.engine.runner import Runner
from torpor.engine.session import Session
from torpor.engine.steps import Steps
from torpor.engine.worker import Worker
from torpor.errors import ConfigurationError, WorldError
from torpor.guests.quickjs import QuickJS
from torpor.model import ClaimRequest, Entities, Event, Heartbeat, Hook, Run, RunState, WorkerRow
from torpor.vm.guest import Begin, Delivery, Op, Outbox

HOOK = Op(1, "hook", 1, "token")
STEP = Op(2, "step", 1, "step", "devl[]")


class DisposingGuest:
    """Guest, image and VM at once: it makes a hook when it begins, and disposes of it at the first delivery."""

    hash = "image"
    disposed = False

    def lease(self, _image: object) -> DisposingGuest:
        """Return the VM, which is this object."""
        return self

    def begin(self, _begin: Begin) -> Outbox:
        """Ask for a hook and a step."""
        return Outbox(ops=[HOOK, STEP])

    def deliver(self, _inbox: Sequence[Delivery]) -> Outbox:
        """Dispose of the hook, once."""
        if self.disposed:
            return Outbox()
        self.disposed = True
        return Outbox(ops=[Op(3, "hook_dispose", 1, target=HOOK.n)])


def test_a_hook_in_conflict_can_be_disposed_of_in_a_redo() -> None:
    """An input came before the conflict in the log, and its replay disposes of the hook before the guest knows."""
    seed = bytes(32)
    hook, step = (
        plan.record(HOOK, PLAIN, seed, 1, {}, no_deadlines),
        plan.record(STEP, PLAIN, seed, 1, {}, no_deadlines),
    )
    events = [
        Event("run_created", 1, seq=1, payload=codec.dumps([])),
        replace(step, seq=2),
        Event("step_completed", 1, step.id, seq=3, op=STEP.n, payload=codec.dumps(1)),
        Event("hook_conflict", 1, hook.id, seq=4, op=HOOK.n, digest=hook.digest, name=hook.name, ref="wrun_other"),
    ]
    run = Run("wrun_1", "w", "p", "quickjs", "replay", "running", seed, 1, ops=2, head=4)
    row = Hook("wrun_1", hook.id, hook.op, hook.name, "conflict", 1)
    state, guest = RunState(Entities(run, hooks={hook.id: row}), None, events), DisposingGuest()
    session = Session(
        guest,  # type: ignore[arg-type]  # it is enough of both
        guest,  # type: ignore[arg-type]  # as above
        state,
        PLAIN,
        url="",
        events_per_call=1,
        allows=lambda _: True,
    )
    assert [(event.type, event.id) for event in session.wake(2).outputs] == [("hook_disposed", hook.id)]


async def test_an_unexpected_error_does_not_end_claiming(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that shows that it lives also claims, whatever one claim raised."""
    app = application.on(database)
    claim, calls = app.world.claim, 0

    async def failing(*args: Any, **options: Any) -> Any:
        """Fail at the first claim."""
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("a row that cannot be read")
        return await claim(*args, **options)

    monkeypatch.setattr(app.world, "claim", failing)
    async with app, app.worker():
        run = await app.start("addTen", 1)
        assert await run.result(timeout=PATIENCE) == 11
    assert calls > 1


async def test_an_unexpected_error_does_not_end_the_heartbeat(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is not taken for dead because one heartbeat failed."""
    app = application.on(database, settings=WorkerSettings(heartbeat_ms=10))
    heartbeat, calls = app.world.heartbeat, 0
    went_on = asyncio.Event()

    async def failing(worker_id: str) -> Heartbeat:
        """Fail at the third beat."""
        nonlocal calls
        calls += 1
        if calls == 3:
            raise PermissionError("psutil.AccessDenied is like this")
        if calls == 6:
            went_on.set()
        return await heartbeat(worker_id)

    monkeypatch.setattr(app.world, "heartbeat", failing)
    async with app, app.worker(), asyncio.timeout(PATIENCE):
        await went_on.wait()


@pytest.mark.parametrize("problem", [None, ConfigurationError("the guest quickjs does not boot")])
async def test_guests_are_booted_before_the_first_run(
    database: str, monkeypatch: pytest.MonkeyPatch, problem: Exception | None
) -> None:
    """A worker that is at work need not boot any more; what fails is for the run to say that needs it."""
    booted: list[str] = []

    def prepare(guest: QuickJS) -> None:
        """Note it, and fail if that is wanted."""
        booted.append(guest.name)
        if problem is not None:
            raise problem

    monkeypatch.setattr(QuickJS, "prepare", prepare)
    app = application.on(database)
    async with app, app.worker():
        assert booted == ["quickjs"]
        run = await app.start("addTen", 1)
        assert await run.result(timeout=PATIENCE) == 11


async def test_the_dead_of_this_machine_are_missed_between_heartbeats(database: str) -> None:
    """Their processes are looked for every second, which asks the world nothing."""
    app = application.on(database, settings=WorkerSettings(heartbeat_ms=600_000))
    async with app, asyncio.timeout(PATIENCE):
        process = await asyncio.create_subprocess_exec("sleep", "600")
        other = _row_of(process.pid)
        await app.world.register(other)
        took_over = asyncio.Event()
        async with app.worker(observers=[only(lambda _: took_over.set(), TookOver)]):
            process.kill()
            await process.wait()
            await took_over.wait()
        assert other.id not in {worker.id for worker in await app.world.workers()}


def _row_of(pid: int) -> WorkerRow:
    """Return what a worker in another process would have registered, of the process and for ever."""
    born = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return WorkerRow("wrkr_other", machine(), pid, born, 600_000, "", "")


async def test_a_worker_that_cannot_start_leaves_no_threads(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its VM threads end when the world refuses the first heartbeat."""
    app = application.on(database)
    begun: list[threading.Thread] = []
    before = set(threading.enumerate())

    async def failing(_worker_id: str) -> Heartbeat:
        """Note the worker's threads, and fail."""
        begun.extend(set(threading.enumerate()) - before)
        raise WorldError("the disk is full")

    monkeypatch.setattr(app.world, "heartbeat", failing)
    async with app:
        with pytest.raises(WorldError, match="the disk is full"):
            async with app.worker():
                pytest.fail("the worker must not start")
        threads = [thread for thread in begun if thread.name.startswith("torpor-vm")]
        assert threads
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)


async def test_too_few_descriptors_are_told_at_the_start(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """How many there are, how many may come to be needed, and how to get more, before anything fails for it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    settings = WorkerSettings(steps=soft)
    app = application.on(database, settings=settings)
    async with app, app.worker():
        pass

    assert f"may have {soft} files open and may come to need {settings.descriptors}: raise `ulimit -n`" in caplog.text


async def test_stopping_ends_although_a_step_ignores_cancellation(database: str) -> None:
    """The grace period bounds a stop, and the next worker can take the run."""
    app = application.on(database, settings=WorkerSettings(grace_seconds=0.1))
    async with app:
        run = await app.start("runsStubborn")
        try:
            async with asyncio.timeout(PATIENCE), app.worker():
                await gates[run.id].reached()
        finally:
            gates[run.id].open.set()
        async with app.worker():
            assert await run.result(timeout=PATIENCE) == "done"


async def test_a_stop_that_is_cancelled_still_gives_the_claims_back(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hears of the worker after its stop was given up, and others may claim what it had."""
    app = application.on(database, settings=WorkerSettings(heartbeat_ms=20, grace_seconds=1))
    heard = asyncio.Event()
    heartbeat = app.world.heartbeat

    async def hearing(worker_id: str) -> Heartbeat:
        """Tell that the worker was heard of."""
        heard.set()
        return await heartbeat(worker_id)

    monkeypatch.setattr(app.world, "heartbeat", hearing)
    async with app, app.worker() as worker:
        run = await app.start("isHeld")
        await gates[run.id].reached()
        await _stop_and_give_up(worker)
        await worker.stop()
        heard.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.wait(), timeout=0.2)
        assert await app.world.workers() == []
        await app.world.register(worker_row("wrkr_other", 15_000, "", ""))
        steps = tuple(app.steps.claimable_steps())
        other = ClaimRequest("wrkr_other", apps=(app.name,), guests=("quickjs",), steps=steps, turns_max=1, steps_max=1)
        assert {task.run_id for task in (await app.world.claim(other)).tasks} == {run.id}


async def _stop_and_give_up(worker: Worker) -> None:
    """Cancel a stop while it waits for a step."""
    stopping = asyncio.create_task(worker.stop())
    done, _ = await asyncio.wait([stopping], timeout=0.1)
    assert not done
    stopping.cancel()
    await asyncio.wait([stopping])
    assert stopping.cancelled()


async def test_no_room_is_never_negative() -> None:
    """A worker that claimed more steps than there is room for says that there is none, and starts none inline."""
    steps = Steps(application.steps, SystemClock(), application.client.streams, keep_nothing)
    runner = Runner(steps, 1, lambda: None)
    inline = InlineSteps(runner, lambda _: None, lambda _: None, lambda _: None, 10)
    assert (runner.free, inline.room) == (1, 1)
    for n in range(3):
        given = codec.dumps({"args": []})
        attempt = Attempt("wrun_room", f"step_{n}", n, "step//./odd_steps.py//held", 1, 0, given, PLAIN)
        runner.start(attempt, lambda _: None)
    assert (runner.busy, runner.free, inline.room) == (3, 0, 0)
    gates["wrun_room"].open.set()
    await runner.drain(PATIENCE)
    assert (runner.busy, runner.free, inline.room) == (0, 1, 1)
    steps.shutdown()
