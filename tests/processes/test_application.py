"""``app.worker(processes=N)``: worker processes beside the program that starts runs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.processes import environment
from torpor import Torpor
from torpor.clock import SystemClock
from torpor.errors import ConfigurationError, UsageError

APP = """
import asyncio
import os

import torpor
from torpor import Torpor

app = Torpor("sqlite:///runs.db")


@app.step
def process_id() -> int:
    return os.getpid()


@app.workflow
async def where(others: int) -> list[int]:
    return await asyncio.gather(*(process_id() for _ in range(others)))
"""

MAIN = """
async def main():
    async with app, app.worker(processes=2) as processes:
        runs = [await app.start(where, 3) for _ in range(8)]
        found = {pid for run in runs for pid in await run.result(timeout=60)}
        assert found <= set(processes.pids), (found, processes.pids)
        assert len(processes.pids) == len(processes.at_work) == 2
        assert os.getpid() not in found
        print("ran in others")
"""

GUARDED = """
if __name__ == "__main__":
    asyncio.run(main())
"""

UNGUARDED = "asyncio.run(main())\n"


def run(folder: Path, script: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run a script of a folder with these modules, from another working folder."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    (folder / "elsewhere").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, f"../{script}.py"],
        cwd=folder / "elsewhere",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


IMPORTS = "import asyncio, os\nfrom app import app, where\n"


@pytest.mark.parametrize(
    ("script", "files"),
    [
        pytest.param("run", {"app": APP, "run": IMPORTS + MAIN + UNGUARDED}, id="an application that is imported"),
        pytest.param("app", {"app": APP + MAIN + GUARDED}, id="the script's own application"),
    ],
)
def test_other_processes_work_on_runs(tmp_path: Path, script: str, files: dict[str, str]) -> None:
    """The starter only starts and waits; it hears of ends, and leaves nobody behind."""
    done = run(tmp_path, script, **files)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "ran in others\n"


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    """The process that imports it comes upon the call, and does not start more."""
    done = run(tmp_path, "app", app=APP + MAIN + UNGUARDED)

    assert done.returncode == 1
    assert 'put what the script does under `if __name__ == "__main__":`' in done.stderr
    assert "have ended with exit code 2 before they were at work" in done.stderr


def test_processes_that_bring_something_else_are_refused(tmp_path: Path) -> None:
    """Steps that only the starter has registered are named."""
    more = "@app.step\ndef more() -> None: ...\n"
    done = run(tmp_path, "run", app=APP, run=IMPORTS + more + MAIN + UNGUARDED)

    assert done.returncode == 1
    assert "bring other workflows and steps than this process: they lack step//./run.py//more" in done.stderr


def test_a_script_without_asyncio_has_them_too(tmp_path: Path) -> None:
    """``SyncTorpor(app, processes=1)``."""
    script = """
    import os
    from app import app, where
    from torpor import SyncTorpor

    with SyncTorpor(app, processes=1) as torpor:
        assert torpor.start(where, 1).result(timeout=60) != [os.getpid()]
    """
    done = run(tmp_path, "run", app=APP, run=script)
    assert done.returncode == 0, done.stderr


local = Torpor("sqlite:///never.db")


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (Torpor("memory://"), "lives inside the process that opened it"),
        (Torpor("sqlite:///never.db", clock=SystemClock()), "an application with a clock= of its own"),
    ],
)
async def test_what_lives_in_one_process_is_refused(app: Torpor, told: str) -> None:
    """Before anything is opened."""
    with pytest.raises(ConfigurationError, match=told):
        async with app.worker(processes=2):
            pass


async def test_an_application_that_no_module_has_is_refused(tmp_path: Path) -> None:
    """Other processes could not import it."""
    app = local.on(f"sqlite:///{tmp_path}/runs.db")
    async with app:
        with pytest.raises(ConfigurationError, match="no module has it at its top level"):
            async with app.worker(processes=2):
                pass


@pytest.mark.parametrize("processes", [0, -1, True, "many", 1.5])
async def test_a_number_that_is_none_is_refused(tmp_path: Path, processes: int) -> None:
    """As on the command line."""
    app = local.on(f"sqlite:///{tmp_path}/runs.db")
    async with app:
        with pytest.raises(UsageError, match='give 1 or more, or "auto"'):
            async with app.worker(processes=processes):
                pass


def test_observers_and_processes_are_not_for_one_another() -> None:
    """What other processes do is not observed here."""
    with pytest.raises(UsageError, match="know nothing of observers"):
        local.worker(processes=2, observers=[print])
