"""Runs by HTTP, from their start to their end."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.http.serving import Server
from torpor import codec
from torpor.http.routing import VALUE


def start(http: httpx.Client, workflow: str, *args: Any, **options: Any) -> str:
    """Start a run and return its id."""
    answer = http.post("/v1/runs", json={"workflow": workflow, "args": list(args), **options})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/runs/{quote(answer.json()['id'], safe='')}"
    return str(answer.json()["id"])


def result(http: httpx.Client, run_id: str) -> Any:
    """Return what became of a run, once it has ended."""
    while True:
        answer = http.get(f"/v1/runs/{quote(run_id, safe='')}/result", params={"wait": 30})
        if answer.status_code != 202:
            assert answer.status_code == 200, answer.text
            return answer.json()


def waits_for(http: httpx.Client, run_id: str, kind: str) -> dict[str, Any]:
    """Return a run once it waits for something of a kind, or has ended."""
    while True:
        run: dict[str, Any] = http.get(f"/v1/runs/{quote(run_id, safe='')}").json()
        if run["ended_at"] or any(each["kind"] == kind for each in run["waits_for"]):
            return run


def test_a_run_is_started_and_awaited(http: httpx.Client) -> None:
    """Its result comes as JSON, with its input and its times in the run itself."""
    run_id = start(http, "adding", 4, 5)
    assert result(http, run_id) == {
        "id": run_id,
        "status": "completed",
        "output": 9,
        "error_code": None,
        "error": None,
        "cancel_reason": None,
    }
    run = http.get(f"/v1/runs/{quote(run_id, safe='')}").json()
    assert (run["name"], run["status"], run["input"], run["output"]) == ("adding", "completed", [4, 5], 9)
    assert run["created_at"].endswith("Z")


def test_the_same_name_starts_one_run(http: httpx.Client) -> None:
    """Asked again it tells, by its status too, of the run that there is; with other arguments it is a conflict."""
    assert start(http, "adding", 1, 1, id="once 1") == "once 1"
    again = http.post("/v1/runs", json={"workflow": "adding", "args": [1, 1], "id": "once 1"})
    assert (again.status_code, again.json()["id"]) == (200, "once 1")
    assert again.headers["location"] == "/v1/runs/once%201"
    other = http.post("/v1/runs", json={"workflow": "adding", "args": [2, 2], "id": "once 1"})
    assert (other.status_code, other.json()["code"]) == (409, "ENTITY_CONFLICT")


def test_plain_data_become_what_the_workflow_takes(http: httpx.Client) -> None:
    """An object becomes a dataclass, as with ``app.start``; what does not fit is refused, and nothing starts."""
    assert result(http, start(http, "ordering", {"item": "tea", "cents": 250}))["output"] == "Order tea 250"
    wrong = http.post("/v1/runs", json={"workflow": "ordering", "args": [{"item": "tea", "cents": "much"}]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "ARGUMENT")
    assert "cents" in wrong.json()["detail"]


def test_options_of_a_start(http: httpx.Client) -> None:
    """Queue, delay, priority, deadline and attributes are as they were given, and find the run."""
    run_id = start(
        http,
        "adding",
        1,
        2,
        queue="slow",
        priority=7,
        delay="1h",
        deadline="2h",
        attributes={"customer": "c-17"},
    )
    found = http.get("/v1/runs", params={"attribute": "customer=c-17"}).json()["runs"]
    assert [run["id"] for run in found] == [run_id]
    run = found[0]
    assert (run["queue"], run["priority"], run["status"]) == ("slow", 7, "pending")
    assert run["starts_at"] < run["deadline"]
    http.post(f"/v1/runs/{run_id}/cancel", json={})


def test_lists_come_in_pages(http: httpx.Client) -> None:
    """Newest first, each run once, and the last page says that it is the last."""
    mine = [start(http, "adding", n, 0, attributes={"page": "1"}, delay="1h") for n in range(5)]
    seen: list[str] = []
    params: dict[str, Any] = {"attribute": "page=1", "limit": 2}
    sizes = []
    while True:
        page = http.get("/v1/runs", params=params).json()
        seen += [run["id"] for run in page["runs"]]
        sizes.append(len(page["runs"]))
        if page["next"] is None:
            break
        params["before"] = page["next"]
    assert seen == mine[::-1]
    assert sizes == [2, 2, 1]
    for run_id in mine:
        assert http.post(f"/v1/runs/{run_id}/cancel", json={"force": True}).json()["status"] == "cancelled"


def test_many_runs_are_cancelled_once_they_were_counted(http: httpx.Client) -> None:
    """Nothing is done without a number, nor when more match; ended runs and others stay as they are."""
    mine = [start(http, "listening", attributes={"batch": "b1"}) for _ in range(3)]
    other = start(http, "listening", attributes={"batch": "b2"})
    which = {"workflow": "listening", "attributes": {"batch": "b1"}}
    assert http.post("/v1/bulk/cancel", json=which).json() == {"count": 3, "done": [], "refused": []}
    refused = http.post("/v1/bulk/cancel", json={**which, "most": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "MORE_MATCH")
    assert http.post("/v1/bulk/cancel", json={**which, "status": "failed"}).status_code == 400
    assert http.post("/v1/bulk/cancel", json={**which, "most": 1001}).status_code == 400
    done = http.post("/v1/bulk/cancel", json={**which, "most": 3, "reason": "enough", "force": True}).json()
    assert (done["count"], sorted(done["done"]), done["refused"]) == (3, sorted(mine), [])
    assert {result(http, run_id)["cancel_reason"] for run_id in mine} == {"enough"}
    assert http.post("/v1/bulk/cancel", json=which).json()["count"] == 0
    assert http.get(f"/v1/runs/{other}").json()["status"] in ("pending", "running")
    http.post(f"/v1/runs/{other}/cancel", json={"force": True})


def test_many_runs_are_taken_up_again(http: httpx.Client) -> None:
    """Those that have failed; what cannot be taken up is told beside the others."""
    failed = [start(http, "failing", attributes={"batch": "b3"}) for _ in range(2)]
    own = start(http, "failing_itself", attributes={"batch": "b3"})
    for run_id in (*failed, own):
        assert result(http, run_id)["status"] == "failed"
    which = {"attributes": {"batch": "b3"}}
    assert http.post("/v1/bulk/retry", json=which).json()["count"] == 3
    done = http.post("/v1/bulk/retry", json={**which, "most": 3}).json()
    assert sorted(done["done"]) == sorted(failed)
    assert [(each["id"], bool(each["code"]), bool(each["detail"])) for each in done["refused"]] == [(own, True, True)]


def test_a_run_that_failed_tells_why(http: httpx.Client) -> None:
    """The outcome is data, and not a failure of the request."""
    run_id = start(http, "failing")
    outcome = result(http, run_id)
    assert (outcome["status"], outcome["error_code"]) == ("failed", "USER_ERROR")
    assert "no such order" in outcome["error"]["message"]


def test_a_run_is_forked(http: httpx.Client) -> None:
    """The new run has the log up to the place, and another result of its step."""
    run_id = start(http, "adding", 1, 1)
    result(http, run_id)
    place = next(each for each in http.get(f"/v1/runs/{run_id}/events").json()["events"] if "completed" in each["type"])
    made = http.post(f"/v1/runs/{run_id}/fork", json={"at": place["seq"], "results": {"1": 40}, "id": "fork-1"})
    assert made.status_code == 201, made.text
    assert made.json()["forked_from"] == f"{run_id}@{place['seq']}"
    assert result(http, "fork-1")["output"] == 40
    events = http.get("/v1/runs/fork-1/events").json()["events"]
    assert [each["payload"] for each in events if each["type"] == "run_forked"] == [None]
    assert http.post(f"/v1/runs/{run_id}/fork", json={"at": 999}).status_code == 400


def test_a_failed_run_is_taken_up_again(http: httpx.Client) -> None:
    """Retry goes on before the failure; rerun starts another one; one that completed cannot be retried."""
    run_id = start(http, "failing")
    result(http, run_id)
    assert http.post(f"/v1/runs/{run_id}/retry").json()["id"] == run_id
    again = http.post(f"/v1/runs/{run_id}/rerun", json={"id": "rerun-1"})
    assert (again.status_code, again.json()["id"]) == (201, "rerun-1")
    assert result(http, "rerun-1")["status"] == "failed"
    done = start(http, "adding", 1, 1)
    result(http, done)
    assert http.post(f"/v1/runs/{done}/retry").status_code == 409


def test_waiting_is_bounded(http: httpx.Client) -> None:
    """A run that goes on is told as such, with a status of its own; who waits too long is refused."""
    run_id = start(http, "sleeping")
    answer = http.get(f"/v1/runs/{quote(run_id, safe='')}/result", params={"wait": 0.01})
    assert answer.status_code == 202
    assert answer.json()["status"] in ("pending", "running")
    assert http.get(f"/v1/runs/{quote(run_id, safe='')}/result", params={"wait": 61}).status_code == 400
    http.post(f"/v1/runs/{run_id}/cancel", json={"force": True})


def test_a_sleep_is_ended(http: httpx.Client) -> None:
    """Waking ends timers, pausing keeps the run from noticing, and unpausing lets it go on."""
    run_id = start(http, "sleeping")
    waits_for(http, run_id, "timer")
    assert http.post(f"/v1/runs/{run_id}/pause").json()["paused"] is True
    woken = http.post(f"/v1/runs/{run_id}/wake", json={}).json()["ids"]
    assert len(woken) == 1
    assert http.get(f"/v1/runs/{quote(run_id, safe='')}/result", params={"wait": 0}).status_code == 202
    assert http.post(f"/v1/runs/{run_id}/unpause").json()["paused"] is False
    assert result(http, run_id)["output"] == "woken"


def test_a_cancelled_run_tells_why(http: httpx.Client) -> None:
    """With the reason that was given; a second time it has ended already."""
    run_id = start(http, "sleeping")
    waits_for(http, run_id, "timer")
    http.post(f"/v1/runs/{run_id}/cancel", json={"reason": "out of stock"})
    outcome = result(http, run_id)
    assert (outcome["status"], outcome["cancel_reason"]) == ("cancelled", "out of stock")
    assert http.post(f"/v1/runs/{run_id}/cancel", json={}).json()["code"] == "ENTITY_CONFLICT"


def test_a_hook_is_resumed(http: httpx.Client) -> None:
    """The body is what the workflow receives; once, however often the same resumption is tried."""
    run_id = start(http, "approving", "a/b c")
    waits_for(http, run_id, "hook")
    [hook] = [each for each in http.get("/v1/hooks").json() if each["token"] == "a/b c"]
    assert (hook["run"], hook["workflow"], hook["metadata"]) == (run_id, "approving", {"for": "a/b c"})
    resumed = http.post("/v1/hooks/a%2Fb%20c", params={"resume_id": "r1"}, json={"approved": True})
    assert resumed.json()["id"] == run_id
    assert result(http, run_id)["output"] == {"answer": {"approved": True}, "sum": 3}
    gone = http.post("/v1/hooks/a%2Fb%20c", json=1)
    assert (gone.status_code, gone.json()["code"]) == (404, "HOOK_NOT_FOUND")


def test_a_hook_that_is_not_there_yet_is_waited_for(http: httpx.Client) -> None:
    """For so long, and no longer."""
    late = http.post("/v1/hooks/never", params={"wait": 0.01}, json=1)
    assert late.json()["code"] == "HOOK_NOT_FOUND"
    run_id = start(http, "approving", "soon")
    assert http.post("/v1/hooks/soon", params={"wait": 30}, json=5).json()["id"] == run_id
    assert result(http, run_id)["output"]["answer"] == 5


def test_a_message_is_sent(http: httpx.Client) -> None:
    """The body is what the workflow receives."""
    run_id = start(http, "listening")
    for _ in range(2):
        assert http.post(f"/v1/runs/{run_id}/messages/box", params={"id": "m1"}, json=[1, 2]).status_code == 204
    assert result(http, run_id)["output"] == [1, 2]
    assert http.post(f"/v1/runs/{run_id}/messages/box", json=1).json()["code"] == "RUN_ENDED"


def test_a_query_is_asked(http: httpx.Client) -> None:
    """A copy of the run tells; one that there is not, or that raises, is a problem."""
    run_id = start(http, "counting", 3)
    waits_for(http, run_id, "timer")
    assert http.post(f"/v1/runs/{run_id}/queries/progress", json={"args": [10]}).json() == {"value": 13}
    assert http.post(f"/v1/runs/{run_id}/queries/nothing", json={}).status_code == 400
    raised = http.post(f"/v1/runs/{run_id}/queries/progress", json={"args": ["x"]}).json()
    assert raised["code"] == "QUERY_FAILED"
    assert "TypeError" in raised["detail"]
    http.post(f"/v1/runs/{run_id}/cancel", json={"force": True})


def test_what_happened_is_told(http: httpx.Client) -> None:
    """Events with their payloads, in pages; rows of a timeline; all details."""
    run_id = start(http, "adding", 20, 3)
    result(http, run_id)
    first = http.get(f"/v1/runs/{run_id}/events", params={"limit": 2}).json()
    rest = http.get(f"/v1/runs/{run_id}/events", params={"after": first["events"][-1]["seq"]}).json()
    events = first["events"] + rest["events"]
    assert [event["seq"] for event in events] == list(range(1, first["head"] + 1))
    assert (events[0]["type"], events[0]["payload"]) == ("run_created", [20, 3])
    assert (events[-1]["type"], events[-1]["payload"]) == ("run_completed", 23)
    assert [row["text"] for row in http.get(f"/v1/runs/{run_id}/timeline").json()] == [
        "created",
        "started",
        "add(20, 3)",
        "completed",
    ]
    details = http.get(f"/v1/runs/{run_id}/details").json()
    assert details["run"]["output"] == details["steps"][0]["output"] == 23
    assert http.get(f"/v1/runs/{run_id}/logs").json() == []


def test_values_travel_as_codec_bytes(http: httpx.Client) -> None:
    """What JSON has no words for goes in and comes out as it is, where the headers say so."""
    body = codec.dumps({"workflow": "echoing", "args": [{"day": date(2026, 11, 29), "tags": {"a", "b"}}]})
    started = http.post("/v1/runs", content=body, headers={"Content-Type": VALUE})
    run_id = started.json()["id"]
    told = result(http, run_id)["output"]
    assert told["day"] == "2026-11-29"
    answer = http.get(f"/v1/runs/{quote(run_id, safe='')}/result", headers={"Accept": VALUE})
    assert answer.headers["content-type"] == VALUE
    assert answer.headers["torpor-status"] == "completed"
    assert codec.loads(answer.content) == {"day": date(2026, 11, 29), "tags": {"a", "b"}}


def test_attributes_are_set_and_runs_deleted(http: httpx.Client) -> None:
    """Null takes an attribute away; a run that goes on is not deleted."""
    run_id = start(http, "approving", "attributed", attributes={"a": "1", "b": "2"})
    waits_for(http, run_id, "hook")
    assert http.delete(f"/v1/runs/{run_id}").json()["code"] == "ENTITY_CONFLICT"
    changed = http.patch(f"/v1/runs/{run_id}/attributes", json={"a": None, "c": "3"}).json()["attributes"]
    assert changed == {"b": "2", "c": "3"}
    http.post(f"/v1/runs/{run_id}/cancel", json={"force": True})
    assert http.delete(f"/v1/runs/{run_id}").status_code == 204
    assert http.get(f"/v1/runs/{run_id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "BAD_REQUEST"),
        (b"\xff", {}, 400, "BAD_REQUEST"),
        (b"[]", {}, 400, "BAD_REQUEST"),
        (b"{}", {}, 400, "BAD_REQUEST"),
        (b'{"workflow": 1}', {}, 400, "BAD_REQUEST"),
        (b'{"workflow": "adding", "arguments": []}', {}, 400, "BAD_REQUEST"),
        (b'{"workflow": "none"}', {}, 404, "WORKFLOW_NOT_REGISTERED"),
        (b'{"workflow": "adding", "args": [1]}', {}, 422, "ARGUMENT"),
        (b'{"workflow": "adding", "args": [1, 2], "priority": 1000}', {}, 422, "ARGUMENT"),
        (b'{"workflow": "adding", "args": [1, 2], "delay": "soon"}', {}, 422, "ARGUMENT"),
        (b'{"workflow": "adding", "args": [1, 2], "runtime": "none"}', {}, 422, "CONFIGURATION"),
        (b"workflow=adding", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "MEDIA_TYPE"),
        (b"devl[", {"Content-Type": VALUE}, 400, "BAD_REQUEST"),
        (b"[" * 100_000, {}, 400, "BAD_REQUEST"),
        (b" " * (18 * 1024 * 1024), {}, 413, "BODY_TOO_LARGE"),
    ],
    ids=range(15),
)
def test_a_start_that_makes_no_sense_is_refused(
    http: httpx.Client, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """With a problem that has a code, and nothing starts."""
    before = http.get("/v1/runs", params={"limit": 1}).json()
    answer = http.post("/v1/runs", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert http.get("/v1/runs", params={"limit": 1}).json() == before


def test_schedules_are_made_and_looked_after(http: httpx.Client) -> None:
    """Made, listed, paused, triggered and forgotten."""
    made = http.post(
        "/v1/schedules", json={"name": "every day", "workflow": "adding", "args": [1, 2], "cron": "0 9 * * *"}
    )
    assert (made.status_code, made.headers["location"]) == (201, "/v1/schedules/every%20day")
    assert "every day" in [each["name"] for each in http.get("/v1/schedules").json()]
    assert len(http.get("/v1/schedules/every%20day", params={"next": 3}).json()["upcoming"]) == 3
    paused = http.post("/v1/schedules/every%20day/pause", json={"note": "holidays"}).json()
    assert (paused["paused"], paused["note"], paused["next_at"]) == (True, "holidays", None)
    assert http.post("/v1/schedules/every%20day/unpause").json()["next_at"].endswith("T09:00:00.000Z")
    run = http.post("/v1/schedules/every%20day/trigger", json={}).json()["run"]
    assert result(http, run["id"])["output"] == 3
    assert http.delete("/v1/schedules/every%20day").status_code == 204
    assert http.get("/v1/schedules/every%20day").json()["code"] == "SCHEDULE_NOT_FOUND"


def test_the_world_as_a_whole(http: httpx.Client) -> None:
    """Queues with their limits, deployments, workers, and figures for Prometheus."""
    limited = http.put("/v1/queues/mail", json={"concurrency": 3, "rate": "10/s"}).json()
    assert (limited["concurrency"], limited["rate"]) == (3, "10/s")
    assert http.put("/v1/queues/mail", json={"concurrency": 0}).json()["concurrency"] is None
    assert "mail" in [queue["name"] for queue in http.get("/v1/queues").json()]
    [deployed] = [each for each in http.get("/v1/deployments").json()["deployments"] if each["live"]]
    assert deployed["app"] == "shop"
    assert any(name.endswith("//adding") for name in deployed["workflows"])
    [worker] = http.get("/v1/workers").json()
    assert worker["id"] == deployed["workers"][0]["id"]
    text = http.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'torpor_workers{state="alive"} 1' in text.text.splitlines()
    assert 'torpor_queue_held{app="shop",queue="mail"} 0' in text.text.splitlines()
    assert http.delete("/v1/queues/mail").status_code == 204


def test_several_clients_wait_for_one_run(server: Server) -> None:
    """Each gets the result."""
    with server.client() as one, server.client() as other:
        run_id = start(one, "approving", "for two")
        one.post("/v1/hooks/for%20two", params={"wait": 30}, json="yes")
        assert result(one, run_id) == result(other, run_id)
