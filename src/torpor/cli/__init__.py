"""
The command line: ``torpor …``.

One file a command or a group of them, imported when the command is called; what they share:

::

    lazily.py       commands that are imported when they are called
    loading.py      finding and importing an application
    opening.py      the application or world that a command works on
    options.py      options that several commands have
    reporting.py    errors as one line and an exit code
    output.py       tables, JSON and plain lines
"""

from __future__ import annotations

import gc
from typing import Annotated, Any, Final

import typer

from torpor.cli.lazily import Place, lazy_group
from torpor.cli.leaving import own_process

COMMANDS: Final[dict[str, Place]] = {
    "init": Place("init", "Make a small project: an application, and tests of it."),
    "dev": Place("dev", "Work on runs, show what they do, reload when files change."),
    "worker": Place("worker", "Work on runs until told to stop."),
    "tick": Place("tick", "Work off what is ready, say when the next tick is due, and end."),
    "web": Place("web", "Show runs in a browser of this machine."),
    "serve": Place("serve", "Answer HTTP requests, and work on runs, until told to stop."),
    "mcp": Place("mcp", "Let a model look at runs, by the Model Context Protocol."),
    "start": Place("start", "Start a run of a workflow, and print its id."),
    "runs": Place("runs", "List runs, newest first, and what they wait for."),
    "hooks": Place("runs", "List what waits for the outside world."),
    "inspect": Place("inspect_run", "Show what happened in a run."),
    "trace": Place("trace", "Show a run's spans as a tree, whichever workers made them."),
    "stream": Place("stream", "Show what is in a run's stream, chunk by chunk."),
    "diff": Place("moments", "Show what differs between two moments of a run: functions, variables and output."),
    "repl": Place("repl", "Open a prompt inside a copy of a run."),
    "resume": Place("start", "Deliver a payload to a hook, and print the id of its run."),
    "send": Place("start", "Send a message to a run, which keeps it until it is received."),
    "resolve": Place("start", "Say how a step ended that a run is blocked on."),
    "cancel": Place(
        "cancel", "Cancel runs by their ids, their status or their workflow, and the runs that they have started."
    ),
    "pause": Place("control", "Let nothing happen in runs for now, and print the ids of those that are paused."),
    "unpause": Place("control", "Let paused runs go on, and print their ids."),
    "wake": Place("control", "End sleeps and other timers of a run before their time, and say how many."),
    "query": Place("query", "Ask a copy of a run for what one of its queries tells, and print it as JSON."),
    "fork": Place("fork", "Start a new run that goes on from a place of another one's log, and print its id."),
    "retry": Place("control", "Take failed runs up again, and print their ids."),
    "rerun": Place("control", "Start a new run of the same workflow with the same input, and print its id."),
    "export": Place("capsules", "Write a run with all that belongs to it into a file.", "export_run"),
    "import": Place("capsules", "Put the run of a file into a world, where it goes on.", "import_run"),
    "move": Place("move", "Move a world, or some runs of it, into another one."),
    "archive": Place("archive", "Drop the beginning of logs, behind tried snapshots."),
    "prune": Place("prune", "Delete what is not kept any longer."),
    "migrate": Place("migrate", "Bring the world's schema up to date."),
    "doctor": Place("doctor", "Check the installation, the application and its world."),
    "health": Place("health", "Ask the workers whether they take work, and say who has answered."),
    "warm": Place("warm", "Compile and boot the guest languages ahead of time."),
    "deployments": Place("deployments", "List what is deployed, and what still has runs."),
    "deploy check": Place("deployments", "Say, before a deploy, which runs would wait for what.", "check"),
    "queues list": Place("queues", "List queues: what they allow, what goes on and what waits.", "list_queues"),
    "queues set": Place("queues", "Say what a queue allows.", "set_queue"),
    "queues delete": Place("queues", "Take all limits away from a queue."),
    "tenants list": Place("tenants", "List tenants, and what they have used.", "list_tenants"),
    "tenants show": Place("tenants", "Show a tenant as JSON: what it may use and call.", "show_tenant"),
    "tenants delete": Place("tenants", "Delete a tenant with all of its runs."),
    "schedules list": Place("schedules", "List schedules, and when each starts its next run.", "list_schedules"),
    "schedules show": Place("schedules", "Show a schedule, and when it starts its next runs.", "show_schedule"),
    "schedules create": Place("schedules", "Make a schedule that starts runs of a workflow."),
    "schedules pause": Place("schedules", "Start nothing any more, until it is unpaused."),
    "schedules unpause": Place("schedules", "Go on with the next slot."),
    "schedules trigger": Place("schedules", "Start a run now, beside its slots, and print the run's id."),
    "schedules backfill": Place("schedules", "Start the runs of all slots of a time that is over."),
    "schedules delete": Place("schedules", "Forget a schedule; its runs go on."),
    "keys generate": Place("keys", "Print a new key, ready for the environment.", "generate_key"),
    "keys list": Place("keys", "List the keys by their ids, and how many runs use each.", "list_keys"),
    "keys rotate": Place("keys", "Print the present keys with a new one before them.", "rotate_keys"),
    "tokens create": Place("tokens", "Make a token, and print it: nobody can print it again.", "create_token"),
    "tokens list": Place("tokens", "List the tokens that are valid; secrets are not kept.", "list_all_tokens"),
    "tokens revoke": Place("tokens", "Make a token invalid, from the next request on."),
    "program show": Place("program", "Show what is in each program of an application.", "show_programs"),
}
"""Every command by its full name; nothing else registers one."""

_GROUPS: Final = {
    "deploy": "Look at a deploy before it is made.",
    "queues": "Limit how much goes on at once, and in a while.",
    "tenants": "Look at those whose programs came as text.",
    "schedules": "See to what starts runs by the clock.",
    "keys": "Make and look after the keys that runs are encrypted with.",
    "tokens": "Say who may do what by HTTP.",
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
    from torpor.cli.output import say  # noqa: PLC0415  # help of commands needs none of it

    if version:
        from torpor.cli.versions import installed  # noqa: PLC0415  # as above

        say(f"torpor {installed('torpor')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit
    context.obj = world


def make_app() -> typer.Typer:
    """Return the Typer application of all commands."""
    made = typer.Typer(**_settings(""), invoke_without_command=True, callback=root)
    for name, text in _GROUPS.items():
        made.add_typer(typer.Typer(**_settings(name), help=text, no_args_is_help=True, callback=_nothing), name=name)
    return made


def _settings(group: str) -> dict[str, Any]:
    """Return what every group has: help that stays plain text, and tracebacks that stay Python's."""
    return {
        "cls": lazy_group(COMMANDS, group),
        "rich_markup_mode": None,
        "pretty_exceptions_enable": False,
        "context_settings": {"help_option_names": ["-h", "--help"]},
    }


def _nothing() -> None:
    """Stand for the commands of a group, which Typer does not know yet."""


app = make_app()
"""The command line as a Typer application, for tests and documentation."""


def main() -> None:
    """Run the command line of this process."""
    own_process()
    try:
        app(prog_name="torpor")
    finally:
        gc.freeze()  # Python looks for cycles as it ends: a tenth of a short command's time, for what is freed anyway
