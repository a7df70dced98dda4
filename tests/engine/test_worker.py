"""Faults of the engine's parts found in review; each test says what should hold."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engine.application import app as application
from torpor import Torpor, WorkerSettings, codec
from torpor.engine import plan
from torpor.engine.awake import Awake
from torpor.engine.worker import Worker
from torpor.errors import WorldError
from torpor.model import Event, Run, RunState
from torpor.vm.guest import Begin, Delivery, Op, Outbox

PATIENCE = 4


class DisposingGuest:
    """Makes a hook when it begins, and disposes of it at the first delivery."""

    hash = "image"

    def lease(self, _image: object) -> DisposingGuest:
        return self

    def begin(self, _begin: Begin) -> Outbox:
        return Outbox(ops=[Op(1, "hook", 1, "token"), Op(2, "step", 1, "step", "devl[]")])

    def deliver(self, _inbox: Sequence[Delivery]) -> Outbox:
        return Outbox(ops=[Op(3, "hook_dispose", 1, target=1)])

    def release(self) -> None: ...


def test_a_hook_in_conflict_can_be_disposed_of_in_a_redo() -> None:
    """
    A foreign input came before the conflict in the log, and its redo disposes of the hook before it knows.
    """
    seed = bytes(32)
    hook, step = DisposingGuest().begin(None).ops  # type: ignore[arg-type]  # not looked at
    made = plan.record(hook, seed, 1, {})
    events = [
        Event("run_created", 1, seq=1, payload=codec.dumps([])),
        plan.record(step, seed, 1, {}),
        Event("step_completed", 1, made.id, op=2, payload=codec.dumps(1)),
        Event("hook_conflict", 1, made.id, op=1, digest=made.digest, name=made.name, ref="wrun_other"),
    ]
    run = Run("wrun_1", "w", "p", "quickjs", "replay", "running", seed, 1, ops=2, head=4)
    awake = Awake(DisposingGuest(), DisposingGuest(), RunState(run, None, events, [], []), "", 1)  # type: ignore[arg-type]  # enough of both
    assert [event.type for event in awake.wake(2).outputs] == ["hook_disposed"]


async def test_an_unexpected_error_does_not_end_claiming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that shows that it lives also claims, whatever one claim raised."""
    app = application.on(f"sqlite:///{tmp_path}/t.db")
    claim, calls = app.world.claim, 0

    async def failing(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("a row that cannot be read")
        return await claim(*args, **options)

    monkeypatch.setattr(app.world, "claim", failing)
    async with app, app.worker():
        run = await app.start("addTen", 1)
        assert await run.result(timeout=PATIENCE) == 11


async def test_an_unexpected_error_does_not_end_the_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is not taken for dead because one look at the others failed."""
    app = application.on(f"sqlite:///{tmp_path}/t.db", settings=WorkerSettings(heartbeat_ms=10))
    workers, calls = app.world.workers, 0

    async def failing() -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise PermissionError("psutil.AccessDenied is like this")
        return await workers()

    monkeypatch.setattr(app.world, "workers", failing)
    async with app, app.worker():
        await asyncio.sleep(0.3)
        assert calls > 5


async def test_a_worker_that_cannot_start_leaves_no_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its VM threads end when the world refuses the first heartbeat."""
    import threading

    app = application.on(f"sqlite:///{tmp_path}/t.db")

    async def failing(_row: object) -> None:
        raise WorldError("the disk is full")

    monkeypatch.setattr(app.world, "heartbeat", failing)
    before = {thread.ident for thread in threading.enumerate()}
    async with app:
        with pytest.raises(WorldError):
            async with app.worker():
                pass
        await asyncio.sleep(0.1)
        left = [t.name for t in threading.enumerate() if t.ident not in before and t.name.startswith("torpor-vm")]
    assert left == []


async def test_stopping_ends_although_a_step_ignores_cancellation(tmp_path: Path) -> None:
    """The grace period bounds a stop."""
    free, begun = asyncio.Event(), asyncio.Event()

    async def stubborn(*_args: object) -> None:
        begun.set()
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    import msgspec

    app: Torpor = application.on(f"sqlite:///{tmp_path}/t.db", settings=WorkerSettings(grace_seconds=0.1))
    await app.open()
    await app.store_programs()
    app._steps = {
        name: msgspec.structs.replace(step, function=stubborn) if name.endswith("//slow") else step
        for name, step in app._steps.items()
    }
    worker = Worker(app.world, app.programs.guest, app, app.clock, app.settings)
    await worker.start()
    await app.start("runsSlow", 1)
    await begun.wait()
    stopping = asyncio.create_task(worker.stop())
    _, late = await asyncio.wait([stopping], timeout=2)
    free.set()
    await asyncio.wait([stopping], timeout=2)
    await app.close()
    assert not late
