"""The SDK's own suite for Worlds, ``@workflow/world-testing``, over ``torpor-world``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.harness.npm import NpmError, packages
from tests.codec.node import find_node
from tests.docs.pages import DOCS
from tests.http.serving import Server
from tests.sdk.installed import VERSIONS, modules
from torpor.programs.javascript.sdk_project import SdkProject, npm_package

pytestmark = [pytest.mark.network, pytest.mark.long]

SUITE = Path(__file__).parent / "suite"
WANTED = ("@workflow/world-testing@5.0.0-beta.35", "vitest@4.1.11")
NODE_MIN = 22
SECONDS_MAX = 300

COUNTS_CALLS = "the handler of the World's queue is never called: workflows and steps run in Torpor's workers"
FAILS = {
    "sequential steps complete in a single flow invocation": COUNTS_CALLS,
    "sequential steps with stream complete in a single flow invocation": COUNTS_CALLS,
    "sleep workflow requires exactly 2 flow invocations": COUNTS_CALLS,
    "parallel steps (Promise.all) complete in 1-3 flow invocations": COUNTS_CALLS,
    "sequential steps carrying an AbortSignal still run in a single flow invocation": COUNTS_CALLS,
}
PASSES = {
    *("runs an addition", "idempotency", "hooks", "retriable and fatal errors", "supports null bytes in step results"),
    *("body-level start() records lineage on the child", "a three-level chain groups every run under the same root"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the suite, its packages and ``torpor-world``, beside one with the application."""
    try:
        installed = packages("workflow-world-testing-5.0.0-beta.35", *WANTED)
    except NpmError as error:
        pytest.skip(str(error))
    shutil.copytree(SUITE, tmp_path / "served")
    (tmp_path / "served" / "web" / "node_modules").symlink_to(modules(VERSIONS["5"]))
    _ = SdkProject(tmp_path / "served" / "web").built
    made = tmp_path / "suite"
    (made / "node_modules").mkdir(parents=True)
    for each in installed.iterdir():
        (made / "node_modules" / each.name).symlink_to(each)
    (made / "node_modules" / "torpor-world").symlink_to(npm_package("world"))
    for name in ("world.test.mjs", "world.mjs", "loopback.mjs"):
        shutil.copy(SUITE / name, made)
    return made


@pytest.mark.timeout(SECONDS_MAX * 3)
def test_what_of_the_suite_is_about_workflows_passes(folder: Path) -> None:
    """Its workflows, written anew, are started, resumed and awaited by it; what fails is known, with its reason."""
    node = find_node(NODE_MIN)
    if node is None:
        pytest.skip(f"there is no Node {NODE_MIN}, and pip has none for this machine")
    with Server(folder.parent / "served") as server:
        done = subprocess.run(
            [node, "node_modules/vitest/vitest.mjs", "run", "--reporter=json"],
            cwd=folder,
            env={
                "PATH": f"{Path(node).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(folder),
                "NODE_OPTIONS": f"--import={folder / 'loopback.mjs'}",
                "SUITE_WORLD": str(folder / "world.mjs"),
                "TORPOR_URL": server.url,
                "TORPOR_TOKEN": server.token,
            },
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    [line] = [line for line in done.stdout.splitlines() if line.startswith('{"numTotalTestSuites"')] or [""]
    assert line, done.stdout + done.stderr
    [told] = json.loads(line)["testResults"]
    outcomes = {each["title"]: each["status"] for each in told["assertionResults"]}
    failed = {name for name, outcome in outcomes.items() if outcome != "passed"}
    assert failed == FAILS.keys(), [each["failureMessages"] for each in told["assertionResults"]]
    assert outcomes.keys() - failed == PASSES


def test_the_page_lists_what_fails() -> None:
    """By name, with its reason."""
    page = " ".join((DOCS / "torpor-world.md").read_text("utf-8").split())
    assert [name for name in (*FAILS, *PASSES) if f"*{name}*" not in page] == []
    assert all(reason in page for reason in FAILS.values())
