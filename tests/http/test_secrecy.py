"""Who may only look does not learn what he could resume a run with."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.cli.processes import run as torpor
from tests.http.serving import Server, world_token
from tests.http.test_runs import start, waits_for
from torpor.http.asgi import PAGES, ROUTES
from torpor.http.pages.rendering import HTML
from torpor.http.routing import Route
from torpor.http.secrecy import MASK, Secrets
from torpor.model.webhooks import path_of
from torpor.stream_names import stored_name
from torpor.testing.clock import ManualClock
from torpor.worlds.http.contract import MEDIA, PATH, decode, encode, methods
from torpor.worlds.memory import MemoryWorld

TOKEN = "meadow-4711"
SECRETS = (f"{TOKEN}/door", quote(f"{TOKEN}/door", safe=""), f"{TOKEN} window")
RUN = "inviting-1"
VIEWS = [route for route in ROUTES if route.method == "GET" and route.needed == "read"]
VIEWS += [route for route in PAGES if route.needed == "read" and HTML in route.media]


def is_told(text: str) -> bool:
    """Tell whether a text has one of the tokens."""
    return any(secret in text for secret in SECRETS)


@pytest.fixture(scope="module")
def views(server: Server) -> dict[str, tuple[str, str]]:
    """What each address answers that takes GET: to a token that may look only, and to one that may operate."""
    looking = world_token(server.folder, roles=("read",))
    with server.client() as http, server.client(looking) as reading:
        run_id = start(http, "inviting", TOKEN, id=RUN)
        while len(http.get(f"/v1/runs/{quote(run_id, safe='')}").json()["waits_for"]) != 2:
            pass
        return {route.path: (_answer(reading, route), _answer(http, route)) for route in VIEWS}


def _answer(http: httpx.Client, route: Route) -> str:
    return http.get(_address(route)).text


def _address(route: Route) -> str:
    parts = {"run": quote(RUN, safe=""), "stream": quote(stored_name(RUN), safe="")}
    return re.sub(r"{(\w+)}", lambda found: parts.get(found[1], "none"), route.path)


def test_what_is_no_view_is_refused_to_who_may_only_look(server: Server, views: dict[str, tuple[str, str]]) -> None:
    """A capsule has the tokens of its run, in bytes that may be compressed, so it is not for him at all."""
    assert views
    others = [route for route in ROUTES if route.method == "GET" and route.needed not in ("open", "read")]
    assert "/v1/runs/{run}/capsule" in {route.path for route in others}
    with server.client(world_token(server.folder, roles=("read",))) as reading:
        for route in others:
            answer = reading.get(_address(route))
            assert answer.status_code == 403, route.path
            assert not is_told(answer.text), route.path


@pytest.mark.parametrize("route", VIEWS, ids=lambda route: route.path)
def test_a_view_hides_tokens_from_who_may_only_look(views: dict[str, tuple[str, str]], route: Route) -> None:
    """Where an operator is shown one, whoever may only look is shown that there is one, and the rest as it is."""
    shown, told = views[route.path]
    assert not is_told(shown), shown
    assert (MASK in shown) == is_told(told), told


def test_where_a_task_waits_is_told_without_a_short_token(server: Server) -> None:
    """A word of few letters is left where it may mean anything, but not where it is quoted: in stacks, and in pages."""
    looking = world_token(server.folder, roles=("read",))
    with server.client() as http, server.client(looking) as reading:
        run_id = start(http, "inviting", "k")
        waits_for(http, run_id, "hook")
        told, shown = (each.get(f"/v1/runs/{run_id}/moment").json()["tasks"] for each in (http, reading))
        pages = [each.get(f"/runs/{run_id}/stack").text for each in (http, reading)]
        http.post(f"/v1/runs/{run_id}/cancel", json={"force": True})
    [said, hidden] = ([task["waits_for"] for task in tasks] for tasks in (told, shown))
    assert any("'k/door'" in each for each in said), said
    assert hidden == [each.replace("k/door", MASK) for each in said]
    assert ["k/door" in page for page in pages] == [True, False]


@pytest.mark.parametrize(
    "token", ["ab", "it's", 'so "called"', "back\\slash", "grüße", "a longer one that isn't short"]
)
async def test_a_quoted_token_is_masked(token: str) -> None:
    """However Python and JavaScript quote it, and however long it is; other words are left."""
    secrets = Secrets()
    secrets.add_hooks([token])
    data = [f"hook {token!r} (op 1)", f"hook {json.dumps(token)}", f"hook {json.dumps(token, ensure_ascii=False)}"]
    masked = await secrets.masked([*data, "abler"], MemoryWorld("memory://", ManualClock(0)))
    assert [each.partition(" (")[0][6:-1] for each in masked[:-1]] == [MASK] * 3
    assert masked[-1] == "abler"


def test_what_waits_is_shown_with_its_token_to_operators(views: dict[str, tuple[str, str]]) -> None:
    """So the views that are compared are about something."""
    showing = {path for path, (_, told) in views.items() if is_told(told)}
    assert showing >= {
        "/v1/hooks",
        "/v1/runs",
        "/v1/runs/{run}",
        "/v1/runs/{run}/details",
        "/v1/runs/{run}/events",
        "/v1/runs/{run}/logs",
        "/v1/runs/{run}/stream",
        "/v1/runs/{run}/stream/events",
        "/v1/runs/{run}/timeline",
        "/",
        "/runs/{run}",
        "/runs/{run}/events",
        "/runs/{run}/log",
    }


def test_a_query_does_not_tell_it_either(server: Server, views: dict[str, tuple[str, str]]) -> None:
    """Looking by a query is looking."""
    assert views
    with server.client(world_token(server.folder, roles=("read",))) as http:
        answer = http.post(f"/v1/runs/{quote(RUN, safe='')}/queries/window", json={"args": [TOKEN]})
    assert answer.json() == {"value": MASK}


def test_the_address_of_a_webhook_is_for_operators(server: Server, views: dict[str, tuple[str, str]]) -> None:
    """The list of hooks has it, as a path where the application does not know its address."""
    assert views
    with server.client() as http:
        [door] = [each for each in http.get("/v1/hooks").json() if each["token"] == f"{TOKEN}/door"]
    assert door["webhook"] == path_of(f"{TOKEN}/door")


def test_the_command_line_lists_addresses_and_mailboxes(server: Server, views: dict[str, tuple[str, str]]) -> None:
    """Beside the tokens of hooks; as a table, and as JSON."""
    assert views
    with server.client() as http:
        run_id = start(http, "listening")
        waits_for(http, run_id, "message")
        told = torpor(server.folder, "hooks", COLUMNS="200")
        data = json.loads(torpor(server.folder, "hooks", "--json"))
        http.post(f"/v1/runs/{run_id}/cancel", json={"force": True})
    assert re.search(rf"^{TOKEN}/door +{RUN} +inviting .*{re.escape(path_of(TOKEN + '/door'))}", told, re.MULTILINE)
    assert re.search(rf"^box +{run_id} +listening$", told, re.MULTILINE), told
    assert {"mailbox": "box", "run_id": run_id, "workflow": "listening"} in data


def test_a_world_behind_a_url_hides_them_too(server: Server, views: dict[str, tuple[str, str]]) -> None:
    """Hooks and their events have no tokens for who may only look."""
    assert views

    def ask(http: httpx.Client, name: str, **arguments: Any) -> Any:
        method = methods()[name]
        answer = http.post(f"{PATH}/{name}", content=encode(method.arguments(**arguments)), headers={"Accept": MEDIA})
        return decode(answer.content, method.result)

    with server.client(world_token(server.folder, roles=("read",))) as reading:
        assert {hook.token for hook in ask(reading, "live_hooks", limit=100)} == {MASK}
        assert {hook.token for hook in ask(reading, "open_entities", run_id=RUN).hooks.values()} == {MASK}
        created = [event for event in ask(reading, "events", run_id=RUN) if event.type == "hook_created"]
        assert [event.name for event in created] == [MASK] * 2
    with server.client(world_token(server.folder, roles=("operate",))) as operating:
        assert f"{TOKEN}/door" in {hook.token for hook in ask(operating, "live_hooks", limit=100)}
