"""``torpor keys``: the deployment keys that runs are encrypted with."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say, show_table
from torpor.cli.reporting import command
from torpor.client import Client
from torpor.codec.crypto.keys import SETTING, Keyring, generate, key_text
from torpor.errors import ConfigurationError


@command
def generate_key() -> None:
    """
    Print a new key, ready for the environment.

    Whoever has it can read all that is encrypted with it; without it nobody can.

    Example: torpor keys generate >> .env
    """
    print(f"{SETTING}={key_text(generate())}")  # noqa: T201  # for the environment, to the letter
    say("keep it where secrets are kept, give it to every worker and client, and back it up", err=True)


@command
def rotate_keys(
    setting: Annotated[
        str | None,
        typer.Argument(
            metavar="[-]",
            show_default=False,
            help=f"Read the present keys from standard input instead of {SETTING}; arguments would be seen by others.",
        ),
    ] = None,
) -> None:
    """
    Print the present keys with a new one before them.

    What is stored stays as it is and readable; runs that begin afterwards use the new key.

    Example: torpor keys rotate
    """
    if setting not in (None, "-"):
        raise ConfigurationError(f"keys are not taken from the command line; set {SETTING}, or give - and a pipe")
    text = sys.stdin.read() if setting == "-" else os.environ.get(SETTING, "")
    text = text.strip().removeprefix(f"{SETTING}=")
    present = Keyring.parse(text, "standard input" if setting == "-" else SETTING)
    if not present.ids:
        raise ConfigurationError("there are no keys to rotate; torpor keys generate makes the first one")
    print(f"{SETTING}={','.join((key_text(generate()), *present.texts()))}")  # noqa: T201  # as above
    say("give this value to every worker and client, workers first; one that does not have it yet leaves", err=True)
    say("runs of the new key alone, and nothing is lost. Drop an old key when torpor keys list shows no", err=True)
    say("run of it whose data you still need: what is stored is not encrypted anew", err=True)


@command
def list_keys(app: AppOption = None, world: WorldOption = None, json: JsonOption = False) -> None:
    """
    List the keys by their ids, and how many runs use each.

    Keys that runs use and that are not configured here are listed too; secrets never are.

    Example: torpor keys list
    """
    rows = with_client(app, world, _uses)
    if json:
        print_json(rows)
    elif rows:
        cells = ([row["id"], row["state"], str(row["unfinished"]), str(row["ended"])] for row in rows)
        show_table("key", "state", "unfinished runs", "ended runs", rows=cells)
    else:
        say("no keys: what runs store is plain. torpor keys generate makes a key", err=True)


async def _uses(client: Client) -> list[dict[str, Any]]:
    unfinished = await client.world.runs_by_key(live=True)
    every = await client.world.runs_by_key(live=False)
    ids = client.keyring.ids
    states = dict.fromkeys(ids, "older") | {key: "missing" for key in every if key not in ids}
    if ids:
        states[client.keyring.current] = "current"
    return [
        {
            "id": key,
            "state": state,
            "unfinished": unfinished.get(key, 0),
            "ended": every.get(key, 0) - unfinished.get(key, 0),
        }
        for key, state in states.items()
    ]
