"""A prompt in a copy of a run, on a page: who may, what it says, and that nothing of it reaches the run."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx

from tests.http.application import app
from tests.http.pages.browser import Browser
from tests.http.pages.conftest import HOSTILE
from tests.http.serving import Server
from tests.http.test_auth import sealed
from tests.http.test_runs import result, start, waits_for
from torpor.http.asgi import asgi
from torpor.http.pages.prompt import CHARS_MAX, INPUTS_MAX
from torpor.http.tokens import make_token


def entered(http: httpx.Client, run_id: str, at: int, *sources: str) -> list[str]:
    """Enter code into a copy of a run, and return what each input says."""
    *before, newest = sources
    page = http.post(f"/runs/{run_id}/prompt", data={"at": str(at), "entered": before, "source": newest})
    assert page.status_code == 200, page.text
    return [html.unescape(text) for text in re.findall(r'aria-label="Answer">(.*?)</pre>', page.text, re.DOTALL)]


def test_a_prompt_answers(http: httpx.Client) -> None:
    """What was entered before is there, at whichever moment; the run is as it was, and goes on as if nothing were."""
    run_id = start(http, "approving", "prompt-token")
    waits_for(http, run_id, "hook")
    head = len(http.get(f"/v1/runs/{run_id}/events").json()["events"])
    assert entered(http, run_id, head, "token") == ["'prompt-token'"]
    assert entered(http, run_id, head, "token = token * 2", "n = len(token)", "print(n)\nn + 1") == ["24\n25"]
    assert entered(http, run_id, head, "for i in range(2):\n    print(i)") == ["0\n1"]
    assert entered(http, run_id, head, "token")[0] == "'prompt-token'"  # a fresh copy
    assert entered(http, run_id, head, "1 / 0")[0].endswith("ZeroDivisionError: division by zero")
    assert entered(http, run_id, head, "await add(1, 2)")[0].startswith("await cannot be used here")
    assert len(entered(http, run_id, head, "'9' * 90_000")[0]) < 7_000
    again = http.get(f"/v1/runs/{run_id}/events").json()["events"]
    assert len(again) == head
    http.post("/v1/hooks/prompt-token", json="yes")
    assert result(http, run_id)["output"] == {"answer": "yes", "sum": 3}
    assert entered(http, run_id, head, "token") == ["'prompt-token'"]


def test_a_limit_ends_the_copy_alone(http: httpx.Client) -> None:
    """It is told; what is entered next is entered behind what went well; too much is refused."""
    run_id = start(http, "sleeping")
    waits_for(http, run_id, "timer")
    head = len(http.get(f"/v1/runs/{run_id}/events").json()["events"])
    large = "y = bytearray(400 * 1024 * 1024)"
    page = http.post(f"/runs/{run_id}/prompt", data={"at": str(head), "entered": "x = 5", "source": large}).text
    assert "That copy is gone" in page
    assert re.findall(r'name="entered" value="([^"]*)"', page) == ["x = 5"]
    assert entered(http, run_id, head, "x = 5", "x") == ["5"]
    for too_much in ({"entered": ["1"] * INPUTS_MAX, "source": "1"}, {"source": "1" * (CHARS_MAX + 1)}):
        refused = http.post(f"/runs/{run_id}/prompt", data={"at": str(head), **too_much})
        assert (refused.status_code, "a page carries" in refused.text) == (422, True)
    for wrong in ({"at": "x"}, {"at": "0"}, {"at": "-1"}, {}):
        assert http.post(f"/runs/{run_id}/prompt", data={**wrong, "source": "1"}).status_code == 400
    http.post(f"/v1/runs/{run_id}/cancel")


async def test_prompts_are_off_by_default(tmp_path: Path) -> None:
    """Who operates is told how they are had; the tab is not there."""
    shop = app.on(f"sqlite:///{tmp_path}/torpor.db")
    made = make_token(shop.clock.now(), ("operate",))
    headers = {"Authorization": f"Bearer {made.text}"}
    for served, may in ((asgi(shop, tokens=[made.token]), False), (asgi(shop, tokens=[made.token], prompt=True), True)):
        async with (
            shop,
            httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://shop", headers=headers) as http,
        ):
            run_id = (await http.post("/v1/runs", json={"workflow": "sleeping"})).json()["id"]
            story = await http.get(f"/runs/{run_id}")
            assert (f"/runs/{run_id}/prompt" in story.text) == may
            asked = await http.get(f"/runs/{run_id}/prompt")
            assert (asked.status_code, "torpor serve --prompt" in asked.text) == ((200, False) if may else (403, True))


async def test_an_encrypted_run_takes_its_key(tmp_path: Path) -> None:
    """Who operates and may not decrypt enters nothing into it."""
    for roles, status in ((("operate",), 403), (("operate", "decrypt"), 200)):
        (folder := tmp_path / str(status)).mkdir()
        async with sealed(folder, *roles, prompt=True) as http:
            run_id = (await http.post("/v1/runs", json={"workflow": "adding", "args": [123_456, 2]})).json()["id"]
            assert (await http.get(f"/v1/runs/{run_id}/result", params={"wait": 60})).status_code == 200
            given = {"at": "2", "source": "a"}
            opened = await http.post(f"/runs/{run_id}/prompt?open=true", data=given)
            assert (opened.status_code, "123456" in opened.text) == (status, status == 200)
            closed = await http.post(f"/runs/{run_id}/prompt", data=given)  # he has not asked for it
            assert (closed.status_code, "123456" in closed.text) == (400, False)


def test_a_browser_enters(browser: Browser, server: Server) -> None:
    """By keyboard, one input behind the other; what it says is shown as text."""
    with server.client() as http:
        run_id = start(http, "approving", HOSTILE[:25])
        waits_for(http, run_id, "hook")
    browser.open(f"{server.url}/runs/{run_id}/travel?at=3")
    browser.going(lambda: browser.click("a[href*='/prompt?at=3']"))
    browser.script("document.getElementById('source').focus()")
    for source in ("text = token", "print(text)"):
        browser.type(source)
        browser.going(lambda: browser.press("Enter", control=True))
        assert browser.script("document.activeElement.id") == "source"
    answers = "[...document.querySelectorAll('.answered')].map(each => each.textContent)"
    assert browser.script(answers) == ["<script>alert(1)</script>"]
    assert browser.script("document.querySelectorAll('.entered').length") == 2
    assert browser.calm() == []
