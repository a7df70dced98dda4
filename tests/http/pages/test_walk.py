"""A real browser walks the pages."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.http.pages.browser import Browser, Theme
from tests.http.pages.conftest import Population
from tests.http.serving import Server
from tests.http.test_runs import result, start, waits_for

PAGES = {
    "runs": "/",
    "nothing": "/?workflow=nowhere",
    "completed": "/runs/{completed}",
    "failed": "/runs/{failed}",
    "approving": "/runs/{approving}",
    "sleeping": "/runs/{sleeping}",
    "hostile": "/runs/{hostile}",
    "stack": "/runs/{approving}/stack",
    "post-mortem": "/runs/{failed}/stack",
    "travel": "/runs/{completed}/travel?at=4",
    "prompt": "/runs/{approving}/prompt",
    "family": "/runs/{family}",
    "waiting": "/waiting",
    "workers": "/workers",
    "queues": "/queues",
    "schedules": "/schedules",
    "deployments": "/deployments",
    "log": "/runs/{approving}/log",
    "streams": "/runs/{writing}/streams",
    "events": "/runs/{approving}/events",
    "sign-in": "/sign-in",
}
"""Name of the picture → what is opened."""


WHOLE = {(1_440, "light"), (360, "dark")}
"""Screens on which every page is walked, and axe looks for what keeps people out: each width and each theme once."""

OVER_THE_EDGE = """document.documentElement.scrollWidth <= {width} ? [] : [...document.querySelectorAll("main *")]
    .filter(each => each.getBoundingClientRect().right > {width})
    .map(each => each.outerHTML.slice(0, 120))"""
"""What hangs over the edge of a page that can be scrolled sideways."""

RICHEST = ("runs", "approving", "failed", "travel", "stack")
"""The pages that are looked at on the other two."""


def address(server: Server, population: Population, name: str) -> str:
    """Return the address of a page."""
    ids = {kind: quote(run_id, safe="") for kind, run_id in population._asdict().items()}
    return server.url + PAGES[name].format(**ids)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1_440, 360])
def test_every_page_is_sound(
    browser: Browser, server: Server, population: Population, axe: str, pictures: Path, width: int, theme: Theme
) -> None:
    """Nothing is complained of, nothing hangs over the edge, and axe finds nothing that keeps people out."""
    browser.size(width)
    browser.theme(theme)
    is_whole = (width, theme) in WHOLE
    for name in PAGES if is_whole else RICHEST:
        browser.open(address(server, population, name))
        browser.picture(pictures / f"{name}-{width}-{theme}.png")
        assert browser.calm() == [], name
        assert browser.script(OVER_THE_EDGE.format(width=width)) == [], name
        if not is_whole:
            continue
        browser.script(f"void (() => {{ {axe} }})()")
        found = browser.script("axe.run({resultTypes: ['violations']}).then(found => JSON.stringify(found.violations))")
        told = [
            (each["id"], each["nodes"][0]["html"], each["nodes"][0]["failureSummary"]) for each in json.loads(found)
        ]
        assert told == [], name


def test_a_page_is_live(browser: Browser, server: Server) -> None:
    """What happens shows without a reload; what the reader has opened, chosen and typed stays."""
    with server.client() as http:
        run_id = start(http, "approving", "live-token")
        waits_for(http, run_id, "hook")
        browser.open(f"{server.url}/runs/{run_id}")
        browser.until("main.dataset.renewed >= 1")
        browser.script("document.querySelector('.lines details').open = true")
        browser.script("document.querySelector('.resume textarea').value = 'typed'")
        browser.script("window.same = true")
        other = start(http, "adding", 1, 1)
        result(http, other)
        http.post("/v1/hooks/live-token", json={"by": "somebody"})
        browser.until("document.querySelector('h1').innerText.includes('completed')")
        assert browser.script("window.same && document.querySelector('.lines details').open")
        assert "somebody" in browser.script("document.body.textContent")

        browser.open(f"{server.url}/?workflow=approving")
        browser.until("main.dataset.renewed >= 1")
        browser.script("document.querySelector('input[name=run]').checked = true")
        chosen = browser.script("document.querySelector('input[name=run]').value")
        newer = start(http, "approving", "newer-token")
        browser.until(f"document.getElementById('row-{newer}')")
        assert browser.script("[...document.querySelectorAll('input[name=run]:checked')].map(box => box.value)") == [
            chosen
        ]
    assert browser.calm() == []


@pytest.mark.usefixtures("population")
def test_the_keyboard_is_enough(browser: Browser, server: Server) -> None:
    """A hook is found, resumed and its run looked into without a mouse; what has the focus is always seen."""
    with server.client() as http:
        run_id = start(http, "approving", "keyboard-token", id="keyboard run")
        waits_for(http, run_id, "hook")
    browser.open(server.url)
    _tab_to(browser, "document.activeElement.matches('.skip')")
    browser.press("Enter")
    _tab_to(browser, "document.activeElement.textContent.includes('keyboard run')")
    browser.going(lambda: browser.press("Enter"))
    _tab_to(browser, "document.activeElement.matches('textarea')")
    browser.script("document.activeElement.select()")
    browser.type('{"by": "keys"}')
    _tab_to(browser, "document.activeElement.textContent === 'Resume'")
    browser.going(lambda: browser.press("Enter"))
    assert "resumed keyboard-token" in browser.script("document.querySelector('.said').textContent")
    with server.client() as http:
        assert result(http, run_id)["output"]["answer"] == {"by": "keys"}
    browser.until("document.querySelector('h1').innerText.includes('completed')")
    _tab_to(browser, "document.activeElement.matches('.lines summary')")
    browser.press("Enter")
    browser.until("document.querySelector('.lines details').open")
    _tab_to(browser, "document.activeElement.matches('[data-zoom]')", back=True)
    assert browser.calm() == []


def _tab_to(browser: Browser, condition: str, *, back: bool = False) -> None:
    for _ in range(150):
        browser.press("Tab", shift=back)
        seen = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        assert browser.script(f"document.activeElement === document.body || {seen}"), browser.script(
            "document.activeElement.outerHTML"
        )
        if browser.script(condition):
            return
    raise AssertionError(f"Tab never leads to where {condition}")


def test_a_reader_travels(browser: Browser, server: Server) -> None:
    """The slider, by keys, and its links show other moments at once: source, variables, what has changed in them."""
    with server.client() as http:
        run_id = start(http, "approving", "travel-token")
        waits_for(http, run_id, "hook")
        http.post("/v1/hooks/travel-token", json="yes")
        result(http, run_id)
        events = http.get(f"/v1/runs/{run_id}/events").json()["events"]
    received = next(event["seq"] for event in events if event["type"] == "hook_received")
    browser.open(f"{server.url}/runs/{run_id}/travel?at={received - 2}")
    assert browser.script("document.querySelector('.at strong').textContent") == f"after event {received - 2}"
    browser.script("window.same = true")
    browser.script("document.getElementById('at').focus()")
    browser.press("ArrowRight")
    browser.until(f"document.querySelector('.at strong').textContent === 'after event {received - 1}'")
    assert "waits for hook" in browser.script("document.querySelector('.task p').textContent")
    assert browser.script("document.querySelector('.source .here').textContent").endswith(
        'answer = await hook(token=token, metadata={"for": token})\n'
    )
    assert browser.script("document.querySelector('.locals').textContent").startswith("token'travel-token'")
    browser.click(".steps a[rel=next]")
    browser.until("document.querySelector('.happened code').textContent === 'hook_received'")
    browser.until("document.querySelector('.task p').textContent.includes('waits for step add')")
    changed = "[...document.querySelectorAll('.changed dt')].map(each => each.textContent)"
    assert browser.script(changed) == ["answer"]
    browser.script("document.getElementById('at').focus()")
    browser.press("End")
    browser.until("document.querySelector('.happened code').textContent === 'run_completed'")
    assert browser.script("window.same")
    assert browser.calm() == []


def test_zoom_and_theme(browser: Browser, server: Server, population: Population) -> None:
    """Buttons zoom into the picture; a chosen theme stays when the page is left."""
    browser.open(address(server, population, "approving"))
    browser.click("[data-zoom=in]")
    browser.click("[data-zoom=in]")
    browser.click("[data-zoom=right]")
    assert browser.script("document.querySelector('svg.zoomed').getAttribute('width')") == "400%"
    browser.click("[data-zoom=all]")
    assert browser.script("document.querySelector('svg.zoomed').getAttribute('x')") in ("0%", "-0%")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = browser.script(ground)
    browser.click("#theme")
    dark = browser.script(ground)
    browser.open(server.url)
    assert light != dark == browser.script(ground)
    browser.script("localStorage.clear()")
    assert browser.calm() == []


def test_runs_are_chosen_and_cancelled(browser: Browser, server: Server) -> None:
    """Those that were chosen, after a question, and no others; the list is as it was searched."""
    with server.client() as http:
        first, second = (start(http, "sleeping", id=f"bulk {number}", attributes={"bulk": "yes"}) for number in (1, 2))
        kept = start(http, "sleeping", attributes={"bulk": "no"})
        browser.open(f"{server.url}/?attribute=bulk%3Dyes")
        browser.click("#all")
        browser.going(lambda: browser.click("button[value=cancel]"))
        assert "2 cancelled" in browser.script("document.querySelector('.said').textContent")
        assert browser.script("document.getElementById('attribute').value") == "bulk=yes"
        assert [result(http, run_id)["status"] for run_id in (first, second)] == ["cancelled", "cancelled"]
        assert http.get(f"/v1/runs/{kept}").json()["status"] != "cancelled"
    assert browser.calm() == []


def test_pages_work_without_scripts(browser: Browser, server: Server) -> None:
    """Lists, searches, forms and pictures are there; what only scripts can do is not offered."""
    with server.client() as http:
        run_id = start(http, "approving", "plain-token")
        waits_for(http, run_id, "hook")
    browser.scripts(allowed=False)
    browser.open(f"{server.url}/runs/{run_id}")
    root = browser.ask("DOM.getDocument", depth=-1)["root"]["nodeId"]
    assert not browser.ask("DOM.querySelector", nodeId=root, selector="#zoom:not([hidden]), #theme:not([hidden])")[
        "nodeId"
    ]
    browser.going(lambda: browser.click_node(".resume button"))
    browser.scripts(allowed=True)
    with server.client() as http:
        assert result(http, run_id)["output"]["answer"] is True


def test_what_a_run_says_is_only_shown(browser: Browser, server: Server, population: Population) -> None:
    """HTML, escape sequences and changes of direction are text; much of it is cut, and the page stays whole."""
    for path in ("", "/events"):
        browser.open(address(server, population, "hostile") + path)
        text = browser.script("document.body.textContent")
        assert "<script>alert(1)</script>" in text
        assert "\\x1b[31mred\\u202eesrever\\x07" in text
        assert not {"\x1b", "\u202e", "\x07"} & {*text}
        assert browser.script("document.scripts.length") == 3
        assert len(browser.script("document.documentElement.outerHTML")) < 200_000
    assert browser.calm() == []
