"""What a worker logs, as objects: ``--log-format json``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.conftest import Torpor

APP = """
import logging

from torpor import FatalError, Torpor

app = Torpor("sqlite:///torpor.db")


@app.step
def weigh(parcel: str) -> int:
    logging.getLogger("shop").warning("%s is \\"heavy\\"\\nand large", parcel)
    raise FatalError("the scales are broken")


@app.workflow
async def ship(parcel: str) -> int:
    return await weigh(parcel)
"""


def test_lines_are_objects_that_say_whose_they_are(torpor: Torpor, tmp_path: Path) -> None:
    """Lines of steps and of the engine name run, step and attempt; each is one line, whatever its text has."""
    (tmp_path / "app.py").write_text(APP)
    world = f"sqlite:///{tmp_path}/torpor.db"
    torpor.ok("start", "ship", "p-1", "--run-id", "r-1", "--app", str(tmp_path / "app.py"), "--world", world)
    done = subprocess.run(
        [sys.executable, "-m", "torpor.cli", "tick", "app.py", "--world", world, "--log-format", "json"],
        cwd=tmp_path,
        env=os.environ | {"TORPOR_DEBUG": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    told: dict[str, dict[str, Any]] = {each["logger"]: each for each in map(json.loads, done.stderr.splitlines())}
    step, run = told["shop"], told["torpor.runs"]
    assert step["message"] == 'p-1 is "heavy"\nand large'
    assert (step["level"], step["run_id"], step["attempt"]) == ("warning", "r-1", 1)
    assert step["step"].endswith("//weigh")
    assert step["time"].endswith("Z")
    assert run["run_id"] == "r-1"
    assert "the scales are broken" in run["message"]


def test_an_unknown_form_is_told(torpor: Torpor) -> None:
    """The message has those that there are."""
    refused = torpor("worker", "app.py", "--log-format", "yaml")
    assert refused.exit_code == 2
    assert "use text or json" in refused.output
