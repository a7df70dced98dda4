"""A server whose runs the SDK's own tools look at, and these tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from tests.http.serving import Server
from tests.sdk.installed import add_packages, modules, require_node
from torpor.programs.javascript.sdk_project import SdkProject

SERVED = Path(__file__).parent / "served"
SECONDS_MAX = 60


class Tools:
    """
    ``torpor serve`` on a project of the SDK, and a folder in which the SDK's tools find ``torpor-world``.

    Args:
        folder: for both.
        version: of the SDK.

    Attributes:
        server: the server.
        folder: where the tools run.
        settings: of their environment.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder / "tools"
        self._version = version
        self._node = require_node()
        shutil.copytree(SERVED, folder / "served")
        (folder / "served" / "web" / "node_modules").symlink_to(modules(version))
        _ = SdkProject(folder / "served" / "web").built  # which takes its time, once on a machine
        self.folder.mkdir()
        (self.folder / "package.json").write_text('{ "private": true, "type": "module" }')
        for script in SERVED.glob("*.mjs"):
            shutil.copy(script, self.folder)
        add_packages(self.folder, version)
        self.server = Server(folder / "served")
        self.settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.server.__enter__()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TORPOR_", "WORKFLOW_"))}
        self.settings = {
            **kept,
            "TORPOR_URL": self.server.url,
            "TORPOR_TOKEN": self.server.token,
            "WORKFLOW_TARGET_WORLD": "torpor-world",
            "XDG_DATA_HOME": str(self.folder),
            "NO_COLOR": "1",
        }
        self._say_that_it_is_new()
        return self

    def __exit__(self, *raised: object) -> None:
        self.server.__exit__(None, None, None)

    def node(self, *arguments: str, **settings: str) -> str:
        """Run Node to its end and return what it prints; it must succeed."""
        done = subprocess.run(
            [self._node, *arguments],
            cwd=self.folder,
            env=self.settings | settings,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def workflow(self, *arguments: str, **settings: str) -> str:
        """Run the SDK's command line and return what it prints."""
        return self.node("node_modules/workflow/bin/run.js", *arguments, **settings)

    def told(self, *arguments: str) -> Any:
        """Return what the SDK's command line tells as JSON."""
        return json.loads(self.workflow(*arguments, "--json"))

    def start(self, workflow: str, *args: Any, **kwargs: Any) -> str:
        """Start a run."""
        with self.server.client() as http:
            asked = {"workflow": workflow, "args": args, "kwargs": kwargs}
            run_id: str = http.post("/v1/runs", json=asked).json()["id"]
        return run_id

    def sleeping_run(self, order: str) -> str:
        """Return a run that sleeps before it has its hook."""
        run_id = self.start("checkout", order)
        with self.server.client() as http:
            events = f"/v1/sdk/runs/{run_id}/events"
            while all(event["eventType"] != "wait_created" for event in http.get(events).json()["data"]):
                pass
        return run_id

    def waiting_run(self, order: str) -> str:
        """Return a run that waits for its hook, ``approve:<order>``."""
        run_id = self.sleeping_run(order)
        with self.server.client() as http:
            http.post(f"/v1/runs/{run_id}/wake", json={})
            while not http.get(f"/v1/sdk/runs/{run_id}/hooks").json()["data"]:
                pass
        return run_id

    def outcome(self, run_id: str) -> dict[str, Any]:
        """Return what a run ends with, once it has ended."""
        with self.server.client() as http:
            told: dict[str, Any] = http.get(f"/v1/runs/{run_id}/result", params={"wait": 30}).json()
        return told

    def _say_that_it_is_new(self) -> None:
        """Spare the command line a look at a registry, which it takes from time to time."""
        package = modules(self._version) / "@workflow" / "cli" / "package.json"
        version = json.loads(package.read_text())["version"]
        known = {"currentVersion": version, "latestVersion": version, "needsUpdate": False}
        kept = self.folder / "workflow" / "version-check.json"
        kept.parent.mkdir()
        kept.write_text(json.dumps({**known, "timestamp": int(time.time() * 1000)}))
