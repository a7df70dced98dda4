"""Which world a command works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.project import APP


def listed(torpor: Torpor, *arguments: str, **environment: str) -> str:
    """Return the URL of the world that `torpor runs` finds empty."""
    result = torpor(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.stderr.strip().removeprefix("no such run in world ")


@pytest.fixture
def worlds(empty: Path, torpor: Torpor) -> dict[str, str]:
    """Worlds without runs, in files that exist."""
    (empty / "app.py").write_text(APP.replace("Torpor()", 'Torpor("sqlite:///app.db")'))
    (empty / "flows").mkdir()
    (empty / "flows" / "a.js").write_text('export async function a() { "use workflow"; }')
    names = ("torpor", "app", "env", "before", "after")
    urls = {name: f"sqlite:///{name}.db" for name in names}
    for url in urls.values():
        run = torpor.ok("start", "a", "--world", url).strip()
        torpor.ok("cancel", run, "--world", url)
    return urls


def test_the_option_outranks_the_rest(torpor: Torpor, worlds: dict[str, str]) -> None:
    """--world after the command, before the command, TORPOR_WORLD, the application: in this order."""
    runs = ("runs", "--status", "running")
    env = {"TORPOR_WORLD": worlds["env"]}

    assert listed(torpor, "--world", worlds["before"], *runs, "--world", worlds["after"], **env) == worlds["after"]
    assert listed(torpor, "--world", worlds["before"], *runs, **env) == worlds["before"]
    assert listed(torpor, *runs, **env) == worlds["env"]
    assert listed(torpor, *runs) == worlds["app"]


def test_without_an_application_there_is_a_default(torpor: Torpor, worlds: dict[str, str], empty: Path) -> None:
    """sqlite:///torpor.db is taken in the end."""
    (empty / "app.py").unlink()

    assert listed(torpor, "runs", "--status", "running") == worlds["torpor"]


def test_somebody_elses_app_py_is_not_in_the_way(torpor: Torpor, worlds: dict[str, str], empty: Path) -> None:
    """An app.py that nobody named and that has no application is passed over."""
    (empty / "app.py").write_text("app = object()\n")

    assert listed(torpor, "runs", "--status", "running") == worlds["torpor"]


@pytest.mark.usefixtures("worlds")
def test_a_named_application_must_be_one(torpor: Torpor, empty: Path) -> None:
    """What was asked for by name is not passed over."""
    (empty / "other.py").write_text("app = object()\n")

    result = torpor("runs", "--app", "other.py")

    assert result.exit_code == 2
    assert "other.py has no Torpor application" in result.stderr


def test_a_broken_application_never_means_another_world(torpor: Torpor, worlds: dict[str, str], empty: Path) -> None:
    """The error says how to do without the application; with --world it is not even imported."""
    (empty / "app.py").write_text("1 / 0\n")

    result = torpor("runs")

    assert result.exit_code == 2
    assert "--world URL" in result.stderr
    assert listed(torpor, "runs", "--status", "running", "--world", worlds["after"]) == worlds["after"]


@pytest.mark.parametrize("command", [["runs"], ["inspect", "wrun_1"], ["cancel", "wrun_1"], ["resume", "token"]])
def test_a_world_that_does_not_exist_is_not_made(torpor: Torpor, empty: Path, command: list[str]) -> None:
    """A mistyped URL is an error and leaves no empty file behind."""
    result = torpor(*command, "--world", "sqlite:///nowhere.db")

    assert result.exit_code == 2
    assert "there is no file" in result.stderr
    assert not list(empty.iterdir())


@pytest.mark.usefixtures("project")
def test_a_world_in_memory_shows_nothing(torpor: Torpor) -> None:
    """Commands refuse a world that nobody else can see."""
    for command in (["runs"], ["start", "addTen", "1"]):
        result = torpor(*command, "--world", "memory://")

        assert result.exit_code == 2
        assert "memory://" in result.stderr


@pytest.mark.usefixtures("empty")
def test_an_unknown_scheme_is_one_line(torpor: Torpor) -> None:
    """The world's own error is passed on."""
    result = torpor("runs", "--world", "mysql://x")

    assert result.exit_code == 2
    assert result.stderr.startswith("error[CONFIGURATION]: world URL 'mysql://x' has the unknown scheme")


def test_a_file_that_is_no_world(torpor: Torpor, empty: Path) -> None:
    """Somebody else's file is left alone."""
    (empty / "notes.db").write_text("not a database, and long enough to be looked at " * 100)

    result = torpor("runs", "--world", "sqlite:///notes.db")

    assert result.exit_code == 2
    assert "is no torpor database" in result.stderr


def test_an_application_may_run_a_loop_of_its_own_while_it_is_imported(torpor: Torpor, project: Path) -> None:
    """What works with `python app.py` works here: no event loop runs during the import."""
    with (project / "app.py").open("a") as file:
        file.write("\nimport asyncio\nasyncio.run(asyncio.sleep(0))\n")

    for command in ("runs", "start addTen 1", "program show", "doctor"):
        torpor.ok(*command.split())
