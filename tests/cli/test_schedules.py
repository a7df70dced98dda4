"""``torpor schedules …``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process


@pytest.fixture
def busy(fresh: Path) -> Iterator[Path]:
    """A project with a worker at work, as the working folder."""
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        yield fresh


@pytest.mark.usefixtures("busy")
def test_schedules_are_made_shown_and_deleted(torpor: Torpor) -> None:
    """From nothing to nothing."""
    assert "make one with: torpor schedules create" in torpor("schedules", "list").stderr
    made = torpor.ok("schedules", "create", "nightly", "addTen", "5", "--cron", "30 2 * * *", "--zone", "Europe/Berlin")
    assert re.match(r"nightly: next \d{4}-\d\d-\d\d 0[01]:30:00Z", made)
    listed = torpor.ok("schedules", "list")
    assert re.search(r"nightly +addTen +30 2 \* \* \* +Europe/Berlin +\d{4}.* -$", listed, re.MULTILINE)
    assert [found["name"] for found in torpor.json("schedules", "list")] == ["nightly"]
    shown = torpor.ok("schedules", "show", "nightly", "--next", "3")
    assert shown.count("02:30 in Europe/Berlin") == 3
    assert len(torpor.json("schedules", "show", "nightly")["upcoming"]) == 5
    assert torpor.ok("schedules", "delete", "nightly") == "nightly: deleted\n"
    gone = torpor("schedules", "show", "nightly")
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert "no schedule 'nightly'" in gone.stderr


@pytest.mark.usefixtures("busy")
def test_schedules_are_triggered_paused_and_filled(torpor: Torpor) -> None:
    """Each run's id is printed."""
    torpor.ok("schedules", "create", "hourly", "addTen", "5", "--every", "1h", "--overlap", "allow", "--paused")
    run_id = torpor.ok("schedules", "trigger", "hourly").strip()
    filled = torpor.ok("schedules", "backfill", "hourly", "3h").split()
    assert len(filled) == 3
    assert torpor.ok("schedules", "backfill", "hourly", "3h").split() == filled
    found = {run["id"] for run in torpor.json("runs")}
    assert found == {run_id, *filled}
    assert torpor.ok("schedules", "unpause", "hourly").startswith("hourly: next 2")
    assert torpor.ok("schedules", "pause", "hourly", "--note", "why") == "hourly: paused\n"
    shown = torpor.ok("schedules", "show", "hourly")
    assert shown.startswith("hourly  paused")
    assert re.search(r"note +why", shown)
    assert json.loads(torpor.ok("schedules", "show", "hourly", "--json"))["next_at"] is None


@pytest.mark.usefixtures("busy")
def test_what_cannot_be_scheduled_is_misuse(torpor: Torpor) -> None:
    """The exit code says so, and the line what to write."""
    for words, told in (
        (("addTen", "5"), "one of cron=, every= and at="),
        (("addTen", "5", "--cron", "x"), "is no cron expression"),
        (("nowhere", "--every", "1h"), "has a workflow 'nowhere'"),
        (("addTen", "5", "--every", "1h", "--overlap", "wait"), "there are skip, buffer, cancel, allow"),
    ):
        refused = torpor("schedules", "create", "nightly", *words)
        assert refused.exit_code == 2, refused.output
        assert told in refused.stderr
