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
    """Click on the last button, tab, entry of a menu or row of a trace whose first line is a text."""
    pressed = (
        "(() => { const all = [...document.querySelectorAll('button,[role=tab],[role=menuitem],[role=treeitem]')];"
        " all.forEach(each => each.removeAttribute('data-pressed'));"
        f" const these = all.filter(each => each.innerText.trim().split('\\n')[0] === {json.dumps(text)} &&"
        " !each.disabled && !each.hasAttribute('data-disabled'));"
        " these.at(-1)?.setAttribute('data-pressed', ''); return these.length > 0; })()"
    )
    browser.until(pressed)
    browser.click("[data-pressed]")


def choose(browser: Browser, text: str) -> None:
    """Choose an entry of the run's menu."""
    browser.click("[aria-haspopup=menu]")
    press(browser, text)


def sees(browser: Browser, *texts: str) -> None:
    """Wait until all of these texts are on the page."""
    for text in texts:
        browser.until(f"document.body.innerText.includes({json.dumps(text)})")


def shown_run(browser: Browser, other_than: str) -> str:
    """Return the run whose page is shown, once it is another one."""
    browser.until(f"/run.wrun_/.test(location.pathname) && !location.pathname.includes({json.dumps(other_than)})")
    path: str = browser.script("location.pathname")
    return path.rpartition("/")[2]


def test_runs_are_shown_and_cancelled(tools: Tools, address: str, browser: Browser) -> None:
    """The list of runs, one with its steps, hook, events and stream; its button cancels it; somebody is there."""
    run_id = tools.waiting_run("o-1")
    browser.open(address)
    sees(browser, "torpor-world", "checkout", run_id, "Running")
    press(browser, "Health Check")
    sees(browser, "Workflow endpoint healthy")
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
    assert tools.outcome(run_id)["status"] == "cancelled"
    sees(browser, "Cancelled")


def test_a_run_is_woken_resumed_and_replayed(tools: Tools, address: str, browser: Browser) -> None:
    """The menu ends its sleeps, its hook takes a payload, and *Replay* starts another run with what it was given."""
    run_id = tools.sleeping_run("o-3")
    browser.open(f"{address}/run/{run_id}")
    sees(browser, "sleep")
    choose(browser, "Re-enqueue")
    sees(browser, "Run re-enqueued")
    choose(browser, "Cancel Active Sleeps")
    sees(browser, "Cancelled 1 active sleep", "approve:o-3")
    press(browser, "approve:o-3")
    press(browser, "Resolve Hook")
    browser.until("document.querySelector('[role=dialog] textarea')")
    browser.click("[role=dialog] textarea")
    browser.type('{"by": "ann"}')
    press(browser, "Send Payload")
    sees(browser, "Hook resolved")
    assert tools.outcome(run_id)["output"] == "o-3 paid 4200, approved by ann"
    press(browser, "Replay")
    sees(browser, "Replay Run?")
    press(browser, "Replay Run")
    replayed = shown_run(browser, other_than=run_id)
    assert tools.told("inspect", "run", replayed)["input"] == ["o-3"]
    press(browser, "sleep")
    press(browser, "Wake Up Sleep")
    sees(browser, "Run woken up", "approve:o-3")
    browser.picture(PICTURES / "sdk-woken.png")


def test_runs_of_python_are_replayed(tools: Tools, address: str, browser: Browser) -> None:
    """Arguments of workflows in Python, and those that the SDK has no class for, come again as they were."""
    run_id = tools.start("describe", "4.20", on="2026-11-30", lines=[1, 2])
    first = tools.outcome(run_id)
    assert first["output"] == "Decimal('4.20') datetime.date(2026, 11, 30) (1, 2)"
    browser.open(f"{address}/run/{run_id}")
    press(browser, "Replay")
    press(browser, "Replay Run")
    assert tools.outcome(shown_run(browser, other_than=run_id))["output"] == first["output"]


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
