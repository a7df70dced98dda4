"""``torpor cancel``, ``torpor resume`` and ``torpor send``."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Torpor
from tests.cli.project import Runs

UNKNOWN = "wrun_00000000000000000000000000"


def status(torpor: Torpor, run: str) -> object:
    """Return a run's state."""
    return torpor.json("inspect", run)["run"]["status"]


def test_a_named_run_is_cancelled_for_a_reason(torpor: Torpor, runs: Runs) -> None:
    """Its id is printed, and the log keeps the reason."""
    assert torpor.ok("cancel", runs.waiting, "--reason", "out of stock") == f"{runs.waiting}\n"

    run = torpor.json("inspect", runs.waiting)["run"]
    assert (run["status"], run["cancel_reason"]) == ("running", "out of stock")
    assert run["cancel_by"]


def test_a_run_ends_at_once_by_force(torpor: Torpor, runs: Runs) -> None:
    """No worker is needed for that, and the log keeps the reason."""
    assert torpor.ok("cancel", runs.waiting, "--force", "--reason", "out of stock") == f"{runs.waiting}\n"

    run = torpor.json("inspect", runs.waiting)["run"]
    assert (run["status"], run["cancel_reason"]) == ("cancelled", "out of stock")
    assert run["cancel_by"] is None


def test_many_are_cancelled_only_when_somebody_says_so(torpor: Torpor, runs: Runs) -> None:
    """Who cannot be asked must say --yes."""
    result = torpor("cancel", "--workflow", "approval")

    assert result.exit_code == 2
    assert "1 run of world" in result.stderr
    assert "--yes" in result.stderr
    assert torpor.json("inspect", runs.waiting)["run"]["cancel_by"] is None


def test_what_was_open_ends_with_its_run(torpor: Torpor, runs: Runs) -> None:
    """The hook of a cancelled run is shown as disposed of."""
    torpor.ok("cancel", runs.waiting, "--force")

    assert [hook["status"] for hook in torpor.json("inspect", runs.waiting)["hooks"]] == ["disposed"]


def test_runs_are_selected_by_workflow(torpor: Torpor, runs: Runs) -> None:
    """Of a workflow's runs only those that have not ended are touched."""
    assert torpor.ok("cancel", "--workflow", "approval", "--yes") == f"{runs.waiting}\n"

    assert status(torpor, runs.approved) == "completed"


def test_runs_are_selected_by_status(torpor: Torpor, runs: Runs) -> None:
    """All runs in a state are cancelled."""
    assert torpor.json("cancel", "--status", "running", "--yes") == {"cancelled": [runs.waiting], "refused": []}


def test_a_run_that_has_ended_is_refused(torpor: Torpor, runs: Runs) -> None:
    """The others are cancelled all the same, and the exit code says that not all were."""
    result = torpor("cancel", runs.completed, runs.waiting, UNKNOWN)

    assert result.exit_code == 1
    assert result.stdout == f"{runs.waiting}\n"
    first, second = result.stderr.splitlines()
    assert first == f"error[ENTITY_CONFLICT]: run {runs.completed} is already completed"
    assert second.startswith("error[RUN_NOT_FOUND]: ")


def test_json_tells_who_was_refused(torpor: Torpor, runs: Runs) -> None:
    """The document has both lists."""
    result = torpor("cancel", runs.completed, "--json")

    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["cancelled"] == []
    assert [(each["id"], each["code"]) for each in document["refused"]] == [(runs.completed, "ENTITY_CONFLICT")]


def test_nothing_named_is_a_misuse(torpor: Torpor, runs: Runs) -> None:
    """Cancelling everything must be asked for."""
    result = torpor("cancel")

    assert result.exit_code == 2
    assert status(torpor, runs.waiting) == "running"


@pytest.mark.usefixtures("runs")
def test_ended_runs_cannot_be_selected(torpor: Torpor) -> None:
    """A status that is final is a misuse."""
    assert torpor("cancel", "--status", "failed").exit_code == 2


def test_resume_delivers_a_payload(torpor: Torpor, runs: Runs) -> None:
    """The run's id is printed, and the payload stands in its log."""
    assert torpor.ok("resume", "token-2", '{"approved": [1, 2]}') == f"{runs.waiting}\n"

    (hook,) = torpor.json("inspect", runs.waiting)["hooks"]
    assert [receipt["payload"] for receipt in hook["received"]] == [{"approved": [1, 2]}]


@pytest.mark.usefixtures("runs")
def test_resume_reads_values_as_start_does(torpor: Torpor) -> None:
    """What is no JSON is a text, without quotes."""
    run = torpor.ok("resume", "token-2", "yes, please").strip()

    (hook,) = torpor.json("inspect", run)["hooks"]
    assert [receipt["payload"] for receipt in hook["received"]] == ["yes, please"]


def test_resume_with_the_same_id_is_received_once(torpor: Torpor, runs: Runs) -> None:
    """A repetition succeeds and changes nothing."""
    for _ in range(2):
        torpor.ok("resume", "token-2", "1", "--resume-id", "delivery-1")

    (hook,) = torpor.json("inspect", runs.waiting)["hooks"]
    assert [receipt["resume_id"] for receipt in hook["received"]] == ["delivery-1"]


def test_resume_without_a_payload_delivers_null(torpor: Torpor, runs: Runs) -> None:
    """The payload may be left out."""
    torpor.ok("resume", "token-2")

    (hook,) = torpor.json("inspect", runs.waiting)["hooks"]
    assert [receipt["payload"] for receipt in hook["received"]] == [None]


def test_resume_refuses_half_of_json(torpor: Torpor, runs: Runs) -> None:
    """A typing error is not delivered as text, since it could not be taken back."""
    assert torpor("resume", "token-2", '{"approved": tru}').exit_code == 2
    assert torpor.json("inspect", runs.waiting)["hooks"][0]["received"] == []


@pytest.mark.usefixtures("runs")
def test_resume_of_an_unknown_token_says_so(torpor: Torpor) -> None:
    """Unknown, disposed of and finished are one error."""
    for token in ("nobody", "token-1", "token-3"):
        result = torpor("resume", token, "1")

        assert result.exit_code == 1
        assert result.stderr.startswith("error[HOOK_NOT_FOUND]: ")


def test_resume_waits_in_vain(torpor: Torpor, runs: Runs) -> None:
    """No hook of this token is made; the error says how long it was waited for."""
    result = torpor("resume", "nobody", "--wait", "1ms")

    assert result.exit_code == 1
    assert result.stderr.startswith("error[HOOK_NOT_FOUND]: no live hook had the token 'nobody' within '1ms'")
    assert torpor.ok("resume", "token-2", "now", "--wait", "1h") == f"{runs.waiting}\n"


def test_send_gives_a_message(torpor: Torpor, runs: Runs) -> None:
    """It stands in the run's log, once under its id, and is counted."""
    for _ in range(2):
        assert torpor.ok("send", runs.waiting, "address", '{"city": "Ghent"}', "--id", "m1") == ""

    found = torpor.json("inspect", runs.waiting)
    assert [(each["name"], each["id"], each["payload"]) for each in found["messages"]] == [
        ("address", "m1", {"city": "Ghent"})
    ]
    assert found["run"]["messages"] == {"sent": 1, "unreceived": 1}
    assert "messages  1 of 1 not received yet" in torpor.ok("inspect", runs.waiting)


def test_send_to_a_run_that_has_ended(torpor: Torpor, runs: Runs) -> None:
    """The sender is told how it ended."""
    result = torpor("send", runs.completed, "address")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"error[RUN_ENDED]: run {runs.completed} is completed")
