"""``torpor web``: the pages for one browser of this machine, of a world or of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.cli.processes import Process
from tests.cli.processes import run as torpor
from tests.http.pages.conftest import Population
from tests.http.serving import Server


@contextmanager
def entered(server: Server, *arguments: str) -> Iterator[httpx.Client]:
    """A client that has followed the link of ``torpor web``."""
    with Process(server.folder, "web", *arguments) as process:
        link = process.wait_line("open once ").split()[2]
        base, path = re.fullmatch(r"(http://127\.0\.0\.1:\d+)(/dev/.+)", link).groups()  # type: ignore[union-attr]  # it is one
        with httpx.Client(base_url=base, timeout=60, trust_env=False) as http:
            assert http.get("/").headers["location"] == "/sign-in?next=%2F"
            assert http.get(path).headers["location"] == "/"
            yield http


def test_a_world_is_shown(server: Server, population: Population) -> None:
    """Without its application; what is done there is done in the world."""
    with entered(server, "--world", "sqlite:///torpor.db") as http:
        assert population.sleeping in http.get("/").text
        own = {"Origin": str(http.base_url).rstrip("/")}
        assert http.post(f"/runs/{population.sleeping}/act", data={"act": "pause"}, headers=own).status_code == 303
        assert "paused" in http.get(f"/runs/{population.sleeping}").text
        assert http.post(f"/runs/{population.sleeping}/act", data={"act": "unpause"}, headers=own).status_code == 303


def test_a_capsule_is_shown_and_no_more(server: Server, population: Population) -> None:
    """One run out of a file: its story, where it stands, and its past; nothing can be done to it."""
    torpor(server.folder, "export", population.approving, "--out", "shown.capsule")
    with entered(server, "shown.capsule") as http:
        assert population.approving in http.get("/").text
        for path, told in (
            ("", "approving"),
            ("/stack", "await hook"),
            ("/travel?at=1", "after event 1"),
            ("/log", ""),
        ):
            answer = http.get(f"/runs/{population.approving}{path}")
            assert (answer.status_code, told in answer.text) == (200, True), path
            assert 'method="post"' not in answer.text.partition("<main")[2]
        for page in ("/waiting", "/workers", "/queues", "/schedules", "/deployments"):
            assert http.get(page).status_code == 200, page
        own = {"Origin": str(http.base_url).rstrip("/")}
        assert http.post(f"/runs/{population.approving}/act", data={"act": "pause"}, headers=own).status_code == 403
