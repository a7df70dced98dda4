"""``torpor queues …``, and what ``torpor inspect`` says of a run that waits for a slot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process


@pytest.mark.usefixtures("fresh")
def test_queues_are_set_listed_and_deleted(torpor: Torpor, fresh: Path) -> None:
    """What is not given stays as it was; limits are there before anything is in the queue."""
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        assert "limit one with: torpor queues set" in torpor("queues", "list").stderr
        assert torpor.ok("queues", "set", "mail", "--concurrency", "10", "--rate", "100/m") == (
            "mail: 10 at once, 100/m\n"
        )
        assert torpor.ok("queues", "set", "mail", "--per-key", "1", "--concurrency", "0", "--asleep", "give_back") == (
            "mail: 1 per key, 100/m, slots given back asleep\n"
        )
        assert re.search(r"mail +- +0 +0 +1 per key, 100/m", torpor.ok("queues", "list"))
        [found] = torpor.json("queues", "list")
        assert (found["name"], found["concurrency"], found["rate"], found["held"]) == ("mail", None, "100/m", 0)
        refused = torpor("queues", "set", "mail", "--rate", "fast")
        assert refused.exit_code == 2
        assert "write it like '10/s'" in refused.stderr
        assert torpor.ok("queues", "delete", "mail") == "mail: no limits\n"


def test_a_run_that_waits_is_told_its_place(torpor: Torpor, fresh: Path) -> None:
    """In the words of a queue."""
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        torpor.ok("queues", "set", "mail", "--rate", "1/h")
        runs = [torpor.ok("start", "addTen", "1", "--queue", "mail", "--queue-key", "anna").strip() for _ in range(3)]
        torpor.ok("start", "addTen", "1", "--wait")  # the worker has looked at the queue by then
        shown = torpor.ok("inspect", runs[2])
        assert "a slot for anna, second in queue mail (1/h)" in shown
        assert torpor.json("inspect", runs[1])["place"]["ahead"] == 0
