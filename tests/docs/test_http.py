"""``docs/http.md``, followed in an empty directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import SOURCE, Process
from tests.docs.pages import DOCS, write_files

PORT = "8585"


def commands() -> list[str]:
    """Return the commands of the page, in their order."""
    page = (DOCS / "http.md").read_text(encoding="utf-8")
    return re.findall(r"^\$ (.*)$", page, re.MULTILINE)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A shell of a reader, in which `torpor` is this one."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")}
    with subprocess.Popen(
        ["bash", "--norc"],
        cwd=tmp_path,
        env=env | {"PYTHONPATH": SOURCE, "no_proxy": "localhost"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        yield running


def test_the_page_runs_as_pasted(tmp_path: Path, shell: subprocess.Popen[str]) -> None:
    """But for the port, which may be taken, and the id of a token, which is made up."""
    assert write_files("http.md", tmp_path) == ["shop.py", "web.py"]
    serve, *others = commands()
    assert serve == f"torpor serve shop.py --port {PORT}"
    with Process(tmp_path, *serve.replace(PORT, "0").split()[1:]) as server:
        port = re.search(r":(\d+),", server.wait_line("serving http://"))
        assert port is not None
        script = [f'torpor() {{ "{sys.executable}" -P -m torpor.cli "$@"; }}', "shopt -s expand_aliases", "set -e"]
        for command in others:
            if "tokens revoke" in command:
                continue
            script += [f"echo '--- {len(script)}'", command.replace(PORT, port[1])]
        told, _ = shell.communicate("\n".join([*script, "echo done"]) + "\n", timeout=100)
    assert told.endswith("done\n"), told
    assert '"output":"receipt for o-1"' in told
    assert '"text":"charge(\\"o-1\\", 4200)"' in told
    assert 'data: {"index":0,"value":{"charging":4200}' in told
    assert "event: end" in told
    assert told.count('{"status":"ok"}') == 2
    assert re.search(r'{"queue":"","worker":"wrkr_\w+","app":"shop"', told)
    assert re.search(r"wrkr_\w+ of application shop has answered after \d+ ms", told)
    assert re.search(r'"runs":\[\{"id":"order-1"', told)
    assert re.search(r"dashboard +read +everything", told)
    assert re.search(r"operate +queue mail, workflow checkout", told)


def test_the_application_is_mounted_as_shown(tmp_path: Path) -> None:
    """The host opens the world, and requests are answered under its prefix."""
    write_files("http.md", tmp_path)
    asks = (
        "from starlette.testclient import TestClient\n"
        "from web import site\n"
        "with TestClient(site) as http:\n"
        "    print(http.get('/flows/ready').json(), http.get('/flows/v1/runs').status_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", asks], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "{'status': 'ok'} 401\n", done.stderr
