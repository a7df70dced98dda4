"""``torpor export`` and ``torpor import``, and looking into capsules."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Torpor
from tests.cli.project import Runs

KEYS = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"
OTHER = ("--world", "sqlite:///other.db")


def test_a_run_goes_to_another_world(torpor: Torpor, runs: Runs, project: Path) -> None:
    """With its name, and all that is shown of it."""
    told = torpor.ok("export", runs.waiting)
    assert told.startswith(f"{runs.waiting}.capsule  ")
    assert "approval running after event" in told
    result = torpor("import", f"{runs.waiting}.capsule", *OTHER)
    assert (result.exit_code, result.stdout) == (0, f"{runs.waiting}\n")
    assert "a worker of its application takes it up" in result.stderr
    here, there = (torpor.json("inspect", runs.waiting, *world) for world in ((), OTHER))
    assert here["events"] == there["events"]
    again = torpor("import", f"{runs.waiting}.capsule", *OTHER)
    assert again.exit_code == 1
    assert "is in world sqlite:///other.db already; nothing was stored" in again.stderr
    assert (project / "other.db").exists()


def test_it_may_arrive_paused(torpor: Torpor, runs: Runs) -> None:
    """Then it says how it goes on; a run that has ended says nothing."""
    torpor.ok("export", runs.waiting, "-o", "run.capsule")
    result = torpor("import", "run.capsule", "--paused", *OTHER)
    assert "paused; torpor unpause lets it go on" in result.stderr
    assert torpor.json("inspect", runs.waiting, *OTHER)["run"]["paused"] is True
    about = torpor.json("export", runs.completed, "-o", "over.capsule")
    assert (about["id"], about["status"], about["file"]) == (runs.completed, "completed", "over.capsule")
    assert torpor.json("import", "over.capsule", *OTHER)["awaits_elsewhere"] == []


def test_a_capsule_is_looked_into(torpor: Torpor, runs: Runs) -> None:
    """In place of a run, or as a world that has only that one, and changes nothing."""
    torpor.ok("export", runs.waiting, "-o", "run.capsule")
    assert torpor.json("inspect", "run.capsule")["events"] == torpor.json("inspect", runs.waiting)["events"]
    assert runs.waiting in torpor.ok("runs", "--world", "capsule:run.capsule")
    assert runs.completed not in torpor.ok("runs", "--world", "capsule:run.capsule")
    refused = torpor("pause", runs.waiting, "--world", "capsule:run.capsule")
    assert refused.exit_code != 0
    assert "torpor import brings it into a world" in refused.stderr


def test_an_encrypted_capsule_wants_its_key(torpor: Torpor, runs: Runs) -> None:
    """From the environment, as runs do."""
    result = torpor("export", runs.waiting, "--encrypt")
    assert result.exit_code != 0
    assert "TORPOR_KEYS" in result.stderr
    torpor.ok("export", runs.waiting, "--encrypt", "-o", "run.capsule", TORPOR_KEYS=KEYS)
    sealed = torpor("import", "run.capsule", *OTHER)
    assert sealed.exit_code != 0
    assert "KEY_MISSING" in sealed.stderr
    result = torpor("import", "run.capsule", *OTHER, TORPOR_KEYS=KEYS)
    assert (result.exit_code, result.stdout) == (0, f"{runs.waiting}\n")


def test_what_is_no_capsule_is_told(torpor: Torpor, project: Path) -> None:
    """A file that is not there, and one that is something else."""
    assert "there is no file none.capsule" in torpor("import", "none.capsule").stderr
    (project / "a.capsule").write_bytes(b"PK")
    for command in ("import", "inspect"):
        result = torpor(command, "a.capsule")
        assert result.exit_code != 0
        assert "this is no capsule" in result.stderr
