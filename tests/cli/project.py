"""The project that these tests work in: files, and runs of every kind in its world."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torpor import Torpor
from torpor.cli.loading import load_app, parse_target
from torpor.run_handle import RunHandle

_TESTS = Path(__file__).parent.parent

WORLD = "sqlite:///torpor.db"

APP = """
from torpor import Torpor

app = Torpor()
app.workflows("flows/*.js")
"""

STEPS = """
import os
import threading

from app import app
from torpor import Backoff, current_step


@app.step
async def add(a: int, b: int) -> int:
    return a + b


@app.step(backoff=Backoff(first=0.01))
async def unstable() -> str:
    if current_step().attempt < 3:
        raise ConnectionError("the bank is closed")
    return "open"


@app.step(max_retries=0)
async def broken() -> None:
    raise ValueError("no such order")


@app.step
async def spawn(number: int) -> str:
    return (await app.start("addTen", number)).id


@app.step
def stuck() -> None:
    print("stuck", flush=True)
    threading.Event().wait(60)


@app.step
def process_id() -> int:
    return os.getpid()
"""

FLOWS = """
import { createHook, sleep } from "workflow";
import { add, broken, process_id, spawn, stuck, unstable } from "../steps.py";

export async function addTen(n) {
  "use workflow";
  console.log("adding to", n);
  let sum = await add(n, 2);
  sum = await add(sum, 3);
  return await add(sum, 5);
}

export async function approval(token) {
  "use workflow";
  const hook = createHook({ token, metadata: { order: "o-1" } });
  await unstable();
  await sleep(5);
  console.warn("waiting for approval");
  const answer = await hook;
  console.log("approved");
  return { answer, at: new Date(0), seen: new Map([[1, "one"]]), big: 2n ** 60n, raw: new Uint8Array([1, 2]) };
}

export async function failing() {
  "use workflow";
  try {
    await broken();
  } catch (error) {
    throw new TypeError("the order cannot be placed", { cause: error });
  }
}

export async function pids(token) {
  "use workflow";
  const before = await process_id();
  await createHook({ token });
  return [before, await process_id()];
}

export async function spawns() {
  "use workflow";
  return await spawn(5);
}

export async function forgets() {
  "use workflow";
  console.log("forgetting");
  await new Promise(() => {});
}

export async function hangs() {
  "use workflow";
  await stuck();
}
"""


def write_project(folder: Path) -> None:
    """Write the project's files."""
    (folder / "flows").mkdir()
    (folder / "app.py").write_text(APP)
    (folder / "steps.py").write_text(STEPS)
    (folder / "flows" / "orders.js").write_text(FLOWS)


@contextmanager
def fresh_imports() -> Iterator[None]:
    """
    Import as a new process does.

    What applications in tests have imported, whosever they are, is hidden in the block. What is imported inside is
    forgotten at its end, and so are the folders that were put on the path.
    """
    path, hidden = list(sys.path), _take_out()
    try:
        yield
    finally:
        sys.path[:] = path
        _take_out()
        sys.modules.update(hidden)


def _take_out() -> dict[str, ModuleType]:
    """Take the modules of applications in tests out of those that are imported, and return them."""
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    return {name: sys.modules.pop(name) for name, file in files.items() if _is_applications(name, file)}


def _is_applications(name: str, file: str) -> bool:
    """Tell whether an application has imported a module from its own folder, a temporary one or one beside tests."""
    if name.partition(".")[0] in ("tests", "torpor"):
        return False
    return "pytest-of" in file or Path(file).is_relative_to(_TESTS)


@dataclass(frozen=True)
class Runs:
    """Ids of the runs in the project's world, in the order of their starts."""

    completed: str
    approved: str
    failed: str
    waiting: str
    cancelled: str


def make_runs(folder: Path) -> Runs:
    """Carry out one run of every kind in the project's world."""
    with fresh_imports():
        app = load_app(parse_target(str(folder / "app.py"))).on(f"sqlite:///{folder}/torpor.db")
        return asyncio.run(_make_runs(app))


async def _make_runs(app: Torpor) -> Runs:
    async with app, app.worker():
        completed = await app.start("addTen", 123)
        await completed.result(timeout=30)
        approved = await app.start("approval", "token-1")
        await _resume(app, approved, "token-1")
        failed = await app.start("failing")
        await app.client.wait_ended(failed.id)
        waiting = await app.start("approval", "token-2")
        await _reached(waiting, "wait_completed")  # so that ids, which begin with the time, keep the order
        cancelled = await app.start("approval", "token-3")
        await _reached(cancelled, "wait_completed")
        await cancelled.cancel("wrong prices", force=True)
    return Runs(completed.id, approved.id, failed.id, waiting.id, cancelled.id)


async def _resume(app: Torpor, run: RunHandle, token: str) -> None:
    await _reached(run, "wait_completed")
    await app.resume_hook(token, {"approved": True})
    await run.result(timeout=30)


async def _reached(run: RunHandle, event: str) -> None:
    """Return once the run has parked with an event of this type in its log."""
    async with asyncio.timeout(30):
        while True:
            snapshot = await run._client.world.snapshot(run.id)
            events = await run.events()
            if snapshot and any(each.type == event and each.seq <= snapshot.cursor for each in events):
                return
            await asyncio.sleep(0.01)
