"""One browser for all tests of a process, and runs of every kind to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.codec import node
from tests.http.pages.browser import Browser, find_browser
from tests.http.serving import Server
from tests.http.test_runs import result, start, waits_for
from torpor.http.auth import COOKIE

AXE = "axe-core@4.14.1"
REQUIRED = "TORPOR_TEST_BROWSER_REQUIRED"
"""Set where a missing browser is an error, and no reason to leave tests out."""

HOSTILE = "<script>alert(1)</script>\x1b[31mred\u202eesrever\x07'\"&<!--" + "9" * 20_000
"""HTML, an escape sequence of terminals, a change of direction, and much of it."""


class Population(NamedTuple):
    """Runs by what became of them."""

    completed: str
    failed: str
    approving: str
    sleeping: str
    writing: str
    hostile: str
    family: str


@pytest.fixture(scope="session")
def population(server: Server) -> Population:
    """Runs of every kind."""
    with server.client() as http:
        found = Population(
            completed=start(http, "adding", 1, 2, id="pages/completed", attributes={"customer": "7"}),
            failed=start(http, "failing", id="pages failed"),
            approving=start(http, "approving", "pages-token", id="pages-approving"),
            sleeping=start(http, "sleeping", id="pages-sleeping"),
            writing=start(http, "writing", 20, id="pages-writing"),
            family=start(http, "parenting", 2, id="pages-family"),
            hostile=start(http, "echoing", {"text": HOSTILE, HOSTILE[:60]: [1]}, attributes={"evil": HOSTILE[:100]}),
        )
        for run_id in (found.completed, found.failed, found.writing, found.hostile):
            result(http, run_id)
        waits_for(http, found.approving, "hook")
        waits_for(http, found.sleeping, "timer")
        waits_for(http, found.family, "run")
        http.put("/v1/queues/pages", json={"concurrency": 3})
        http.post(
            "/v1/schedules", json={"name": "pages nightly", "workflow": "adding", "args": [1, 2], "cron": "0 3 * * *"}
        )
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser; tests that want one are left out where there is none."""
    program = find_browser()
    if program is None:
        if os.environ.get(REQUIRED):
            pytest.fail("there is no browser: install chromium, or name one in TORPOR_TEST_BROWSER")
        pytest.skip("there is no browser: install chromium, or name one in TORPOR_TEST_BROWSER")
    with Browser(program) as running:
        yield running


@pytest.fixture
def browser(chromium: Browser, server: Server) -> Browser:
    """The browser, signed in, on a large screen; nothing has been complained of."""
    chromium.scripts(allowed=True)
    chromium.ask("Network.clearBrowserCookies")
    chromium.ask("Network.setCookie", name=COOKIE, value=server.token, url=server.url)
    chromium.size(1_440)
    chromium.theme("light")
    chromium.calm()
    return chromium


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that finds what keeps people from using a page."""
    found = node.find_node()
    if found is None:
        pytest.skip("there is no Node to fetch axe-core with")
    return (node.install(found, AXE) / "node_modules/axe-core/axe.min.js").read_text("utf-8")


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures are kept to be looked at."""
    return Path(os.environ.get("TORPOR_TEST_PICTURES") or Path(__file__).parents[3] / ".pictures")
