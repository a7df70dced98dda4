"""
The pages: what the server takes for a list of very many runs and for a run with a long log, and what a browser does.

``server`` is a request over loopback from another thread, and ``cpu`` what this process spends on one, the client's
half included, whoever else is busy; ``browser`` is from the wish to the end of the load event in headless Chromium,
where there is one, styles and scripts from its cache.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx
import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import timed_ms
from benchmarks.lists import EVENTS, EVENTS_QUICK, LONG, RUNS, RUNS_QUICK, store_log, store_runs
from tests.http.pages.browser import Browser, find_browser
from torpor.http.asgi import asgi
from torpor.http.auth import COOKIE
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.http.tokens import make_token

PAGES: Final = {
    "list": "/",
    "workflow": "/?workflow=workflow-7&status=pending",
    "search": "/?attribute=customer%3Dc-77",
    "run": f"/runs/{LONG}",
    "middle": f"/runs/{LONG}?after={EVENTS_QUICK // 2}",
    "events": f"/runs/{LONG}/events",
}

_LOADED: Final = "performance.getEntriesByType('navigation')[0].loadEventEnd"


class Measured(msgspec.Struct, frozen=True):
    """Milliseconds of each sample, by page: until the answer, of processor time, and of the browser if any."""

    server: dict[str, list[float]]
    cpu: dict[str, list[float]]
    browser: dict[str, list[float]]


def run(setting: Setting) -> list[Row]:
    """Return ``server``, ``cpu`` and ``browser`` of each page."""
    rows = Rows("pages", setting)
    with fresh(setting) as place:
        measured = child.call(measure, place)
    runs, events = (RUNS_QUICK, EVENTS_QUICK) if setting.quick else (RUNS, EVENTS)
    for name, samples in (("server", measured.server), ("cpu", measured.cpu), ("browser", measured.browser)):
        for page, taken in samples.items():
            rows.add(name, "ms", taken, {"page": page, "runs": runs, "events": events})
    return rows.all


def measure(setting: Setting) -> Measured:
    """Fill the world and look at it, in this process."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Measured:
    runs, events = (RUNS_QUICK, EVENTS_QUICK) if setting.quick else (RUNS, EVENTS)
    async with working(setting) as app:
        await store_runs(app, runs)
        await store_log(app, events)
        service, made, listening = Service(app), make_token(app.clock.now(), ("operate",)), listen("127.0.0.1", 0)
        async with serving(asgi(app, tokens=[made.token], service=service), service, listening):
            url = url_of(listening)
            server, cpu = await _asked(url, made.text, 5 * setting.samples)
            browser = await asyncio.to_thread(_looked_at, url, made.text, setting.samples)
    return Measured(server, cpu, browser)


async def _asked(url: str, token: str, samples: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    headers = {"Authorization": f"Bearer {token}"}
    found: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {name: [] for name in PAGES}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as http:
        for name, path in PAGES.items():

            async def ask(name: str = name, path: str = path) -> None:
                before = time.process_time()
                (await asyncio.to_thread(http.get, path)).raise_for_status()
                cpu[name].append(1_000 * (time.process_time() - before))

            found[name] = [await timed_ms(ask()) for _ in range(2 + samples)][2:]
            del cpu[name][:2]
    return found, cpu


def _looked_at(url: str, token: str, samples: int) -> dict[str, list[float]]:
    program = find_browser()
    if program is None:
        say("pages: there is no browser, so only the server is measured")
        return {}
    found: dict[str, list[float]] = {}
    with Browser(program) as browser:
        browser.ask("Network.setCookie", name=COOKIE, value=token, url=url)
        browser.size(1_440)
        for name, path in PAGES.items():
            found[name] = []
            for _ in range(1 + samples):
                browser.open(url + path)
                browser.until(f"{_LOADED} > 0")
                found[name].append(float(browser.script(_LOADED)))
            del found[name][0]
    return found
