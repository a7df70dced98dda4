"""Rare orders of events and odd steps: no run may hang, repeat what is recorded, or end for a reason not its own."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from torpor import Backoff, RetryableError, Torpor, WorkerSettings, current_step
from torpor.clock import SystemClock
from torpor.engine.environment import TurnOptions
from torpor.engine.inline import InlineSteps
from torpor.engine.liveness import dead_workers, worker_row
from torpor.engine.runner import Runner
from torpor.engine.steps import Steps
from torpor.engine.worker import Worker
from torpor.errors import WorldError
from torpor.programs import Programs
from torpor.vm.quickjs import QuickJS
from torpor.vm.quickjs.vm import QuickJsVm

PATIENCE = 4
"""Seconds after which a run that should have ended counts as stuck."""

QUICKLY = Backoff(first=0.01)
executions: list[str] = []
active: list[int] = []


class Odd(BaseException):
    """Not an Exception."""


class Mute(Exception):
    """Cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


async def cancels_itself() -> None:
    """End with the CancelledError of something inside the step."""
    inner = asyncio.ensure_future(asyncio.sleep(60))
    inner.cancel()
    await inner


async def wrong_delay() -> None:
    """Ask for a retry at no time at all."""
    raise RetryableError("not now", retry_after=[5])  # type: ignore[arg-type]  # a mistake that is easily made


async def odd() -> None:
    """Raise what is no Exception."""
    raise Odd


async def mute() -> None:
    """Raise what cannot be told."""
    raise Mute


def stops() -> None:
    """Raise StopIteration in a thread."""
    next(iter(()))


async def big(text: str) -> int:
    """Take a large argument."""
    return len(text)


async def slow(ms: int) -> str:
    """Take a while, and note the execution."""
    executions.append(current_step().step_id)
    await asyncio.sleep(ms / 1000)
    return "done"


def naps(ms: int) -> int:
    """Hold a thread; return the number of the attempt."""
    time.sleep(ms / 1000)
    return current_step().attempt


async def note() -> int:
    """Note the execution."""
    executions.append(current_step().step_id)
    return len(executions)


FLOW = """
import { createHook, sleep } from "workflow";
import { cancels_itself, wrong_delay, odd, mute, stops, big, slow, naps, note } from "STEPS";
const steps = { cancels_itself, wrong_delay, odd, mute, stops };
export async function calls(name) {
  "use workflow";
  try { await steps[name](); } catch (error) { return "caught"; }
  return "returned";
}
export async function bigs(n, size, token) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < n; i++) total += await big("x".repeat(size));
  await createHook({ token });
  return total;
}
export async function one(ms) { "use workflow"; return await slow(ms); }
export async function two() { "use workflow"; return await Promise.all([naps(300), naps(300)]); }
export async function counts() { "use workflow"; const n = await note(); await sleep(1); return n; }
export async function waits(token) { "use workflow"; return await createHook({ token }); }
export async function spins() { "use workflow"; for (;;); }
"""


def application(tmp_path: Path, settings: WorkerSettings | None = None, runtime: Any = "snapshot") -> Torpor:
    flow = tmp_path / "flow.js"
    flow.write_text(FLOW.replace("STEPS", os.path.relpath(__file__, tmp_path)))
    app = Torpor(f"sqlite:///{tmp_path}/t.db", root="/", settings=settings, runtime=runtime)
    for step in (cancels_itself, wrong_delay, odd, mute, stops, big, slow, note):
        app.step(max_retries=1, backoff=QUICKLY)(step)
    app.step(max_retries=0, timeout=0.45)(naps)
    app.workflows(str(flow.relative_to("/")))
    executions.clear()
    return app


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("step", ["cancels_itself", "wrong_delay", "odd", "mute", "stops"])
async def test_whatever_a_step_raises_is_its_outcome(tmp_path: Path, step: str) -> None:
    """The workflow sees an error; the run does not wait for ever."""
    app = application(tmp_path)
    async with app, app.worker():
        run = await app.start("calls", step)
        assert await run.result(timeout=PATIENCE) == "caught"


@pytest.mark.parametrize("runtime", ["replay", "snapshot"])
async def test_a_redo_may_do_all_that_the_run_did(tmp_path: Path, runtime: str) -> None:
    """A log that was written within the limits can be delivered again within the limits."""
    app = application(tmp_path, runtime=runtime)
    async with app:
        async with app.worker():
            run = await app.start("bigs", 20, 1_000_000, "r-1")
            for _ in range(1000):
                if any(event.type == "hook_created" for event in await run.events()):
                    break
                await asyncio.sleep(0.02)
        await app.world.delete_snapshot(run.id)
        async with app.worker():
            await app.resume_hook("r-1")
            assert await run.result(timeout=PATIENCE) == 20_000_000


async def test_more_turns_than_vms_do_not_lock_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that waits for a VM does not hold the thread that another turn needs to give its VM back."""
    guest = QuickJS(pool_size=2)
    monkeypatch.setattr(Programs, "guest", lambda _self, _name: guest)
    app = application(tmp_path, WorkerSettings(turns=4, vm_threads=2, grace_seconds=0.2))
    async with app, app.worker():
        runs = [await app.start("one", 10) for _ in range(4)]
        for run in runs:
            assert await run.result(timeout=PATIENCE) == "done"


async def test_a_worker_full_of_turns_does_not_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room for the turns that are ready, the worker waits until something ends here."""
    app = application(tmp_path, WorkerSettings(turns=1, turn=TurnOptions(inline_ms=5_000)))
    claims = 0
    claim = app.world.claim

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal claims
        claims += 1
        return await claim(*args, **options)

    monkeypatch.setattr(app.world, "claim", counted)
    async with app, app.worker():
        runs = [await app.start("one", 1_000) for _ in range(2)]
        await runs[0].result(timeout=PATIENCE)
        assert claims < 50
        await runs[1].result(timeout=PATIENCE)


async def test_a_stop_that_is_cancelled_still_gives_the_claims_back(tmp_path: Path) -> None:
    """Nobody hears of the worker after its stop was given up."""
    app = application(tmp_path, WorkerSettings(heartbeat_ms=20))
    async with app:
        await app.store_programs()
        worker = Worker(app.world, app.programs.guest, app, app.clock, app.settings)
        await worker.start()
        run = await app.start("one", 60_000)
        while not executions:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0.1)
        stopping.cancel()
        await asyncio.wait([stopping])
        await worker.stop()
        await asyncio.sleep(0.1)
        left = [row.id for row in await app.world.workers()]
        for loop in worker._loops:
            loop.cancel()
        await run.cancel()
        await worker._runner.drain(0)
        worker._threads.shutdown()
        assert left == []


async def test_a_world_that_fails_while_a_snapshot_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn tries again, as after every failure of the world."""
    app = application(tmp_path)
    async with app:
        async with app.worker():
            run = await app.start("waits", "r-2")
            while await app.world.snapshot(run.id) is None:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(_damage, tmp_path)
        delete, calls = app.world.delete_snapshot, 0

        async def failing(run_id: str) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise WorldError("the disk is full")
            await delete(run_id)

        monkeypatch.setattr(app.world, "delete_snapshot", failing)
        async with app.worker():
            await app.resume_hook("r-2", 5)
            assert await run.result(timeout=PATIENCE) == 5


def _damage(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute("UPDATE snapshots SET data = CAST(substr(data, 1, length(data) - 20) || zeroblob(20) AS BLOB)")
    db.close()


@pytest.mark.parametrize("inline_ms", [20, 5_000])
async def test_a_worker_that_was_taken_for_dead_goes_on(tmp_path: Path, inline_ms: int) -> None:
    """It claims again what was taken from it, and the run ends."""
    app = application(tmp_path, WorkerSettings(grace_seconds=0.2, turn=TurnOptions(inline_ms=inline_ms)))
    async with app, app.worker() as worker:
        run = await app.start("one", 400)
        while not executions:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.15)
        await app.world.release([worker.id], app.clock.now())  # what another worker does
        assert await run.result(timeout=PATIENCE) == "done"


async def test_a_timeout_does_not_count_the_wait_for_a_thread(tmp_path: Path) -> None:
    """Two steps of 0.3 s with a timeout of 0.45 s succeed, also when there is one thread."""
    app = application(tmp_path, WorkerSettings(step_threads=1))
    async with app, app.worker():
        run = await app.start("two")
        assert await run.result(timeout=PATIENCE) == [1, 1]


async def test_no_room_is_never_negative() -> None:
    """A worker that claimed more steps than there is room for starts none inline."""
    steps = Steps(application_of_nothing(), SystemClock())
    runner = Runner(steps, 1, lambda: None)
    runner._count = 3
    assert InlineSteps(runner, lambda _: None, 10).room == 0
    steps.shutdown()


def application_of_nothing() -> Any:
    class Nothing:
        def step_definition(self, name: str) -> None:
            return None

        def step_names(self) -> list[str]:
            return []

    return Nothing()


async def test_a_vm_is_not_given_back_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling a turn leaves its VM alone until the thread is out of it."""
    entered = threading.Event()
    wrong: list[str] = []
    begin, release = QuickJsVm.begin, QuickJsVm.release

    def begins(self: QuickJsVm, message: Any) -> Any:
        active.append(id(self))
        entered.set()
        try:
            return begin(self, message)
        finally:
            active.remove(id(self))

    def releases(self: QuickJsVm) -> None:
        if id(self) in active:
            wrong.append("released while it runs")
            return  # the real one would reset memory below the running guest
        release(self)

    monkeypatch.setattr(QuickJsVm, "begin", begins)
    monkeypatch.setattr(QuickJsVm, "release", releases)
    from torpor.vm.limits import Limits

    guest = QuickJS(limits=Limits(cpu_seconds=1.5))
    monkeypatch.setattr(Programs, "guest", lambda _self, _name: guest)
    app = application(tmp_path, WorkerSettings(grace_seconds=0.1))
    async with app:
        async with app.worker():
            await app.start("spins")
            await asyncio.to_thread(entered.wait, 5)
        while active:
            await asyncio.sleep(0.05)
    assert wrong == []


def test_a_clock_that_is_set_does_not_kill_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose process lives is not dead because the machine's clock was stepped by two seconds."""
    now = SystemClock().now()
    row = worker_row("wrkr_other", now, 15_000)
    boot = psutil.boot_time()
    import psutil._pslinux as linux

    monkeypatch.setattr(linux, "boot_time", lambda: boot + 2)
    assert dead_workers([row], "wrkr_me", now) == []


async def test_an_error_of_ours_does_not_run_a_step_again(tmp_path: Path) -> None:
    """Results in hand outlive it as they outlive a failure of the world."""
    failed = False
    app = application(tmp_path)

    def reached(point: str) -> None:
        nonlocal failed
        if point == "before commit" and executions and not failed:
            failed = True
            raise RuntimeError("an error of ours")

    async with app, app.worker(reached=reached):
        run = await app.start("counts")
        await run.result(timeout=PATIENCE)
    assert failed
    assert len(executions) == 1


def test_patterns_added_while_programs_are_built_count(tmp_path: Path) -> None:
    """A step file that adds workflow files itself is heard."""
    (tmp_path / "a.js").write_text('import { one } from "./steps.py";\nexport async function a() { "use workflow"; return await one(); }\n')
    (tmp_path / "b.js").write_text('export async function b() { "use workflow"; return 1; }\n')
    (tmp_path / "steps.py").write_text("")
    names: list[str] = []
    programs = Programs(tmp_path, lambda: names)

    def imports(_path: Path) -> None:
        names.append("step//./steps.py//one")
        programs.add(["b.js"])

    programs._import = imports  # type: ignore[method-assign]  # stands for importing a module that calls workflows()
    programs.add(["a.js"])
    programs.all()
    assert programs.resolve("b").name.endswith("//b")
