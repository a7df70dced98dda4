"""Moments of a run's past by HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.http.serving import Server, world_token
from tests.http.test_auth import sealed
from tests.http.test_runs import result, start, waits_for


def test_a_moment_is_shown(http: httpx.Client) -> None:
    """Source line, variables, state and size, at any event; what differs between two; an error says which there are."""
    run_id = start(http, "approving", "moment-token")
    waits_for(http, run_id, "hook")
    http.post("/v1/hooks/moment-token", json="yes")
    result(http, run_id)
    events = http.get(f"/v1/runs/{run_id}/events").json()["events"]
    received = next(event for event in events if event["type"] == "hook_received")

    def moment(at: int) -> dict[str, Any]:
        found: dict[str, Any] = http.get(f"/v1/runs/{run_id}/moment", params={"at": at}).json()
        return found

    then = moment(received["seq"])
    assert (then["run"], then["event"], then["at"]) == (run_id, "hook_received", received["at"])
    frame = then["tasks"][0]["frames"][-1]
    assert {each["name"]: each["value"] for each in frame["variables"]} == {
        "token": "'moment-token'",
        "answer": "'yes'",
    }
    assert frame["source"].endswith('"sum": await add(1, 2)}')
    assert then["snapshot_bytes"] > 1_000
    assert moment(-1)["status"] == "completed"
    assert (moment(-1)["tasks"], moment(-1)["snapshot_bytes"]) == ([], 0)
    between = http.get(
        f"/v1/runs/{run_id}/difference", params={"before": received["seq"] - 1, "after": received["seq"]}
    ).json()
    assert between["frames"][0]["variables"] == [{"name": "answer", "before": None, "after": "'yes'"}]
    away = http.get(f"/v1/runs/{run_id}/moment", params={"at": 99})
    assert (away.status_code, f"after events 1 to {len(events)}" in away.json()["detail"]) == (400, True)


def test_sizes_are_measured(http: httpx.Client) -> None:
    """Of a short run at every event until its code ends, each as the moment itself has it."""
    run_id = start(http, "adding", 1, 2)
    result(http, run_id)
    sizes = http.get(f"/v1/runs/{run_id}/sizes").json()
    ended = next(
        event["seq"]
        for event in http.get(f"/v1/runs/{run_id}/events").json()["events"]
        if event["type"] == "step_completed"
    )
    assert [each["seq"] for each in sizes] == list(range(1, ended))
    for each in sizes:
        seen = http.get(f"/v1/runs/{run_id}/moment", params={"at": each["seq"]}).json()
        assert (seen["snapshot_bytes"], seen["at"]) == (each["bytes"], each["at"])


def test_who_may_only_look_sees_no_token(server: Server, http: httpx.Client) -> None:
    """Not in a variable either: whoever knows it may resume the run."""
    run_id = start(http, "approving", "moment-secret-token")
    waits_for(http, run_id, "hook")
    with server.client(world_token(server.folder, roles=("read",))) as looking:
        seen = looking.get(f"/v1/runs/{run_id}/moment").text
    assert "***" in seen
    assert "moment-secret-token" not in seen
    assert "moment-secret-token" in http.get(f"/v1/runs/{run_id}/moment").text


async def test_an_encrypted_run_is_shown_to_who_may_decrypt(tmp_path: Path) -> None:
    """And to nobody else, also where a copy is still open that another one was let into."""
    async with sealed(tmp_path, "operate", "decrypt", prompt=True) as http:
        run_id = (await http.post("/v1/runs", json={"workflow": "adding", "args": [123_456, 1]})).json()["id"]
        assert (await http.get(f"/v1/runs/{run_id}/result", params={"wait": 60})).status_code == 200
        moment = f"/v1/runs/{run_id}/moment?at=3"
        page = f"/runs/{run_id}/travel?at=3"
        opened = [(await http.get(path)).text for path in (moment, f"{page}&open=true")]
        assert ["123456" in text for text in opened] == [True, True]
        for path in (page, f"/runs/{run_id}/prompt?at=3"):
            closed = await http.get(path)  # he has not asked for it
            assert (closed.status_code, "123456" in closed.text) == (200, False)
            assert f'href="{path.partition("?")[0]}?open=true&amp;at=3"' in closed.text
    async with sealed(tmp_path, "operate") as http:
        for path in ("moment", "sizes", "difference"):
            assert (await http.get(f"/v1/runs/{run_id}/{path}")).status_code == 403
