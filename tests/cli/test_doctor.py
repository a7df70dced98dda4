"""``torpor doctor``."""

from __future__ import annotations

import contextlib
import json
import platform
import resource
import shutil
import sqlite3
from importlib.resources import files
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process, run
from tests.cli.project import WORLD
from torpor import WorkerSettings
from torpor.cli import checks

UNSHARED = """
import time

from torpor import Torpor

app = Torpor()
BEGAN = time.time()


@app.workflow
async def since() -> float:
    return time.time() - BEGAN
"""


def test_a_line_that_keeps_images_from_being_shared_is_told(torpor: Torpor, empty: Path) -> None:
    """By doctor before any run, and by a worker when it stores the program; with file and line of the read."""
    (empty / "app.py").write_text(UNSHARED)

    found = torpor.json("doctor")["checks"]["images"]
    with Process(empty, "worker", "-p", "1") as worker:
        told = worker.wait_line("reads the clock")

    assert (found["status"], found["unshared"]) == ("note", ["./app.py:7"])
    assert "./app.py:7 reads the clock or draws random numbers while its module is loaded" in told


@pytest.mark.usefixtures("runs")
def test_everything_is_found(torpor: Torpor) -> None:
    """Versions, files, memory, a real boot, application and world are looked at, and all is well."""
    data = torpor.json("doctor")

    assert data["ok"] is True
    found = data["checks"]
    assert list(found) == [
        "versions", "platform", "wasm", "memory", "descriptors", "cache", "boot", "python", "application", "images",
        "encryption", "world", "settings", "place", "size", "keys", "builds", "rows", "workers", "applications",
        "steps",
    ]  # fmt: skip
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["sqlite"] == sqlite3.sqlite_version
    assert found["memory"]["name"] in ("cow", "portable")
    assert found["boot"]["boot_ms"] > 0
    assert found["boot"]["is_compiled"]
    assert found["application"]["workflows"][0] == "workflow//./flows/orders.js//addTen"
    assert found["world"]["url"] == WORLD
    assert found["world"]["schema_version"] >= 1
    assert found["world"]["capabilities"]["durable"] is True
    assert found["workers"]["alive"] == []
    assert (found["builds"]["builds"], found["builds"]["status"]) == ([], "ok")
    assert found["builds"]["image_bytes"] > 0


@pytest.mark.usefixtures("runs")
def test_damaged_runs_are_told(torpor: Torpor) -> None:
    """By row, with what is wrong and what to do; the command fails."""
    with contextlib.closing(sqlite3.connect("torpor.db")) as db, db:
        ((damaged,),) = db.execute("SELECT id FROM runs ORDER BY k LIMIT 1").fetchall()
        db.execute("UPDATE runs SET status = 9 WHERE id = ?", (damaged,))

    outcome = torpor("doctor", "--json")

    found = json.loads(outcome.stdout)["checks"]["rows"]
    assert outcome.exit_code == 1
    assert found["status"] == "failed"
    assert list(found["damaged"]) == [damaged]
    assert "its status is 9" in found["damaged"][damaged]


def test_guest_builds_that_are_nowhere_are_told(torpor: Torpor, runs: dict[str, str]) -> None:
    """With what becomes of the runs that need them."""
    assert runs
    with contextlib.closing(sqlite3.connect("torpor.db")) as db, db:
        db.execute("INSERT INTO labels (text) VALUES ('c0ffee')")
        db.execute("UPDATE runs SET build = (SELECT k FROM labels WHERE text = 'c0ffee')")

    found = torpor.json("doctor")["checks"]["builds"]

    assert (found["status"], found["missing"]) == ("note", ["c0ffee"])
    assert "neither kept in this world nor installed here (c0ffee…)" in found["text"]


@pytest.mark.usefixtures("empty")
def test_too_few_descriptors_are_told(torpor: Torpor) -> None:
    """How many a worker may come to need, how many there are, and how to get more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (WorkerSettings().descriptors - 1, hard))
    try:
        found = torpor.json("doctor")["checks"]["descriptors"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert found["status"] == "note"
    assert f"may come to need {WorkerSettings().descriptors}: raise `ulimit -n`" in found["text"]


def test_a_cache_that_others_can_write_is_told(torpor: Torpor, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its mode and the remedy."""
    cache = empty / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    monkeypatch.setenv("TORPOR_CACHE", str(cache))

    found = torpor.json("doctor")["checks"]["cache"]

    assert (found["status"], found["trusted"]) == ("note", False)
    assert f"others can write there (mode 777); chmod go-w {cache}" in found["text"]


@pytest.mark.usefixtures("runs")
def test_the_table_has_a_line_for_each_check(torpor: Torpor) -> None:
    """Name, state and what was found."""
    lines = torpor.ok("doctor").splitlines()[1:]

    assert [line.split()[0] for line in lines][:3] == ["versions", "platform", "wasm"]
    assert {line.split()[1] for line in lines} <= {"ok", "note"}


def test_the_python_guest_is_looked_at(empty: Path) -> None:
    """Version, packages and whether it is compiled are told, and looking compiles nothing."""
    cache = empty / "cache"

    found = json.loads(run(empty, "doctor", "--json", TORPOR_CACHE=str(cache)))["checks"]["python"]

    assert (found["status"], found["is_compiled"]) == ("note", False)
    assert found["version"].startswith("3.15")
    assert {"tzdata", "zlib"} <= set(found["packages"])
    assert "torpor warm" in found["text"]
    assert not list(cache.glob("cpython*"))


def test_a_world_that_is_not_there_is_not_made(torpor: Torpor, empty: Path) -> None:
    """Without an application and a world there is nothing wrong, and nothing is left behind."""
    data = torpor.json("doctor")

    assert data["ok"] is True
    assert data["checks"]["world"]["exists"] is False
    assert "workers" not in data["checks"]
    assert list(empty.iterdir()) == []


def test_a_file_that_is_no_world_is_a_failure(torpor: Torpor, empty: Path) -> None:
    """The exit code says so, and the other checks are made all the same."""
    (empty / "notes.db").write_text("not a database, and long enough to be looked at " * 100)

    result = torpor("doctor", "--world", "sqlite:///notes.db", "--json")

    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["ok"] is False
    assert data["checks"]["world"]["status"] == "failed"
    assert data["checks"]["boot"]["status"] == "ok"


def test_an_application_that_does_not_load_is_a_failure(torpor: Torpor, empty: Path) -> None:
    """The check says what its import raised."""
    (empty / "app.py").write_text("1 / 0\n")

    result = torpor("doctor", "--json")

    assert result.exit_code == 1
    assert "ZeroDivisionError" in json.loads(result.stdout)["checks"]["application"]["text"]


@pytest.mark.usefixtures("empty")
def test_an_unusable_setting_is_a_failure(torpor: Torpor) -> None:
    """A memory back end that does not exist is found before a worker is."""
    result = torpor("doctor", "--json", TORPOR_VM_BACKEND="magic")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["checks"]["memory"]["code"] == "CONFIGURATION"


@pytest.mark.usefixtures("empty")
def test_the_portable_back_end_says_why(torpor: Torpor) -> None:
    """What makes VMs slower is worth a note."""
    result = torpor("doctor", "--json", TORPOR_VM_BACKEND="portable")

    found = json.loads(result.stdout)["checks"]["memory"]
    assert (found["status"], found["name"]) == ("note", "portable")
    assert "TORPOR_VM_BACKEND" in found["reason"]


def test_the_first_boot_compiles(empty: Path) -> None:
    """The compiled code is kept in TORPOR_CACHE, where the next process finds it."""
    cache = empty / "cache"
    first, second = (
        json.loads(run(empty, "doctor", "--json", TORPOR_CACHE=str(cache)))["checks"]["boot"] for _ in range(2)
    )

    assert (first["was_compiled"], first["is_compiled"]) == (False, True)
    assert (second["was_compiled"], second["is_compiled"]) == (True, True)
    assert first["cache_folder"] == second["cache_folder"] == str(cache)
    assert first["cache_bytes"] == sum(path.stat().st_size for path in cache.glob("*.cwasm")) > 0


def test_the_hashes_are_those_of_the_files_that_are_shipped() -> None:
    """Every file is known, and nothing else is shipped beside them."""
    assert checks.wasm_files().status == "ok"
    folder = Path(str(files("torpor.guests.quickjs"))) / "wasm"
    assert {path.name for path in folder.iterdir()} - {"LICENSE"} == set(checks.WASM_SHA256)


@pytest.mark.parametrize(("name", "state"), [("url.so", "missing"), ("crypto.so", "differs")])
def test_wrong_files_are_named(tmp_path: Path, name: str, state: str) -> None:
    """A missing and a changed file are failures."""
    folder = tmp_path / "wasm"
    shutil.copytree(Path(str(files("torpor.guests.quickjs"))) / "wasm", folder)
    (folder / name).unlink()
    if state == "differs":
        (folder / name).write_bytes(b"\0asm")

    finding = checks.wasm_files(folder)

    assert finding.status == "failed"
    assert finding.facts["files"][name] == state
    assert f"{name} {state}" in finding.text


@pytest.mark.usefixtures("runs")
def test_dead_workers_are_counted(torpor: Torpor, project: Path) -> None:
    """A worker whose process is gone is not called alive."""
    with contextlib.closing(sqlite3.connect(project / "torpor.db")) as db:
        values = ("wrkr_gone", "another machine", 1, 0, 15_000, "", "", 0, "another boot", 0)
        db.execute("INSERT INTO workers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        db.commit()

    found = torpor.json("doctor")["checks"]["workers"]

    assert (found["alive"], found["dead"], found["status"]) == ([], 1, "note")
