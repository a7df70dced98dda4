"""The official web UI of the SDK in a real browser, on the runs of a server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.codec.node import find_node
from tests.http.pages.browser import Browser, find_browser
from tests.sdk.installed import VERSIONS
from tests.sdk.serving import Tools

pytestmark = [pytest.mark.network, pytest.mark.long]

NODE_MIN = 22
PICTURES = Path(__file__).parents[2] / ".pictures"


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """Return the tools of version 5, and a server for them."""
    with Tools(tmp_path_factory.mktemp("web"), VERSIONS["5"]) as running:
        yield running


@pytest.fixture(scope="module")
def address(tools: Tools) -> Iterator[str]:
    """Return the address of the UI."""
    node = find_node(NODE_MIN)
    if node is None:
        pytest.skip(f"there is no Node {NODE_MIN}, and pip has none for this machine")
    command = [node, "node_modules/torpor-world/web.mjs", "0"]
    with subprocess.Popen(command, cwd=tools.folder, env=tools.settings, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.kill()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Return a browser."""
    program = find_browser()
    if program is None:
        if os.environ.get("TORPOR_TEST_BROWSER_REQUIRED"):
            pytest.fail("there is no browser")
        pytest.skip("there is no browser")
    with Browser(program) as running:
        running.size(1400, 1000)
        yield running


def press(browser: Browser, text: str) -> None:
    """Click on the last button, or tab, of a text."""
    browser.script(
        "(() => { const all = [...document.querySelectorAll('button,[role=tab]')];"
        " all.forEach(each => each.removeAttribute('data-pressed'));"
        f" const these = all.filter(each => each.innerText.trim() === {json.dumps(text)});"
        " these.at(-1).setAttribute('data-pressed', ''); })()"
    )
    browser.click("[data-pressed]")


def sees(browser: Browser, *texts: str) -> None:
    """Wait until all of these texts are on the page."""
    for text in texts:
        browser.until(f"document.body.innerText.includes({json.dumps(text)})")


def test_runs_are_shown_and_cancelled(tools: Tools, address: str, browser: Browser) -> None:
    """The list of runs, one with its steps, hook, events and stream; and its button cancels it."""
    run_id = tools.waiting_run("o-1")
    browser.open(address)
    sees(browser, "torpor-world", "checkout", run_id, "Running")
    browser.picture(PICTURES / "sdk-runs.png")
    browser.open(f"{address}/run/{run_id}")
    sees(browser, "charge", "report", "sleep", "approve:o-1")
    browser.picture(PICTURES / "sdk-run.png")
    press(browser, "Events")
    sees(browser, "Step Completed", "Wait Completed", "Hook Created", "evnt_00000000000000000000000009")
    press(browser, "Streams")
    sees(browser, "_user")
    stream = browser.script(
        "[...document.querySelectorAll('button')].map(each => each.innerText).find(text => text.startsWith('strm_'))"
    )
    press(browser, stream)
    sees(browser, "part:3")
    browser.picture(PICTURES / "sdk-stream.png")
    press(browser, "Cancel")
    sees(browser, "Cancel Workflow Run?")
    press(browser, "Cancel Run")
    with tools.server.client() as http:
        assert http.get(f"/v1/runs/{run_id}/result", params={"wait": 30}).json()["status"] == "cancelled"
    sees(browser, "Cancelled")


def test_hooks_are_shown(tools: Tools, address: str, browser: Browser) -> None:
    """Live hooks stand under their tab, with their runs."""
    run_id = tools.waiting_run("o-2")
    browser.open(address)
    sees(browser, "Hooks")
    press(browser, "Hooks")
    sees(browser, run_id, "hook_")


def test_the_ui_is_for_this_machine(address: str) -> None:
    """It answers on loopback, to requests for its own address that come from its own pages."""
    assert address.startswith("http://127.0.0.1:")
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as http:
        assert http.get("/").status_code == 200
        assert http.get("/", headers={"Host": "rebound.example"}).status_code == 403
        assert http.get("/", headers={"Origin": "http://elsewhere.example"}).status_code == 403
