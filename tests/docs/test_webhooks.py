"""``docs/webhooks.md``, followed in an empty directory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.processes import Process, environment
from tests.docs.pages import DOCS, write_files
from torpor.http.serving import listen
from torpor.signing import TOLERANCE_SECONDS
from torpor.webhook_options import SCHEMES

PAGE = "webhooks.md"
PORT = "8585"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
COMMANDS = {"torpor": f"{sys.executable} -P -m torpor.cli ", "python": f"{sys.executable} "}
SHELL = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def shell(folder: Path, line: str) -> str:
    """Return what a line of the page prints."""
    line = re.sub(r"^(torpor|python) ", lambda found: COMMANDS[found[1]], line, flags=re.MULTILINE)
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quick_start(tmp_path: Path) -> None:
    """The lines do what the page says; the port is one that is free."""
    with listen("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])
    serve, start, rest = (each.replace(PORT, port) for each in SHELL)
    left, door, result = rest.splitlines()
    write_files(PAGE, tmp_path)
    app = tmp_path / "parcels.py"
    app.write_text(app.read_text("utf-8").replace(PORT, port), "utf-8")
    with Process(tmp_path, *serve.split()[1:], "--port", port) as server:
        server.wait_line("serving ")
        assert shell(tmp_path, start).strip() == "parcel-17"
        while "404" in (answer := shell(tmp_path, left)):
            pass  # the run has not made it yet
        assert answer.startswith("HTTP/1.1 202 Accepted")
        assert not answer.partition("\r\n\r\n")[2]
        assert json.loads(shell(tmp_path, door)) == {"signed": "Ada"}
        told = json.loads(shell(tmp_path, result))
    assert told in re.findall("`(P17: [^`]*)`", TEXT)


def test_all_schemes_are_there() -> None:
    """Each has a row, and no other has one; the tolerance is what the page says."""
    assert re.findall(r'^\| `"(\w+)"` \|', TEXT, re.MULTILINE) == ["manual", *SCHEMES]
    assert TOLERANCE_SECONDS == 5 * 60
