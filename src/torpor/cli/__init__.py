"""
The command line: ``torpor …``.

One file a command or a group of them; what they share:

::

    loading.py      finding and importing an application
    opening.py      the application or world that a command works on
    options.py      options that several commands have
    reporting.py    errors as one line and an exit code
    output.py       tables, JSON and plain lines
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from torpor.cli import checks
from torpor.cli.archive import archive
from torpor.cli.cancel import cancel
from torpor.cli.deployments import check, deployments
from torpor.cli.dev import dev
from torpor.cli.doctor import doctor
from torpor.cli.inspect_run import inspect
from torpor.cli.keys import generate_key, list_keys, rotate_keys
from torpor.cli.output import say
from torpor.cli.program import show_programs
from torpor.cli.repl import repl
from torpor.cli.runs import hooks, runs
from torpor.cli.start import resume, start
from torpor.cli.stopping import own_process
from torpor.cli.warm import warm
from torpor.cli.worker import worker

COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "dev": dev,
    "worker": worker,
    "start": start,
    "runs": runs,
    "hooks": hooks,
    "inspect": inspect,
    "repl": repl,
    "resume": resume,
    "cancel": cancel,
    "archive": archive,
    "doctor": doctor,
    "warm": warm,
    "deployments": deployments,
    "deploy check": check,
    "keys generate": generate_key,
    "keys list": list_keys,
    "keys rotate": rotate_keys,
    "program show": show_programs,
}
"""Every command by its full name; nothing else registers one."""

_CONTEXT: Final = {"help_option_names": ["-h", "--help"]}
_GROUPS: Final = {
    "deploy": "Look at a deploy before it is made.",
    "keys": "Make and look after the keys that runs are encrypted with.",
    "program": "Look at the programs that workflow files make.",
}


def root(
    context: typer.Context,
    world: Annotated[
        str | None,
        typer.Option("--world", metavar="URL", envvar="TORPOR_WORLD", show_default=False, help="Where runs live."),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """
    Torpor: durable workflows that fall asleep and wake exactly where they were.

    Example: torpor dev app.py, and in another terminal: torpor start checkout o-1 4200 --wait
    """
    if version:
        say(f"torpor {checks.versions().facts['torpor']}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit
    context.obj = world


def make_app() -> typer.Typer:
    """Return the Typer application of all commands."""
    made = typer.Typer(**_settings(), invoke_without_command=True, callback=root)
    groups = {name: typer.Typer(**_settings(), help=text, no_args_is_help=True) for name, text in _GROUPS.items()}
    for name, group in groups.items():
        made.add_typer(group, name=name)
    for full_name, function in COMMANDS.items():
        group_name, _, name = full_name.rpartition(" ")
        (groups[group_name] if group_name else made).command(name)(function)
    return made


def _settings() -> dict[str, Any]:
    """Return what every group has: help that stays plain text, and tracebacks that stay Python's."""
    return {"rich_markup_mode": None, "pretty_exceptions_enable": False, "context_settings": _CONTEXT}


app = make_app()
"""The command line as a Typer application, for tests and documentation."""


def main() -> None:
    """Run the command line of this process."""
    own_process()
    app(prog_name="torpor")
