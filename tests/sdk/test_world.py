"""``torpor-world``: ``workflow/api`` and the official command line of the SDK, on the runs of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.installed import VERSIONS
from tests.sdk.serving import Tools

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """Return the tools of version 5, and a server for them."""
    with Tools(tmp_path_factory.mktemp("tools"), VERSIONS["5"]) as running:
        yield running


@pytest.fixture(scope="module")
def acts(tools: Tools) -> dict[str, Any]:
    """Return what ``workflow/api`` tells of its acts."""
    found: dict[str, Any] = json.loads(tools.node("acts.mjs"))
    return found


def test_the_api_acts_on_runs(acts: dict[str, Any]) -> None:
    """A plain program starts, reads streams, wakes, resumes, awaits and cancels; what is not there is said."""
    told = acts["told"]
    orders = [{"order": "o-1", "part": part} for part in (1, 2, 3)]
    assert told["started"] == [True, True, "workflow//./workflows/orders//checkout"]
    assert (told["stream"], told["last"]) == ([orders, 2], orders[-1:])
    assert told["woken"] == {"stoppedCount": 1}
    assert (told["hook"], told["resumed"]) == ([True, {"order": "o-1"}], True)
    assert told["returned"] == "o-1 paid 4200, approved by ann"
    assert told["status"] == ["completed", True]
    assert told["big"] == [5000, ["7"]]
    assert told["failed"]["name"] == "WorkflowRunFailedError"
    assert (told["failed"]["cause"], told["failed"]["code"]) == ("o-2 is broken", "USER_ERROR")
    assert (told["cancelled"][0]["name"], told["cancelled"][1]) == ("WorkflowRunCancelledError", "cancelled")
    assert told["python"] == "hello you"
    assert (told["raised"]["cause"], told["raised"]["code"]) == ("'it'", "USER_ERROR")
    assert told["unknown"][0] is False
    names = [each["name"] for each in told["unknown"][1:]]
    assert names == ["WorkflowRunNotFoundError", "HookNotFoundError", "HookNotFoundError", "WorkflowWorldError"]
    assert "no workflow is called 'none'" in told["unknown"][-1]["message"]


READ = {
    "tuple": "[ 1, 'a' ]",
    "frozenset": "[ 1 ]",
    "range": "[ 1, 9, 2 ]",
    "complex": "[ 1, 2 ]",
    "timedelta": "[ 1, 2, 0 ]",
    "Decimal": "Decimal { data: '4.20' }",
    "UUID": "UUID { data: '00000000-0000-0000-0000-000000000007' }",
    "Fraction": "Fraction { data: '1/3' }",
    "IPv4Address": "IPv4Address { data: '10.0.0.1' }",
    "datetime": "datetime { data: '2026-11-30T12:30:00+01:00[Europe/Berlin]' }",
    "moment": "2026-11-30T00:00:00.000Z",
    "date": "date { data: '2026-11-30' }",
    "time": "time { data: '12:30:00' }",
    "timezone": "[ [ 0, 3600, 0 ], 'X' ]",
    "ZoneInfo": "ZoneInfo { data: 'Europe/Berlin' }",
    "PurePosixPath": "PurePosixPath { data: '/srv' }",
    "set": "Set(1) { 1 }",
    "bytes": "Uint8Array(2) [ 97, 98 ]",
    "bytearray": "Uint8Array(2) [ 97, 98 ]",
    "OrderedDict": "{ a: 1 }",
    "Counter": "Map(1) { 2 => 1 }",
    "defaultdict": "{ a: [ 1 ] }",
    "deque": "[ 1 ]",
    "enum": "{ name: 'RED', value: 'red' }",
    "dataclass": "{ name: 'pen', price: Decimal { data: '1.10' } }",
    "namedtuple": "{ x: 1, y: 2 }",
    "constructor": "Built { data: { constructor: 'of it' } }",
    "exception": "\"StockError: ('too few', 3), left 3\"",
    "int": "1152921504606846976n",
    "keys": "Map(1) { 1 => 'a' }",
}
"""What Node shows of each sample of Python's types."""


def check_values(tools: Tools) -> None:
    """Check what the API reads of values of Python, and what of them comes back."""
    told = json.loads(tools.node("values.mjs"))
    assert told["read"] == READ
    assert told["again"] == told["own"]
    assert told["plain"] == {"copied": "[1, 'a']", "cut": "[1, 'a']"}
    assert told["parts"] == ["4.20", "2026-11-30"]
    assert "Looped contains itself" in told["thrown"]
    assert told["run"] == ["workflow//./app.py//streamed", "completed"]
    assert told["resumed"] == ["4.20", "{'price': Decimal('4.20')}"]
    assert (told["json"], told["text"]) == ('{"name":"pen","price":"1.10"}', "4.20")


def test_values_of_python_are_read_and_passed_on(tools: Tools) -> None:
    """A result or chunk of any type of Python is plain data or shows as its text, and passed back it is what it was."""
    check_values(tools)


@pytest.mark.long
def test_the_command_line_lists_runs(tools: Tools, acts: dict[str, Any]) -> None:
    """``workflow inspect runs``: a table for people, and JSON in pages."""
    table = tools.workflow("inspect", "runs")
    assert {"checkout", "greet", "look_up", "broken"} <= set(table.split())
    first = tools.told("inspect", "runs", "--workflowName", "checkout", "--limit", "1")
    assert (len(first["data"]), first["hasMore"]) == (1, True)
    rest = tools.told("inspect", "runs", "--workflowName", "checkout", "--cursor", first["cursor"])
    assert [run["runId"] for run in rest["data"]][-1] == acts["run"]


def test_the_command_line_shows_what_happened_in_a_run(tools: Tools, acts: dict[str, Any]) -> None:
    """``workflow inspect`` of the run, its steps, events and stream: hydrated values of the project's own kind."""
    run = tools.told("inspect", "run", acts["run"])
    assert (run["input"], run["output"]) == (["o-1"], "o-1 paid 4200, approved by ann")
    assert run["attributes"] == {"customer": "c-9"}
    steps = tools.told("inspect", "steps", "--runId", acts["run"], "--withData")
    assert [(step["stepName"].rpartition("//")[2], step["status"], step["input"]["args"]) for step in steps] == [
        ("report", "completed", ["o-1"]),
        ("charge", "completed", ["o-1", 4200]),
    ]
    assert steps[1]["output"] == "o-1 paid 4200"
    events = tools.told("inspect", "events", "--runId", acts["run"], "--sort", "asc", "--withData", "--limit", "50")
    assert [event["eventType"] for event in events] == [
        *("run_created", "run_started", "step_created", "step_completed", "step_created", "step_completed"),
        *("wait_created", "wait_completed", "hook_created", "hook_received", "run_completed"),
    ]
    assert events[9]["eventData"]["payload"]["by"] == "ann"


@pytest.mark.long
def test_the_command_line_shows_single_things(tools: Tools, acts: dict[str, Any]) -> None:
    """One step, the sleeps of a run, its streams, and what is in one of them."""
    run_id = acts["run"]
    step = tools.told("inspect", "steps", "--runId", run_id)[0]
    assert tools.told("inspect", "step", step["stepId"], "--runId", run_id)["input"] == {"args": ["o-1"]}
    assert len(tools.told("inspect", "sleeps", "--runId", run_id)) == 1
    [stream] = tools.told("inspect", "streams", "--runId", run_id)
    lines = tools.workflow("inspect", "stream", stream["streamId"], "--runId", run_id, "--json").splitlines()
    assert [json.loads(line)["part"] for line in lines] == [1, 2, 3]


@pytest.mark.long
def test_the_command_line_shows_hooks(tools: Tools) -> None:
    """Those of a run, one of them with its metadata; and that somebody is there."""
    started = tools.waiting_run("o-7")
    [hook] = tools.told("inspect", "hooks", "--runId", started)["data"]
    assert hook["runId"] == started
    assert tools.told("inspect", "hook", hook["hookId"])["metadata"] == {"order": "o-7"}
    assert "Workflow endpoint is healthy" in tools.workflow("health")


@pytest.mark.long
def test_the_command_line_acts(tools: Tools, acts: dict[str, Any]) -> None:
    """``workflow start``, ``workflow cancel`` of one run, and of all that run."""
    started = json.loads(tools.workflow("start", "checkout", '"o-8"', "--json"))["runId"]
    assert f"Cancelled run {started}" in tools.workflow("cancel", started)
    assert tools.told("inspect", "run", started)["status"] == "cancelled"
    again = json.loads(tools.workflow("start", acts["run"], '"o-9"', "--json"))["runId"]
    tools.workflow("cancel", "--status", "running", "--workflowName", "checkout", "-y")
    assert tools.told("inspect", "run", again)["status"] == "cancelled"


def test_who_brings_no_token_is_told_which_setting_has_it(tools: Tools) -> None:
    """The message of the server, and the name of the variable."""
    script = """
        import { createWorld } from "torpor-world";
        await createWorld().runs.list().catch((error) => console.log(error.message));
    """
    assert "TORPOR_TOKEN" in tools.node("--input-type=module", "-e", script, TORPOR_TOKEN="")


@pytest.mark.long
def test_version_4_works_too(tmp_path: Path) -> None:
    """Its API does the same, with its own interface of the World; it knows no codes of errors."""
    with Tools(tmp_path, VERSIONS["4"]) as tools:
        told = json.loads(tools.node("acts.mjs"))["told"]
        assert told["returned"] == "o-1 paid 4200, approved by ann"
        assert ([part["part"] for part in told["stream"][0]], told["big"]) == ([1, 2, 3], [5000, ["7"]])
        assert (told["failed"]["cause"], told["raised"]["cause"]) == ("o-2 is broken", "'it'")
        assert (told["cancelled"][0]["name"], told["cancelled"][1]) == ("WorkflowRunCancelledError", "cancelled")
        names = [each["name"] for each in told["unknown"][1:]]
        assert names == ["WorkflowRunNotFoundError", "HookNotFoundError", "HookNotFoundError", "WorkflowWorldError"]
        runs = tools.told("inspect", "runs", "--workflowName", "checkout")["data"]
        assert sorted(run["status"] for run in runs) == ["cancelled", "completed"]
        assert "unhealthy" not in tools.workflow("health")
        check_values(tools)
