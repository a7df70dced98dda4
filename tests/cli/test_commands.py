"""The command line as a whole: its table of commands, its help, its exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.cli.conftest import Torpor
from tests.cli.processes import Process
from torpor.cli import COMMANDS, app


def registered() -> dict[str, Any]:
    """Return the commands that Typer knows, by full name."""
    found: dict[str, Any] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        if hasattr(command, "commands"):
            found |= {f"{name} {inner}": each for inner, each in command.commands.items()}
        else:
            found[name] = command
    return found


def test_the_table_holds_every_command() -> None:
    """Documentation can be checked against the table."""
    assert list(registered()) == list(COMMANDS)
    assert set(COMMANDS) == {
        "init",
        "migrate",
        "dev",
        "worker",
        "tick",
        "web",
        "serve",
        "mcp",
        "start",
        "runs",
        "hooks",
        "export",
        "import",
        "move",
        "inspect",
        "trace",
        "diff",
        "fork",
        "stream",
        "repl",
        "resume",
        "send",
        "resolve",
        "cancel",
        "pause",
        "unpause",
        "retry",
        "rerun",
        "prune",
        "wake",
        "query",
        "archive",
        "doctor",
        "health",
        "warm",
        "deployments",
        "deploy check",
        "queues list",
        "queues set",
        "queues delete",
        "tenants list",
        "tenants show",
        "tenants delete",
        "schedules list",
        "schedules show",
        "schedules create",
        "schedules pause",
        "schedules unpause",
        "schedules trigger",
        "schedules backfill",
        "schedules delete",
        "keys generate",
        "keys list",
        "keys rotate",
        "tokens create",
        "tokens list",
        "tokens revoke",
        "program show",
    }


def test_the_table_says_what_commands_are_for() -> None:
    """In the first sentence of each command's own help."""
    first = {name: command.help.split("\n")[0] for name, command in registered().items()}

    assert {name: place.purpose for name, place in COMMANDS.items()} == first


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches(torpor: Torpor, name: str) -> None:
    """Every command says in a sentence what it is for, gives an example of itself, and explains each option."""
    text = torpor.ok(*name.split(), "--help")

    purpose = text.split("\n\n")[1].strip()
    assert re.match(r"[A-Z][^.]*\.", purpose)
    assert f"Example: torpor {name}" in text
    for option in re.findall(r"^  (?:-\w, )?--[\w-]+.*(?:\n {20,}.*)*", text, re.MULTILINE):
        assert len(option.split()) > 3, f"no explanation: {option}"


def test_the_list_of_commands_is_not_cut(torpor: Torpor) -> None:
    """The first sentence of each command fits into the overview."""
    overview = torpor.ok("--help").partition("Commands:")[2]

    assert "..." not in overview
    assert all(name.split()[0] in overview for name in COMMANDS)


def test_nothing_asked_is_the_overview(torpor: Torpor) -> None:
    """`torpor` alone helps."""
    assert "Commands:" in torpor.ok()


def test_version(torpor: Torpor) -> None:
    """--version is one line that begins with the name."""
    assert re.fullmatch(r"torpor \S.*\n", torpor.ok("--version"))


@pytest.mark.parametrize("arguments", [["frobnicate"], ["runs", "--frob"], ["inspect"], ["runs", "--limit", "0"]])
def test_a_wrong_command_line_is_exit_code_2(torpor: Torpor, arguments: list[str]) -> None:
    """Typer's own usage errors are like ours."""
    assert torpor(*arguments).exit_code == 2


@pytest.mark.usefixtures("empty")
def test_an_error_is_one_line_on_standard_error(torpor: Torpor) -> None:
    """Code and message, nothing on standard output, no traceback and no colours."""
    result = torpor("runs")

    assert result.stdout == ""
    assert re.fullmatch(r"error\[CONFIGURATION\]: .*\n", result.stderr)
    assert "\x1b" not in result.stderr


@pytest.mark.usefixtures("empty")
def test_debug_shows_the_traceback_too(torpor: Torpor) -> None:
    """TORPOR_DEBUG=1 is for finding out where an error comes from."""
    result = torpor("runs", TORPOR_DEBUG="1")

    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error[CONFIGURATION]: ")


@pytest.mark.usefixtures("empty")
def test_errors_are_red_on_a_terminal(torpor: Torpor) -> None:
    """Where colours are asked for, there are some; the text stays whole."""
    result = torpor("runs", FORCE_COLOR="1", TERM="xterm")

    assert "\x1b[1;31merror[CONFIGURATION]: " in result.stderr


def test_as_a_process(empty: Path) -> None:
    """`python -m torpor.cli` is the same command line, with its exit codes."""
    with Process(empty, "runs") as process:
        assert process.wait_end() == 2
    (line,) = process.seen
    assert line.startswith("error[CONFIGURATION]: ")


def test_options_have_one_name_for_one_thing() -> None:
    """An option that several commands have is the same option everywhere."""
    meanings: dict[str, set[str]] = {}
    group = typer.main.get_command(app)
    for command in group.commands.values():  # type: ignore[attr-defined]  # the command line is a group
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("-"):
                    meanings.setdefault(option, set()).add(str(parameter.name))
    assert {option: names for option, names in meanings.items() if len(names) > 1} == {}


def test_the_shell_completes_commands() -> None:
    """What ``--install-completion`` puts into a shell asks for words, and is told those that begin so."""
    asked = {"_TORPOR_COMPLETE": "complete_bash", "COMP_WORDS": "torpor in", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from torpor.cli import main; main()"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["init", "inspect"]
