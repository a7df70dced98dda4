"""``torpor export`` and ``torpor import``: a run in one file, from world to world."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from torpor.capsules import SUFFIX, transfer
from torpor.capsules.archives import Capsules
from torpor.capsules.file import Manifest
from torpor.capsules.file import read as read_capsule
from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import command
from torpor.client import Client
from torpor.errors import UsageError
from torpor.inspection.reading import Reader
from torpor.inspection.timestamps import bytes_text
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Run
from torpor.programs.catalogue import short_name
from torpor.worlds.urls import shown


@command
def export_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or the beginning of it.")],
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="PLACE", help="Take it from an archive: a folder, or postgres://…"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help=f"By default its id, with {SUFFIX} behind it.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="With image and guest build, for who has another version of Torpor.")
    ] = False,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Under the newest key of TORPOR_KEYS or the application.")
    ] = False,
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Write a run with all that belongs to it into a file.

    Its log, program, snapshot, streams, timers, hooks and messages, as one moment has them. The run may be asleep, at
    work or over; it is not touched, and goes on. torpor inspect and torpor repl open the file, torpor import puts it
    into a world. What of a run is encrypted stays so; without --encrypt the rest can be read by who has the file.

    A run that has gone is taken from the archive that --from names, by its whole id.

    Example: torpor export order-17 -o order-17.capsule
    """

    async def taken(client: Client) -> tuple[str, bytes]:
        run_id = await Reader(client).find(run)
        return run_id, await transfer.take_out(client.world, run_id, client.keyring, whole=whole, encrypt=encrypt)

    if start is None:
        run_id, data = with_client(app, world, taken)
    elif whole or encrypt:
        raise UsageError("what is in an archive comes as it is there: leave out --whole and --encrypt")
    else:
        run_id, data = run, _archived(start, run)
    file = out or Path(f"{run_id.replace('%', '%25').replace('/', '%2F')}{SUFFIX}")
    transfer.save(file, data)
    manifest = read_capsule(data).manifest
    if json:
        print_json({"file": str(file), "bytes": len(data), **_about(manifest)})
        return
    say((str(file), "bold"), f"  {bytes_text(len(data))}, {_text(manifest)}")
    if not (manifest.key_id or manifest.run_key_id):
        say(("it is not encrypted: who has it can read all that is in it", "dim"), err=True)


@command
def import_run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What torpor export has written.")],
    paused: Annotated[bool, typer.Option("--paused", help="Nothing happens in the run before torpor unpause.")] = False,
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Put the run of a file into a world, where it goes on.

    It keeps its id, and is refused where that is taken. From where it was it goes on as soon as a worker of its
    application takes it, beside the run that the file was made from, if that one still goes on: --paused keeps it from
    that. Nothing is stored of a file that is damaged or makes no sense.

    Example: torpor import order-17.capsule --world sqlite:///torpor.db
    """
    if not file.is_file():
        raise UsageError(f"there is no file {file}; torpor export writes one")
    data = transfer.load(file)
    manifest = read_capsule(data).manifest

    async def put(client: Client) -> tuple[Run, list[str]]:
        stored = await transfer.put_in(client.world, data, client.keyring, paused=paused)
        return stored, await _absent(client, stored)

    run, absent = with_client(app, world, put, may_be_new=True)
    if json:
        print_json({**_about(manifest), "paused": run.paused, "awaits_elsewhere": absent})
        return
    say(run.id)
    if run.status not in RUN_TERMINAL:
        goes_on = "paused; torpor unpause lets it go on" if run.paused else "a worker of its application takes it up"
        say((f"{_text(manifest)}: {goes_on}", "dim"), err=True)
    for other in absent:
        say((f"it waits for the end of run {other}, which is not in this world", "yellow"), err=True)


def _archived(place: str, run_id: str) -> bytes:
    """
    Return the capsule of a run that has gone into an archive.

    Raises:
        UsageError: it is not there.
    """
    data = asyncio.run(Capsules(place).find(run_id))
    if data is None:
        raise UsageError(f"there is no run {run_id} in {shown(place)}; a run is found there by its whole id")
    return data


async def _absent(client: Client, run: Run) -> list[str]:
    """Return the runs whose end a run waits for, and that are not in its world."""
    hooks = (await client.world.open_entities(run.id)).hooks.values()
    watched = {hook.watch for hook in hooks if hook.status == "live" and hook.watch}
    return sorted(watched - (await client.world.statuses(watched)).keys())


def _text(manifest: Manifest) -> str:
    return f"{short_name(manifest.workflow)} {manifest.status} after event {manifest.head}"


def _about(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.run,
        "workflow": manifest.workflow,
        "status": manifest.status,
        "head": manifest.head,
        "key_id": manifest.key_id,
        "run_key_id": manifest.run_key_id,
        "build": manifest.build,
        "whole": manifest.whole,
        "made_by": manifest.made_by,
    }
