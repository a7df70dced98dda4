"""Runs that come and go as capsules, by HTTP."""

from __future__ import annotations

import httpx

from tests.http.test_runs import result, start, waits_for
from torpor.capsules.file import read


def test_a_run_goes_and_comes_back(http: httpx.Client) -> None:
    """It goes on from where it was; as long as it is there it does not come a second time."""
    run_id = start(http, "approving", "capsule 1", id="sent 1")
    waits_for(http, "sent 1", "hook")
    answer = http.get("/v1/runs/sent%201/capsule")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.torpor.capsule"
    assert "sent%201.capsule" in answer.headers["content-disposition"]
    assert read(answer.content).manifest.run == run_id
    taken = http.post("/v1/capsules", content=answer.content)
    assert (taken.status_code, taken.json()["code"]) == (409, "ENTITY_CONFLICT")
    assert http.post("/v1/runs/sent%201/cancel", json={"force": True}).status_code == 200
    assert http.delete("/v1/runs/sent%201").status_code == 204
    brought = http.post("/v1/capsules", params={"paused": True}, content=answer.content)
    assert (brought.status_code, brought.json()["id"]) == (201, run_id), brought.text
    assert http.get("/v1/runs/sent%201").json()["paused"] is True
    assert http.post("/v1/runs/sent%201/unpause").status_code == 200
    assert http.post("/v1/hooks/capsule%201", json="yes").status_code in (200, 204)
    assert result(http, "sent 1")["status"] == "completed"


def test_what_is_no_capsule_is_told(http: httpx.Client) -> None:
    """With a code; nothing is stored."""
    for content in (b"", b"PK\x03\x04", b"torpor capsule 1\n{}\n"):
        answer = http.post("/v1/capsules", content=content)
        assert (answer.status_code, answer.json()["code"]) == (400, "CAPSULE"), answer.text
    answer = http.post("/v1/capsules", content=b"torpor capsule 2\n{}\n")
    assert (answer.status_code, answer.json()["code"]) == (400, "CAPSULE_VERSION")
