"""Rare orders of events and odd steps: no run may hang, repeat what is recorded, or end for a reason not its own."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.engine.application import app as application
from tests.engine.odd_steps import executions, gates
from tests.engine.support import PATIENCE, has_event
from torpor import RunHandle, Torpor, WorkerSettings
from torpor.engine.failpoints import Failpoint, InjectedError
from torpor.engine.observer import Observation, TurnEnded
from torpor.engine.settings import TurnOptions
from torpor.guests.quickjs import QuickJS
from torpor.guests.quickjs.vm import QuickJsVm
from torpor.model import Runtime
from torpor.parked import parked
from torpor.programs.catalogue import Programs
from torpor.vm.guest import Begin, Outbox
from torpor.vm.limits import Limits


@pytest.mark.parametrize(
    "step",
    ["cancelsItself", "exits", "interrupts", "leaves", "leavesAsync", "mute", "odd", "stops", "wrongDelay"],
)
async def test_whatever_a_step_raises_is_its_outcome(database: str, step: str) -> None:
    """The workflow sees an error after the second attempt; the run does not wait for ever."""
    app = application.on(database)
    async with app, app.worker():
        run = await app.start("callsOdd", step)
        assert await run.result(timeout=PATIENCE) == "StepError"
        assert [event.type for event in await run.events()].count("step_retrying") == 1


async def test_a_redo_may_do_all_that_the_run_did(database: str, runtime: Runtime) -> None:
    """A log that was written within the limits can be delivered again within the limits, for a look inside too."""
    app = application.on(database, runtime=runtime)
    async with app:
        async with app.worker():
            run = await app.start("bigThenWaits", 20, 1_000_000, "r-1")
            await has_event(app, run, "hook_created")
        await app.world.delete_snapshot(run.id)
        async with parked(app.world, app.programs.guest, run.id, app.clock, app.keyring) as copy:
            assert (await copy.evaluate("1 + 1")).text == "2"
        async with app.worker():
            await app.resume_hook("r-1")
            assert await run.result(timeout=PATIENCE) == 20_000_000


async def test_more_turns_than_vms_do_not_lock_up(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that waits for a VM does not hold the thread that another turn needs to give its VM back."""
    guest = QuickJS(pool_size=2)
    monkeypatch.setattr(Programs, "guest", lambda _self, _name: guest)
    app = application.on(database, settings=WorkerSettings(turns=4, vm_threads=2, grace_seconds=0.2))
    async with app, app.worker():
        runs = [await app.start("runsSlow", 10) for _ in range(4)]
        for run in runs:
            assert await run.result(timeout=PATIENCE) == "done"


async def test_a_worker_full_of_turns_does_not_spin(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room for the turns that are ready, the worker waits until something ends here."""
    app = application.on(database, settings=WorkerSettings(turns=1, turn=TurnOptions(inline_ms=5_000)))
    claims = 0
    claim = app.world.claim

    async def counting(*args: Any, **options: Any) -> Any:
        """Claim, and count it."""
        nonlocal claims
        claims += 1
        return await claim(*args, **options)

    monkeypatch.setattr(app.world, "claim", counting)
    async with app, app.worker():
        runs = [await app.start("runsSlow", 1_000) for _ in range(2)]
        await runs[0].result(timeout=PATIENCE)
        assert claims < 50
        assert await runs[1].result(timeout=PATIENCE) == "done"


async def test_a_worker_that_was_taken_for_dead_takes_an_inline_step_up_again(database: str) -> None:
    """It claims the run anew while the old attempt still runs, and the run ends."""
    app = application.on(database, settings=WorkerSettings(grace_seconds=0.2, turn=TurnOptions(inline_ms=60_000)))
    async with app, app.worker() as worker:
        run = await app.start("isHeld")
        await gates[run.id].reached()
        await _taken_for_dead(app, worker.id, run)
        assert await run.result(timeout=PATIENCE) == "done"


async def test_a_worker_that_was_taken_for_dead_takes_a_step_task_up_again(database: str) -> None:
    """It claims the step anew while the old attempt still runs, and the run ends."""
    app = application.on(database, settings=WorkerSettings(grace_seconds=0.2, turn=TurnOptions(inline_ms=20)))
    handed_over = asyncio.Event()

    def observe(observation: Observation) -> None:
        """Tell when the turn has parked, which hands its step over."""
        if isinstance(observation, TurnEnded) and observation.how == "parked":
            handed_over.set()

    async with app, app.worker(observers=[observe]) as worker:
        run = await app.start("isHeld")
        await gates[run.id].reached()
        await asyncio.wait_for(handed_over.wait(), PATIENCE)
        await _taken_for_dead(app, worker.id, run)
        assert await run.result(timeout=PATIENCE) == "done"


async def _taken_for_dead(app: Torpor, worker_id: str, run: RunHandle) -> None:
    """Take a worker's claims away, as another worker would, and let the run's step end once it was begun again."""
    await app.world.release([worker_id])
    await gates[run.id].reached()
    gates[run.id].open.set()


async def test_a_timeout_does_not_count_the_wait_for_a_thread(database: str) -> None:
    """Four steps of 0.5 s with a timeout of 1.9 s succeed at once, also when there is one thread."""
    app = application.on(database, settings=WorkerSettings(step_threads=1))
    async with app, app.worker():
        run = await app.start("napsTogether", 4, 500)
        assert await run.result(timeout=PATIENCE) == [1, 1, 1, 1]


async def test_a_vm_is_not_given_back_while_it_runs(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling a turn leaves its VM alone until the thread is out of it, and then gives it back."""
    entered, left, given_back = threading.Event(), threading.Event(), threading.Event()
    running: set[QuickJsVm] = set()
    too_early: list[QuickJsVm] = []
    begin, release = QuickJsVm.begin, QuickJsVm.release

    def begins(vm: QuickJsVm, message: Begin) -> Outbox:
        """Begin, and note for how long it runs."""
        running.add(vm)
        entered.set()
        try:
            return begin(vm, message)
        finally:
            running.remove(vm)
            left.set()

    def releases(vm: QuickJsVm) -> None:
        """Release, unless that would reset memory below a running guest."""
        if vm in running:
            too_early.append(vm)
            return
        release(vm)
        given_back.set()

    monkeypatch.setattr(QuickJsVm, "begin", begins)
    monkeypatch.setattr(QuickJsVm, "release", releases)
    guest = QuickJS(limits=Limits(cpu_seconds=1.5))
    monkeypatch.setattr(Programs, "guest", lambda _self, _name: guest)
    app = application.on(database, settings=WorkerSettings(grace_seconds=0.1))
    async with app:
        async with app.worker():
            await app.start("spinsAtOnce")
            assert await asyncio.to_thread(entered.wait, PATIENCE)
        assert await asyncio.to_thread(left.wait, PATIENCE)
        assert await asyncio.to_thread(given_back.wait, PATIENCE)
    assert too_early == []


async def test_an_error_of_ours_does_not_run_a_step_again(database: str) -> None:
    """Results in hand outlive it as they outlive a failure of the world."""
    app = application.on(database)
    failed = False

    def fail(observation: Observation) -> None:
        """Fail once, when the step's result is about to be stored."""
        nonlocal failed
        if observation == Failpoint.BEFORE_COMMIT and executions[run.id] and not failed:
            failed = True
            raise InjectedError(RuntimeError("an error of ours"))

    async with app:
        run = await app.start("counts")
        async with app.worker(observers=[fail]):
            assert await run.result(timeout=PATIENCE) == 1
    assert failed
    assert executions[run.id] == 1


async def test_an_error_of_ours_strands_no_step(database: str) -> None:
    """The outcome of a step that is a task is brought to the world again; nobody else knows it."""
    app = application.on(database, settings=WorkerSettings(turn=TurnOptions(inline_ms=0)))
    failed = False

    def fail(observation: Observation) -> None:
        """Fail once, when the outcome is about to be stored."""
        nonlocal failed
        if observation == Failpoint.BEFORE_STEP_OUTCOME and not failed:
            failed = True
            raise InjectedError(RuntimeError("an error of ours"))

    async with app, app.worker(observers=[fail]):
        run = await app.start("isHeld")
        await has_event(app, run, "step_created")
        gates[run.id].open.set()
        assert await run.result(timeout=PATIENCE) == "done"
    assert failed


def test_patterns_added_while_programs_are_built_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step file that adds workflow files itself is heard."""
    (tmp_path / "first.js").write_text(
        'import { one } from "./late_steps.py";\n'
        'export async function first() { "use workflow"; return await one(); }\n'
    )
    (tmp_path / "second.js").write_text('export async function second() { "use workflow"; return 2; }\n')
    (tmp_path / "late_app.py").write_text(
        'from torpor import Torpor\n\napp = Torpor("memory://")\napp.workflows("first.js")\n'
    )
    (tmp_path / "late_steps.py").write_text(
        'from late_app import app\n\napp.workflows("second.js")\n\n\n@app.step\nasync def one():\n    return 1\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        app: Torpor = importlib.import_module("late_app").app
        assert app.programs.resolve("second").name.endswith("//second")
    finally:
        for name in ("late_app", "late_steps"):
            sys.modules.pop(name, None)
