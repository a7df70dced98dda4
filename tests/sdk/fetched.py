"""
Upstream's own workflow files, as npm brings them: those of ``@workflow/world-testing``, built by upstream, run as they
are.

No package of the SDK has the files of its workbench (``99_e2e.ts``, ``98_duplicate_case.ts`` and the like). These were
looked at: ``workflow`` 5.0.0-beta.55 and 4.8.9 with all of ``@workflow/*`` that they bring (astro, builders, cli, core,
errors, nest, next, nitro, nuxt, rollup, serde, sveltekit, swc-plugin, typescript-plugin, utils, vite, web, world,
world-local, world-vercel), ``@workflow/ai`` 6.0.0, ``@workflow/vitest`` 4.0.25 and ``@workflow/world-testing``
5.0.0-beta.35; ``create-workflow`` and ``create-workflow-app`` are no packages. So the cases of the workbench are
written anew, in ``project/``.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.harness.npm import packages
from tests.sdk.cases import Case
from tests.sdk.setting import SECONDS_MAX, Setting
from torpor.programs.javascript.sdk_project import SdkProject, node, scripts

VERSION = "5.0.0-beta.35"
_PLACE = "workflow//./workflows/"

FETCHED: dict[str, Case] = {}
"""What ``@workflow/world-testing`` asserts of its workflows; how often its own server is asked is not among it."""


def make_fetched(folder: Path) -> Path:
    """Return a project in *folder* of which all was built by upstream, and nothing is built here."""
    installed = packages(f"workflow-world-testing-{VERSION}", f"@workflow/world-testing@{VERSION}")
    (folder / "node_modules").mkdir(parents=True)
    for package in installed.iterdir():
        if not package.name.startswith("."):
            (folder / "node_modules" / package.name).symlink_to(package)
    (folder / "package.json").write_text(json.dumps({"dependencies": {"workflow": VERSION}}), "utf-8")
    place = folder / "node_modules" / ".cache" / "torpor" / SdkProject(folder)._fingerprint()
    made_by = Path(__file__).with_suffix(".mjs")
    testing = installed / "@workflow" / "world-testing"
    command = [node(), str(made_by), str(testing), str(scripts() / "source-map.mjs"), str(place)]
    subprocess.run(command, check=True, timeout=60)
    return folder


def returns(name: str, workflow: str, *args: Any, expected: Any) -> None:
    """Add a case of which all is said by what a workflow returns."""

    async def run(to: Setting) -> None:
        found = await to.result(f"{_PLACE}{workflow}", *args)
        assert found == expected, found

    FETCHED[name] = run


returns("addition", "addition//addition", 1, 2, expected=3)
returns("null bytes in step results", "null-byte//nullByteWorkflow", expected="null byte \0")
returns("sequential steps", "inline-execution//sequentialStepsWorkflow", 10, expected=20)
returns("sequential steps with stream", "inline-execution//sequentialStepsWithStreamWorkflow", expected="hello world")
returns("sleep", "inline-execution//sleepWorkflow", expected=3)
returns("parallel steps", "inline-execution//parallelStepsWorkflow", expected=33)
returns("steps with a signal", "signal-cost//signalCostWorkflow", {"count": 5, "withSignal": True}, expected="done")


async def _idempotency(to: Setting) -> None:
    found = await to.result(f"{_PLACE}noop//brokenWf", 1, 2)
    assert len(found["numbers"]) == 20, found


async def _errors(to: Setting) -> None:
    found = await to.result(f"{_PLACE}retriable-and-fatal//retryableAndFatalErrorWorkflow")
    assert found["gotFatalError"]
    assert found["retryableResult"]["attempt"] == 2
    assert found["retryableResult"]["duration"] >= 2000, found  # since the first attempt has begun


async def _hooks(to: Setting) -> None:
    token = to.fresh("fetched")
    run = await to.start(f"{_PLACE}hooks//collectWithHook", token, "data")
    metadata = {"customData": "data"}
    payloads: list[dict[str, Any]] = [{"data": f"payload {n}", "metadata": metadata} for n in (1, 2, 3)]
    payloads[2]["done"] = True
    for payload in payloads:
        await to.resume(token, payload)
    assert await run.result(timeout=SECONDS_MAX) == {"collected": payloads}
    lines = b"".join([chunk async for chunk in run.stream()]).decode().splitlines()
    told = [json.loads(line) for line in lines]
    assert [each["event"] for each in told] == ["hookCreated", *["hookResumed"] * 3]
    assert [each["payload"] for each in told[1:]] == payloads


async def _lineage(to: Setting) -> None:
    root = await to.start(f"{_PLACE}lineage//chainRoot")
    middle = to.app.run(await root.result(timeout=SECONDS_MAX))
    leaf = to.app.run(await middle.result(timeout=SECONDS_MAX))
    await leaf.result(timeout=SECONDS_MAX)
    parents = [(await run.info()).parent or "" for run in (root, middle, leaf)]
    assert parents == ["", root.id, middle.id], parents


FETCHED |= {
    "idempotency": _idempotency,
    "retriable and fatal errors": _errors,
    "hooks": _hooks,
    "three levels of runs": _lineage,
}
