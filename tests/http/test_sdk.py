"""What the World of the Workflow SDK asks by HTTP: entities as the SDK has them, and events that act."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.serving import Server, world_token
from tests.http.test_auth import ended, sealed
from tests.http.test_runs import result, start, waits_for
from torpor import codec
from torpor.codec.frames import bodies_of, frame
from torpor.ids import fresh

_NUMBERS = itertools.count(1)


def told(data: str) -> Any:
    """Return the value of a payload."""
    return codec.loads(base64.b64decode(data))


def sent(value: Any) -> str:
    """Return a payload."""
    return base64.b64encode(codec.dumps(value)).decode()


def sdk(http: httpx.Client, path: str, **query: Any) -> Any:
    """Return what an address tells."""
    answer = http.get(f"/v1/sdk/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def act(http: httpx.Client, run_id: str, event: str, **about: Any) -> httpx.Response:
    """Write an event."""
    return http.post(f"/v1/sdk/runs/{run_id}/events", json={"eventType": event, **about})


def test_a_run_is_told_as_the_sdk_has_it(http: httpx.Client) -> None:
    """Names, states and times are the SDK's, payloads envelopes; without data there are none."""
    run_id = start(http, "adding", 1, 2)
    assert result(http, run_id)["output"] == 3
    run = sdk(http, f"runs/{run_id}")
    assert (run["runId"], run["status"], run["deploymentId"]) == (run_id, "completed", "torpor")
    assert run["workflowName"].endswith("//adding")
    assert run["createdAt"] <= run["startedAt"] <= run["completedAt"]
    assert (told(run["input"]), told(run["output"])) == ([1, 2], 3)
    assert not {"input", "output"} & sdk(http, f"runs/{run_id}", resolve="none").keys()


def test_runs_are_listed_in_pages(http: httpx.Client) -> None:
    """Newest first, of some states, of a workflow; the cursor of a page leads to the next."""
    ids = [start(http, "echoing", number) for number in range(3)]
    for run_id in ids:
        result(http, run_id)
    first = sdk(http, "runs", workflow="echoing", status=["completed", "failed"], limit=2)
    assert ([run["runId"] for run in first["data"]], first["hasMore"]) == (ids[:0:-1], True)
    second = sdk(http, "runs", workflow="echoing", status=["completed", "failed"], limit=1, cursor=first["cursor"])
    assert [run["runId"] for run in second["data"]] == ids[:1]
    assert sdk(http, "runs", workflow="echoing", status="cancelled") == {"data": [], "cursor": None, "hasMore": False}
    oldest = sdk(http, "runs", workflow="echoing", order="asc", limit=500)["data"]
    assert [run["runId"] for run in oldest[-3:]] == ids
    behind = sdk(http, "runs", workflow="echoing", order="asc", cursor=ids[0], limit=1)
    assert ([run["runId"] for run in behind["data"]], behind["hasMore"]) == (ids[1:2], True)


def test_steps_are_told_with_what_they_got_and_gave(http: httpx.Client) -> None:
    """In the order of their calls, or the other way round, page by page, and one by its id."""
    run_id = start(http, "inviting", f"sdk-steps-{next(_NUMBERS)}")
    while len(sdk(http, f"runs/{run_id}/steps", order="asc")["data"]) < 2:
        waits_for(http, run_id, "hook")  # the one step after the other
    steps = sdk(http, f"runs/{run_id}/steps", order="asc", limit=1)
    assert (len(steps["data"]), steps["hasMore"]) == (1, True)
    rest = sdk(http, f"runs/{run_id}/steps", order="asc", cursor=steps["cursor"])
    assert (len(rest["data"]), rest["hasMore"]) == (1, False)
    every = [step["stepId"] for step in steps["data"] + rest["data"]]
    assert [step["stepId"] for step in sdk(http, f"runs/{run_id}/steps")["data"]] == every[::-1]
    while len(http.get(f"/v1/runs/{run_id}").json()["waits_for"]) != 2:
        pass
    step = sdk(http, f"runs/{run_id}/steps/{every[0]}")
    assert (step["status"], step["attempt"], step["runId"]) == ("completed", 1, run_id)
    assert told(step["input"])["args"]
    assert told(step["output"]) == told(step["input"])["args"][0]
    assert http.get(f"/v1/sdk/runs/{run_id}/steps/step_none").json()["code"] == "ENTITY_NOT_FOUND"


def test_events_keep_their_numbers(http: httpx.Client) -> None:
    """Forwards, backwards, of one entity, one by one; what the SDK has no type for is a noop."""
    run_id = start(http, "sleeping")
    waits_for(http, run_id, "timer")
    http.post(f"/v1/runs/{run_id}/pause")
    http.post(f"/v1/runs/{run_id}/unpause")
    events = sdk(http, f"runs/{run_id}/events")["data"]
    assert [int(event["eventId"].removeprefix("evnt_")) for event in events] == [*range(1, len(events) + 1)]
    types = [event["eventType"] for event in events]
    assert types == ["run_created", "run_started", "wait_created", "noop", "noop"]
    assert [event["eventData"] for event in events[3:]] == [{"torpor": "run_paused"}, {"torpor": "run_unpaused"}]
    back = sdk(http, f"runs/{run_id}/events", order="desc", limit=2)
    assert ([event["eventType"] for event in back["data"]], back["hasMore"]) == (["noop", "noop"], True)
    rest = sdk(http, f"runs/{run_id}/events", order="desc", limit=9, cursor=back["cursor"])
    assert ([event["eventId"] for event in rest["data"]], rest["hasMore"]) == (
        [event["eventId"] for event in events[2::-1]],
        False,
    )
    about = sdk(http, f"runs/{run_id}/events", correlation=events[2]["correlationId"])
    assert about["data"] == events[2:3]
    assert sdk(http, f"runs/{run_id}/events/{events[2]['eventId']}") == events[2]
    assert http.get(f"/v1/sdk/runs/{run_id}/events/evnt_99").status_code == 404


def test_an_exception_is_an_error_there(http: httpx.Client) -> None:
    """The SDK knows no exception of Python: it is told one as an Error of its name, with the traceback as its stack."""
    run_id = start(http, "failing_itself")
    http.get(f"/v1/runs/{run_id}/result", params={"wait": 30})
    run = sdk(http, f"runs/{run_id}")
    assert (run["status"], run["errorCode"]) == ("failed", "USER_ERROR")
    text = codec.unpack_devalue(base64.b64decode(run["error"]))
    assert text.startswith('devl[["Error",1]')
    assert "class//python" not in text
    [event] = [each for each in sdk(http, f"runs/{run_id}/events")["data"] if each["eventType"] == "run_failed"]
    assert event["eventData"]["error"] == run["error"]


def test_a_run_is_started_by_its_event(http: httpx.Client) -> None:
    """Under the id that the SDK has made, once however often it is asked; attributes of the SDK's own are left out."""
    run_id = fresh("wrun", 1_700_000_000_000)
    data = {"workflowName": "adding", "input": sent([1, 2]), "attributes": {"$rootRunId": "x", "customer": "c-1"}}
    for _ in range(2):
        answer = act(http, run_id, "run_created", specVersion=7, eventData={**data, "deploymentId": "torpor"})
        assert (answer.status_code, answer.json()["run"]["runId"]) == (201, run_id), answer.text
    assert result(http, run_id)["output"] == 3
    assert sdk(http, f"runs/{run_id}")["attributes"] == {"customer": "c-1"}
    other = act(http, run_id, "run_created", eventData={"workflowName": "adding", "input": sent([3, 4])})
    assert (other.status_code, other.json()["code"]) == (409, "ENTITY_CONFLICT")


def test_a_workflow_in_python_gets_what_it_takes(http: httpx.Client) -> None:
    """What it is started with is opened, and becomes what its annotations say."""
    run_id = fresh("wrun", 1_700_000_000_001)
    data = {"workflowName": "ordering", "input": sent([{"item": "tea", "cents": 5}])}
    assert act(http, run_id, "run_created", eventData=data).status_code == 201
    assert "tea" in result(http, run_id)["output"]


def test_a_hook_is_found_and_resumed(http: httpx.Client) -> None:
    """By token, by id and in lists; a payload is received once however often it is sent under one id."""
    token = f"sdk-hook-{next(_NUMBERS)}"
    run_id = start(http, "approving", token)
    waits_for(http, run_id, "hook")
    hook = sdk(http, f"tokens/{token}")
    assert (hook["runId"], hook["token"], hook["isWebhook"]) == (run_id, token, False)
    assert hook["resumeContext"]["deploymentId"] == "torpor"
    assert sdk(http, f"hooks/{hook['hookId']}") == hook
    assert sdk(http, f"runs/{run_id}/hooks")["data"] == [hook]
    for order in ("asc", "desc"):
        assert hook in sdk(http, "hooks", limit=1000, order=order)["data"]
    stray = act(http, start(http, "sleeping"), "hook_received", eventData={"token": token, "payload": sent(1)})
    assert (stray.status_code, stray.json()["code"]) == (404, "HOOK_NOT_FOUND")
    for _ in range(2):
        given = {"token": token, "payload": sent("yes")}
        answer = act(http, run_id, "hook_received", resumeId="one", correlationId=hook["hookId"], eventData=given)
        if answer.status_code != 201:  # the run has ended by then, and the hook is gone
            assert answer.json()["code"] == "HOOK_NOT_FOUND"
    result(http, run_id)
    received = [each for each in sdk(http, f"runs/{run_id}/events")["data"] if each["eventType"] == "hook_received"]
    assert [(each["resumeId"], told(each["eventData"]["payload"])) for each in received] == [("one", "yes")]
    assert http.get(f"/v1/sdk/hooks/{hook['hookId']}").status_code == 404


def test_a_run_is_woken_cancelled_and_described(http: httpx.Client) -> None:
    """A wait is completed once; a run that is cancelled may be cancelled again, one that has completed may not."""
    run_id = start(http, "sleeping")
    waits_for(http, run_id, "timer")
    [wait] = [each for each in sdk(http, f"runs/{run_id}/events")["data"] if each["eventType"] == "wait_created"]
    changes = [{"key": "customer", "value": "c-2"}]
    assert act(http, run_id, "attr_set", eventData={"changes": changes, "writer": {"type": "workflow"}}).is_success
    assert sdk(http, f"runs/{run_id}")["attributes"] == {"customer": "c-2"}
    assert act(http, run_id, "wait_completed", correlationId=wait["correlationId"]).is_success
    result(http, run_id)
    assert act(http, run_id, "wait_completed", correlationId=wait["correlationId"]).status_code == 409
    assert act(http, run_id, "run_cancelled").status_code == 409
    other = start(http, "sleeping")
    for _ in range(2):
        assert act(http, other, "run_cancelled", eventData={"cancelReason": "enough"}).status_code == 201
        assert sdk(http, f"runs/{other}", wait=30)["status"] == "cancelled"
    assert sdk(http, f"runs/{other}/events", order="desc", limit=1)["data"][0]["eventData"] == {
        "cancelReason": "enough"
    }


@pytest.mark.parametrize(
    ("event", "status", "says"),
    [
        ({"eventType": "step_completed"}, 400, "step_completed"),
        ({"eventType": "run_created", "eventData": {"workflowName": "adding"}}, 400, "eventData.input"),
        ({"eventType": "run_created", "eventData": {"workflowName": "adding", "input": "bm8="}}, 422, "prefix"),
        ({"eventType": "run_created", "eventData": {"workflowName": "adding", "input": sent(1)}}, 422, "no list"),
        ({"eventType": "run_created", "eventData": {"workflowName": "gone", "input": sent([])}}, 404, "'gone'"),
        ({"eventType": "run_cancelled"}, 404, "wrun_none"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused(
    http: httpx.Client, event: dict[str, Any], status: int, says: str
) -> None:
    """The answer says what is wrong."""
    answer = http.post("/v1/sdk/runs/wrun_none/events", json=event)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text


def test_streams_are_frames(http: httpx.Client) -> None:
    """A stream is followed, read in pages and written to as the SDK has it: frames that nobody opens."""
    run_id = start(http, "writing", 3)
    result(http, run_id)
    names = {each["name"]: each["stored_name"] for each in http.get(f"/v1/runs/{run_id}/streams").json()}
    followed = http.get(f"/v1/sdk/runs/{run_id}/streams/{names['']}", params={"start": 1}).content
    assert [codec.loads(body) for body in bodies_of(followed)] == [{"n": 1}, {"n": 2}]
    page = sdk(http, f"runs/{run_id}/streams/{names['']}/chunks", limit=2)
    assert (page["next"], page["hasMore"], page["done"], page["tailIndex"]) == (2, True, True, 2)
    assert codec.loads(base64.b64decode(page["data"][0]["data"])[4:]) == {"n": 0}
    assert bodies_of(http.get(f"/v1/sdk/runs/{run_id}/streams/{names['raw']}").content)[0] == b"0;"
    own = f"/v1/sdk/runs/{run_id}/streams/strm_own"
    frames = frame(codec.dumps("a", compress=False)) + frame(codec.dumps("b", compress=False))
    assert http.post(own, content=frames).status_code == 204
    assert http.post(own, params={"close": True}).status_code == 204
    assert http.get(own).content == frames
    assert sdk(http, f"runs/{run_id}/streams/strm_own/chunks", start=-1)["data"][0]["index"] == 1


def test_who_may_only_look_is_shown_no_token_in_payloads(server: Server) -> None:
    """A live token is masked in the envelopes, too; the rest of them is as it was."""
    token = f"sdk-secret-{next(_NUMBERS)}"
    with server.client() as http:
        run_id = start(http, "approving", token)
        waits_for(http, run_id, "hook")
        assert told(sdk(http, f"runs/{run_id}")["input"]) == [token]
    with server.client(world_token(server.folder, roles=("read",))) as http:
        assert told(sdk(http, f"runs/{run_id}")["input"]) == ["***"]
        assert [hook["token"] for hook in sdk(http, f"runs/{run_id}/hooks")["data"]] == ["***"]


@pytest.mark.parametrize("decrypts", [False, True])
async def test_what_is_encrypted_is_opened_for_who_may_decrypt(tmp_path: Path, decrypts: bool) -> None:
    """All others get the encrypted envelopes, which the SDK shows as such."""
    roles: Any = ("operate", "decrypt") if decrypts else ("operate",)
    async with sealed(tmp_path, *roles) as http:
        run_id = await ended(http, 1, 2)
        run = (await http.get(f"/v1/sdk/runs/{run_id}")).json()
        stream = await http.get(f"/v1/sdk/runs/{run_id}/streams/strm_x/chunks")
    prefix = base64.b64decode(run["output"])[:4]
    assert (prefix, stream.status_code) == ((b"devl", 200) if decrypts else (b"encr", 403))
