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


def test_a_world_moves(torpor: Torpor, runs: Runs, project: Path) -> None:
    """A plan changes nothing; what was moved is told where it was, and goes on where it is."""
    worlds = ("--from", "sqlite:///torpor.db", "--to", "sqlite:///grown.db")
    planned = torpor.json("move", *worlds, "--dry-run")
    assert not (project / "grown.db").exists()
    done = torpor.json("move", *worlds)
    assert (done["moved"], done["stayed"]) == (planned["runs"], {})
    assert "moved" in torpor.ok("runs", "--world", "sqlite:///torpor.db")
    assert "where it goes on" in torpor.ok("inspect", runs.waiting, "--world", "sqlite:///torpor.db")
    refused = torpor("pause", runs.waiting, "--world", "sqlite:///torpor.db")
    assert "RUN_MOVED" in refused.stderr
    assert torpor.json("inspect", runs.completed, "--world", "sqlite:///grown.db")["run"]["status"] == "completed"
    assert torpor("move", "--from", "sqlite:///a.db", "--to", "sqlite:///a.db").exit_code == 2
    missing = torpor("move", "--from", "sqlite:///none.db", "--to", "sqlite:///grown.db")
    assert "does not exist" in missing.stderr


def test_what_stays_is_told(torpor: Torpor, runs: Runs) -> None:
    """And the command says so by how it ends."""
    torpor.ok("export", runs.waiting, "-o", "run.capsule")
    torpor.ok("import", "run.capsule", "--world", "sqlite:///grown.db")
    result = torpor("move", "--from", "sqlite:///torpor.db", "--to", "sqlite:///grown.db")
    assert result.exit_code == 1
    assert f"run {runs.waiting} stays: a run with its id is in world" in result.stderr
