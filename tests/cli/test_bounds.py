"""``torpor worker --queues --concurrency --memory``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process
from torpor import WorkerSettings
from torpor.cli import bounds
from torpor.errors import UsageError

HOARDING = """
import os

from torpor import Torpor

app = Torpor("sqlite:///torpor.db")
hoard = []


@app.step
async def keep(mebibytes: int) -> int:
    hoard.append(os.urandom(1024) * (1024 * mebibytes))
    return os.getpid()


@app.workflow
async def hoards(mebibytes: int) -> int:
    return await keep(mebibytes)


@app.workflow
async def rests() -> str:
    return "rested"
"""


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 << 20),
        ("512M", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("64kb", 64 << 10),
        ("4096", 4096),
        ("7B", 7),
        ("2Gi", 2 << 30),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    """With and without units, which are powers of 1024."""
    assert bounds.size_of(text) == size


@pytest.mark.parametrize("text", ["", "much", "5 parsecs", "-3M", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """The error says how one is written."""
    with pytest.raises(UsageError, match="512MiB"):
        bounds.size_of(text)


def test_settings_are_what_the_command_line_says() -> None:
    """Queues by name, ``default`` for none; runs and steps at once; all else stays."""
    given = WorkerSettings(grace_seconds=3)
    assert bounds.bounded(given, None, None) == given
    bounded = bounds.bounded(given, "gpu, default", 50)
    assert (bounded.queues, bounded.turns, bounded.steps, bounded.grace_seconds) == (("gpu", ""), 50, 50, 3)
    with pytest.raises(UsageError, match="names of queues"):
        bounds.bounded(given, "gpu,,mail", None)


@pytest.mark.long
def test_a_process_that_has_grown_is_replaced(torpor: Torpor, empty: Path) -> None:
    """It parks its runs and ends; the next one goes on, in a process of its own, also where there is one at a time."""
    (empty / "app.py").write_text(HOARDING)
    with Process(empty, "worker", "-p", "1", "--memory", "600MiB") as worker:
        worker.wait_line("is at work")
        first = torpor.ok("start", "hoards", "700", "--wait").strip()
        told = worker.wait_line("may have 600 MiB")
        assert "parks its runs, and another one begins" in told
        worker.wait_line("is at work")
        assert torpor.ok("start", "hoards", "1", "--wait").strip() != first


def test_less_than_a_worker_takes_is_refused_once(torpor: Torpor, empty: Path) -> None:
    """Else one process after the other would be replaced."""
    (empty / "app.py").write_text(HOARDING)
    done = torpor("worker", "-p", "1", "--memory", "20MiB")
    assert done.exit_code == 2
    assert "before its first run; give it twice that" in done.stderr


def test_queues_are_kept_to(torpor: Torpor, empty: Path) -> None:
    """A worker of one queue leaves the runs of others alone."""
    (empty / "app.py").write_text(HOARDING)
    with Process(empty, "worker", "-p", "1", "--queues", "mail", "--concurrency", "2") as worker:
        worker.wait_line("is at work")
        other = torpor.ok("start", "rests").strip()
        assert torpor.ok("start", "rests", "--queue", "mail", "--wait").strip() == '"rested"'
        assert torpor.json("inspect", other)["run"]["status"] == "pending"
