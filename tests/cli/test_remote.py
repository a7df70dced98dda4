"""The command line against a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process, environment, run
from tests.cli.project import write_project
from torpor.cli import COMMANDS


class Served:
    """A server over a project's world, and tokens for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = Process(folder, "serve", "app.py", "--port", "0")
        self.url = self.process.wait_line("serving http://").split()[1].rstrip(",")
        self.tokens = {role: run(folder, "tokens", "create", "--role", role).strip() for role in ("work", "read")}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that works on runs too."""
    folder = tmp_path_factory.mktemp("served")
    write_project(folder)
    started = Served(folder)
    with started.process:
        yield started


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without an application or a database, as the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TORPOR_TOKEN", raising=False)
    return tmp_path


@pytest.mark.usefixtures("elsewhere")
def test_commands_have_a_servers_world(served: Served, torpor: Torpor) -> None:
    """A run is started, awaited, listed, shown and cancelled by whoever has URL and token, and nothing else."""
    place = ("--world", served.url, "--token", served.tokens["work"])
    assert json.loads(torpor.ok("start", "addTen", "3", "--wait", *place)) == 13
    [listed] = json.loads(torpor.ok("runs", "--json", *place))
    assert "13" in torpor.ok("inspect", listed["id"], *place)
    then = json.loads(torpor.ok("inspect", listed["id"], "--at", "1", "--stack", "--json", *place))
    assert (then["seq"], then["event"], then["status"]) == (1, "run_created", "pending")
    assert json.loads(torpor.ok("inspect", listed["id"], "--sizes", "--json", *place))["sizes"][0]["seq"] == 1
    waiting = torpor.ok("start", "approval", "t-1", *place).strip()
    torpor.ok("resume", "t-1", "--wait", "60s", '{"approved": true}', *place)
    assert torpor("cancel", waiting, *place).exit_code in {0, 1}
    for command in (("queues", "list"), ("schedules", "list"), ("deployments",), ("hooks",), ("doctor",), ("health",)):
        assert torpor(*command, *place).exit_code == 0, command


@pytest.mark.usefixtures("elsewhere")
def test_a_token_is_a_setting_too(served: Served, torpor: Torpor) -> None:
    """One that reads is shown the runs, and told what it lacks for more."""
    reader = {"TORPOR_TOKEN": served.tokens["read"], "TORPOR_WORLD": served.url}
    assert torpor("runs", **reader).exit_code == 0
    refused = torpor("start", "addTen", "1", **reader)
    assert refused.exit_code == 2
    assert "role operate" in refused.stderr
    assert "TORPOR_TOKEN" in refused.stderr


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("url", "token", "code", "words"),
    [
        ("", "", 2, "torpor tokens create"),
        ("", "tpr_wrong", 2, "not valid"),
        ("http://127.0.0.1:9", "", 1, "does not answer"),
        ("http://torpor.example.com", "", 2, "in the clear"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    served: Served, torpor: Torpor, url: str, token: str, code: int, words: str
) -> None:
    """No token, another one, no server, no TLS."""
    refused = torpor("runs", "--world", url or served.url, "--token", token)
    assert refused.exit_code == code, refused.output
    assert words in refused.stderr


@pytest.mark.usefixtures("elsewhere")
def test_tokens_are_not_made_from_afar(served: Served, torpor: Torpor) -> None:
    """Who could would be anybody."""
    refused = torpor("tokens", "create", "--role", "decrypt", "--world", served.url, "--token", served.tokens["work"])
    assert refused.exit_code == 2
    assert "where the world is" in refused.stderr


def test_a_worker_has_a_servers_world(served: Served, tmp_path: Path) -> None:
    """With the code of the application, and no database."""
    shutil.copytree(served.folder, tmp_path / "code", ignore=shutil.ignore_patterns("*.db*"))
    settings = {**environment(), "TORPOR_TOKEN": served.tokens["work"], "TORPOR_WORLD": served.url}
    with Process(tmp_path / "code", "worker", "app.py", "-p", "1", **settings) as worker:
        assert served.url in worker.wait_line("is at work")
    assert not list((tmp_path / "code").glob("*.db"))


def test_what_takes_a_world_takes_a_token(torpor: Torpor) -> None:
    """Also commands that are yet to be written."""
    for name in COMMANDS:
        told = torpor.ok(*name.split(), "--help")
        assert ("--world" in told) == ("--token" in told), name
