"""Pages by HTTP: who may, what keeps them from being abused, and what they say of what goes wrong."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.http.application import app
from tests.http.pages.conftest import Population
from tests.http.serving import Server, world_token
from tests.http.test_auth import name_of, path_of, sealed
from tests.http.test_runs import result, start, waits_for
from torpor import KeepLog, Retention, Torpor
from torpor.errors import UsageError
from torpor.http import travellers
from torpor.http.asgi import PAGES, asgi
from torpor.http.auth import IMPLIED
from torpor.http.routing import Route
from torpor.http.service import Service
from torpor.http.tokens import ROLES, make_token
from torpor.http.travellers import Travellers

OPEN = {"/sign-in", "/static/{digest}/{name}"}
GUARDED = [route for route in PAGES if route.path not in OPEN]


def send(http: httpx.Client, route: Route, run: str) -> httpx.Response:
    """Send what a page or its form sends."""
    path = path_of(route, run=quote(run, safe=""))
    return http.get(path) if route.method == "GET" else http.post(path, data={"act": "pause", "token": "none"})


@pytest.fixture
def tokens(server: Server) -> dict[str, str]:
    """A token of each role, and one for another workflow."""
    wanted = {role: {"roles": (role,)} for role in ROLES} | {"elsewhere": {"roles": ROLES, "workflows": ("adding",)}}
    return {name: world_token(server.folder, **about) for name, about in wanted.items()}


@pytest.mark.parametrize("route", [each for each in GUARDED if each.path != "/live"], ids=name_of)
def test_a_page_is_for_who_has_its_role(
    server: Server, population: Population, tokens: dict[str, str], route: Route
) -> None:
    """Who is not known is asked to sign in; what changes something takes operate, everything else read."""
    looks = (route.method == "GET" and not route.path.endswith("/prompt")) or route.path == "/sign-out"
    assert route.needed == ("read" if looks else "operate")
    with server.client("") as http:
        answer = send(http, route, population.sleeping)
        assert answer.status_code == (303 if route.method == "GET" else 401)
        if route.method == "GET":
            assert answer.headers["location"].startswith("/sign-in?next=")
    for role in ROLES:
        with server.client(tokens[role]) as http:
            may = route.needed in IMPLIED[role]
            assert (send(http, route, population.sleeping).status_code not in (401, 403)) == may


@pytest.mark.parametrize("route", [each for each in PAGES if "{run}" in each.path], ids=name_of)
def test_a_token_for_other_runs_learns_nothing(
    server: Server, population: Population, tokens: dict[str, str], route: Route
) -> None:
    """Neither from the page of a run nor from what a form does to it."""
    with server.client(tokens["elsewhere"]) as http:
        answer = send(http, route, population.approving)
        assert answer.status_code == 404
        assert "pages-token" not in answer.text
        assert http.get("/live", params={"run": population.approving}).status_code == 404


def test_a_list_has_the_runs_that_a_token_is_about(
    server: Server, population: Population, tokens: dict[str, str]
) -> None:
    """Others are left out, and so are figures of the whole world; choosing others changes nothing."""
    with server.client(tokens["elsewhere"]) as http:
        page = http.get("/").text
        assert "pages/completed" in page
        assert population.sleeping not in page
        assert 'class="cards"' not in page
        http.post("/runs/act", data={"run": population.sleeping, "act": "cancel"})
    with server.client() as http:
        assert http.get(f"/v1/runs/{population.sleeping}").json()["ended_at"] is None


def test_a_form_of_somebody_else_does_nothing(server: Server, population: Population) -> None:
    """A cookie goes with every request of a browser, so a form counts only when it is on a page of this server."""
    cookies = {"torpor_token": server.token}
    with server.client("", cookies=cookies) as http:
        path = f"/runs/{population.sleeping}/act"
        elsewhere: tuple[dict[str, str], ...] = (
            {},
            {"Origin": "https://elsewhere.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        )
        for headers in elsewhere:
            assert http.post(path, data={"act": "cancel"}, headers=headers).status_code == 403
        for headers in (
            {"Origin": server.url},
            {"Sec-Fetch-Site": "same-origin"},
        ):  # the latter behind a proxy with TLS
            assert http.post(path, data={"act": "pause"}, headers=headers).status_code == 303
            assert http.post(path, data={"act": "unpause"}, headers=headers).status_code == 303


def test_somebody_signs_in_and_out(server: Server) -> None:
    """With a token that is valid, from our own page, and then goes where he wanted to."""
    mine = {"Origin": server.url}
    with server.client("") as http:
        form = http.get("/sign-in", params={"next": "/runs/a%2Fb?scale=linear"})
        assert 'value="/runs/a%2Fb?scale=linear"' in form.text
        given = {"token": server.token, "next": "/runs/a%2Fb?scale=linear"}
        assert http.post("/sign-in", data=given).status_code == 401  # from nowhere
        assert http.post("/sign-in", data=given | {"token": "tpr_wrong"}, headers=mine).status_code == 401
        assert http.post("/sign-in", content=b"\xff", headers=mine).status_code == 415
        assert http.get("/").status_code == 303
        entered = http.post("/sign-in", data=given, headers=mine)
        assert (entered.status_code, entered.headers["location"]) == (303, "/runs/a%2Fb?scale=linear")
        assert {"HttpOnly", "SameSite=strict"} <= {*entered.headers["set-cookie"].split("; ")}
        assert http.get("/").status_code == 200
        assert http.post("/sign-out", headers=mine).status_code == 303
        assert http.get("/").status_code == 303
        for path in ("//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example"):
            away = http.post("/sign-in", data={"token": server.token, "next": path}, headers=mine)
            assert away.headers["location"] == "/"


def test_no_page_stays_anywhere(server: Server, http: httpx.Client, population: Population) -> None:
    """Nothing of a run is kept in caches, nothing of a page comes from elsewhere or stands in it as a script."""
    for path in ("/", f"/runs/{population.approving}", f"/runs/{population.approving}/stack", "/sign-in", "/runs/none"):
        answer = http.get(path)
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?! src)|<style|\sstyle=|\son\w+=|javascript:", answer.text)
        assert not re.search(r"(?:src|href|action)=\"(?!/)", answer.text.replace('href="#main"', ""))
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', http.get("/").text):
        with server.client("") as stranger:
            sent = stranger.get(address)
        assert sent.status_code == 200
        assert "immutable" in sent.headers["cache-control"]
    assert http.get("/static/0000000000000000/pages.css").status_code == 404


def test_what_goes_wrong_is_a_page(http: httpx.Client, population: Population) -> None:
    """With the status and the code that the error has everywhere, and what to do."""
    for path, status, code in (
        ("/runs/none", 404, "RUN_NOT_FOUND"),
        ("/?status=odd", 400, "BAD_REQUEST"),
        ("/?attribute=odd", 400, "BAD_REQUEST"),
        ("/?since=ever", 400, "BAD_REQUEST"),
        ("/?ended=ever", 400, "BAD_REQUEST"),
        (f"/runs/{population.sleeping}?after=-1", 400, "BAD_REQUEST"),
    ):
        answer = http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert code in answer.text
    wrong = http.post(f"/runs/{population.approving}/resume", data={"token": "pages-token", "value": "{no"})
    assert wrong.status_code == 400
    assert "the value is no JSON" in wrong.text
    assert http.post(f"/runs/{population.approving}/resume", data={"token": "none"}).status_code == 404
    assert http.post(f"/runs/{population.sleeping}/resume", data={"token": "pages-token"}).status_code == 404
    assert http.post(f"/runs/{population.sleeping}/act", data={"act": "explode"}).status_code == 400
    assert http.post(f"/runs/{population.completed.replace('/', '%2F')}/act", data={"act": "retry"}).status_code == 409


def test_runs_are_searched(http: httpx.Client, population: Population) -> None:
    """By workflow, state, attribute, age and what their error says."""
    everything = {*population}
    for query, expected in (
        ("workflow=failing", {population.failed}),
        ("status=failed&since=hour", {population.failed}),
        ("status=failed&ended=hour", {population.failed}),
        ("workflow=adding&ended=day&attribute=customer%3D7", {population.completed}),
        ("workflow=sleeping&ended=hour", set[str]()),
        ("error=NO+SUCH+order", {population.failed}),
        ("error=USER_ERROR", {population.failed}),
        ("error=something+else", set[str]()),
        ("attribute=customer%3D7", {population.completed}),
        ("attribute=customer%3D7+other%3D1", set[str]()),
    ):
        page = http.get(f"/?{query}").text
        assert {run_id for run_id in everything if f'value="{run_id}"' in page} == expected, query
    listed = http.get("/v1/runs", params={"error": "no such order"}).json()["runs"]
    assert population.failed in {run["id"] for run in listed}
    nothing = {"runs": list[object](), "next": None}
    assert http.get("/v1/runs", params={"since": 2**50}).json() == nothing
    assert http.get("/v1/runs", params={"ended_since": 2**50}).json() == nothing
    assert http.get("/v1/runs", params={"ended_before": 1}).json() == nothing


def test_a_run_is_acted_upon(http: httpx.Client) -> None:
    """Each button does what it says, leads back, and the page tells what was done."""
    run_id = start(http, "sleeping")
    waits_for(http, run_id, "timer")
    for act, said, key, value in (
        ("pause", "paused", "paused", True),
        ("unpause", "going on", "paused", False),
        ("wake", "woken", "paused", False),
    ):
        answer = http.post(f"/runs/{run_id}/act", data={"act": act}, follow_redirects=True)
        assert f'role="status">{said}' in answer.text
        assert http.get(f"/v1/runs/{run_id}").json()[key] is value
    assert result(http, run_id)["output"] == "woken"
    anew = http.post(f"/runs/{run_id}/act", data={"act": "rerun"})
    other = anew.headers["location"].split("/")[-1].partition("?")[0]
    http.post(f"/runs/{other}/act", data={"act": "cancel", "reason": "not needed"})
    assert result(http, other)["cancel_reason"] == "not needed"


def test_a_run_is_forked(http: httpx.Client) -> None:
    """From the moment that is looked at, as it was or with another result of a step that the form offers."""
    run_id = start(http, "adding", 1, 2)
    assert result(http, run_id)["output"] == 3
    events = http.get(f"/v1/runs/{run_id}/events").json()["events"]
    ended = next(event for event in events if event["type"] == "step_completed")
    created = next(event for event in events if event["type"] == "step_created")
    moment = http.get(f"/runs/{run_id}/travel", params={"at": ended["seq"]}).text
    assert f'<option value="{created["op"]}">{created["op"]} add</option>' in moment
    for given, expected in (({"op": "", "value": ""}, 3), ({"op": str(created["op"]), "value": "40"}, 40)):
        forked = http.post(f"/runs/{run_id}/fork", data={"at": str(ended["seq"]), **given})
        assert forked.status_code == 303, forked.text
        fork = forked.headers["location"].split("/")[-1].partition("?")[0]
        assert fork != run_id
        assert result(http, fork)["output"] == expected
    for wrong in ({"at": "x"}, {"at": "999"}, {"at": str(ended["seq"]), "op": "77", "value": "1"}):
        assert http.post(f"/runs/{run_id}/fork", data=wrong).status_code == 400


async def test_what_is_kept_is_told(tmp_path: Path) -> None:
    """What an application keeps of its runs, and for how long."""
    kept = Torpor(f"sqlite:///{tmp_path}/torpor.db", retention=Retention(completed="30d"), log=KeepLog(events=500))
    made = make_token(kept.clock.now(), ("read",))
    transport = httpx.ASGITransport(asgi(kept, tokens=[made.token]))
    headers = {"Authorization": f"Bearer {made.text}"}
    async with kept, httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as http:
        row = (await http.get("/deployments")).text.partition('id="kept"')[2]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", row) == ["30d", "for ever", "for ever", "the newest 500 events"]


@pytest.mark.usefixtures("population")
def test_a_schedule_is_acted_upon(http: httpx.Client) -> None:
    """It is paused, goes on, and starts a run beside its slots."""
    path = "/schedules/pages%20nightly/act"
    for act, paused in (("pause", True), ("unpause", False)):
        assert http.post(path, data={"act": act}).status_code == 303
        assert http.get("/v1/schedules/pages%20nightly").json()["paused"] is paused
    triggered = http.post(path, data={"act": "trigger"}, follow_redirects=True)
    run_id = http.get("/v1/schedules/pages%20nightly").json()["last_run"]
    assert f"pages nightly: trigger: {run_id}" in triggered.text
    assert http.post(path, data={"act": "explode"}).status_code == 400


def test_a_family_is_shown(http: httpx.Client, population: Population) -> None:
    """From any of its members, each below the one that started it."""
    first, second, third = (run["id"] for run in _family(http, population.family))
    for run_id in (first, second, third):
        tree = http.get(f"/runs/{run_id}").text.partition('class="tree"')[2].partition("</ul>")[0]
        places = [tree.index(f">{each}<") for each in (first, second, third)]
        assert places == sorted(places)
        assert re.findall(r"depth-(\d)", tree) == ["0", "1", "2"]


def _family(http: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """Return a run and those below it, once all of them are there."""
    found = [waits_for(http, run_id, "run")]
    while awaited := [each["name"] for each in found[-1]["waits_for"] if each["kind"] == "run"]:
        found.append(waits_for(http, awaited[0], "run" if len(found) < 2 else "timer"))
    return found


async def test_a_traveller_is_kept_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is asked; then it goes, and so do all when the server stops."""
    shop = app.on(f"sqlite:///{tmp_path}/torpor.db")
    service = Service(shop)
    async with shop, shop.worker():
        run = await shop.start("adding", 1, 2)
        await run.result()
        kept, reader = service.part(Travellers), service.reader(decrypt=False)
        async with kept.of(service, reader, run.id) as first:
            assert (await first.at(-1)).status == "completed"
        async with kept.of(service, reader, run.id) as second:
            assert second is first
        monkeypatch.setattr(travellers, "IDLE_SECONDS", -1.0)
        with pytest.raises(UsageError):
            async with kept.of(service, reader, run.id) as third:
                await third.at(99)
        async with kept.of(service, reader, run.id) as fourth:
            assert fourth is not first
        service.stopping.set()
        await service.given_up()
        assert kept.count == 0


async def test_what_is_encrypted_stays_sealed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Until who may decrypt asks for it, which the audit tells."""
    caplog.set_level(logging.INFO, "torpor.audit")
    for roles, may in ((("operate",), False), (("operate", "decrypt"), True)):
        (folder := tmp_path / str(may)).mkdir()
        async with sealed(folder, *roles) as http:
            started = await http.post("/v1/runs", json={"workflow": "echoing", "args": ["the secret"]})
            run_id = started.json()["id"]
            while (await http.get(f"/v1/runs/{run_id}/result", params={"wait": 30})).status_code == 202:
                pass
            caplog.clear()
            for path in (f"/runs/{run_id}", f"/runs/{run_id}/events"):
                closed = await http.get(path)
                assert "the secret" not in closed.text
                assert "encrypted (key" in closed.text
                assert not caplog.records
                opened = await http.get(path, params={"open": "true"})
                assert (opened.status_code, "the secret" in opened.text) == ((200, True) if may else (403, False))
                assert (f"decrypts run {run_id}: {path}" in caplog.text) == may
                caplog.clear()
