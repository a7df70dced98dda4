"""``docs/remote.md``, followed in two directories: where the database is, and where the work is done."""

from __future__ import annotations

from pathlib import Path

from tests.cli.processes import Process, run
from tests.docs.pages import write_files


def test_the_quick_start_runs_as_pasted(tmp_path: Path) -> None:
    """A token, a server, a worker without a database, and a command."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        assert write_files("remote.md", folder) == ["orders.py"]
    with Process(here, "serve", "orders.py", "--no-worker", "--port", "0") as server:
        url = server.wait_line("serving http://").split()[1].rstrip(",")
        token = run(here, "tokens", "create", "--role", "work", "--app", "orders.py").strip()
        with Process(there, "worker", "orders.py", "--world", url, "-p", "1", TORPOR_TOKEN=token) as worker:
            worker.wait_line("is at work")
            start = ("start", "checkout", "o-1", "4200", "--app", "orders.py", "--world", url, "--wait")
            assert run(there, *start, TORPOR_TOKEN=token).strip() == '"o-1: 4200 cents"'
            assert not any("httpx" in line for line in worker.seen), "it tells of its work, and not of each request"
        assert "checkout" in run(tmp_path, "runs", "--world", url, TORPOR_TOKEN=token)
    assert (here / "orders.db").exists()
    assert not (there / "orders.db").exists()
