"""``docs/torpor-world.md``, followed beside the project of ``docs/from-workflow-sdk.md``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import run as torpor
from tests.docs.pages import DOCS, write_files
from tests.http.serving import Server
from tests.sdk.installed import VERSIONS, modules, require_node
from torpor.http.asgi import ROUTES
from torpor.programs.javascript.sdk_project import SdkProject

PAGE = "torpor-world.md"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
SECONDS_MAX = 60


@pytest.mark.long
@pytest.mark.network
def test_the_commands_do_what_the_page_says(tmp_path: Path) -> None:
    """The program and the commands run as pasted, in the project of the other page; npm links what it is told to."""
    assert write_files("from-workflow-sdk.md", tmp_path) == ["web/workflows/orders.ts", "app.py"]
    assert write_files(PAGE, tmp_path) == ["app.py", "web/order.mjs", "web/invoice.mjs"]
    web, installed = tmp_path / "web", modules(VERSIONS["5"])
    (web / "package.json").write_text(json.dumps({"name": "web", "private": True}), "utf-8")
    (web / "node_modules").mkdir()
    for each in installed.iterdir():
        (web / "node_modules" / each.name).symlink_to(each)
    path = f"{Path(require_node()).parent}:{Path(sys.executable).parent}:/usr/bin:/bin"
    _ = SdkProject(web).built
    with Server(tmp_path) as server:
        token = torpor(tmp_path, *re.findall(r"\$\(torpor (tokens create .*)\)", TEXT)[0].split()).strip()
        settings = {"TORPOR_URL": server.url, "TORPOR_TOKEN": token, "WORKFLOW_TARGET_WORLD": "torpor-world"}

        def shell(command: str) -> str:
            done = subprocess.run(
                ["sh", "-ec", command],
                cwd=web,
                env={"PATH": path, "HOME": str(tmp_path), "NO_COLOR": "1", **settings},
                capture_output=True,
                text=True,
                timeout=SECONDS_MAX,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            return done.stdout

        package = shell("python -m torpor.sdk world").strip()
        assert (Path(package) / "package.json").exists()
        (web / "node_modules" / "torpor-world").symlink_to(package)
        assert shell("node order.mjs") == "o-7 paid 4200, approved by the boss\n"
        told = json.loads(shell("npx workflow inspect runs --json"))["data"]
        assert [(run["workflowName"].rpartition("//")[2], run["status"]) for run in told] == [("checkout", "completed")]
        assert "charge" in shell(f"npx workflow inspect steps --runId {told[0]['runId']}")
        shell("npx workflow start checkout '\"o-8\"'")
        shell("npx workflow cancel --status running --workflowName checkout -y")
        [newest, _] = json.loads(shell("npx workflow inspect runs --json"))["data"]
        assert newest["status"] == "cancelled"
        assert f"```\n{shell('node invoice.mjs')}```" in TEXT


def test_what_the_page_says_is_there() -> None:
    """Each function that it says is there stands in the package, and the addresses are the server's."""
    package = "".join(path.read_text("utf-8") for path in (DOCS.parent / "js" / "world").glob("*.mjs"))
    rows = [line for line in TEXT.splitlines() if re.match(r"\| `.* \| yes", line)]
    names = [name for row in rows for name in re.findall(r"`(?:\w+\.)?(\w+)`", row.partition(" | ")[0])]
    assert len(names) > 20
    assert [name for name in names if not re.search(rf"\b{name}\b", package)] == []
    assert any(route.path.startswith("/v1/sdk/") for route in ROUTES)
