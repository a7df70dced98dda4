"""``torpor archive``: let logs begin late."""

from __future__ import annotations

from typing import Annotated

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import FAILED, command, report
from torpor.client import Client
from torpor.errors import TorporError
from torpor.inspection.archive import archive as archive_run
from torpor.inspection.reading import Reader


@command
def archive(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Their ids, or the beginnings of their ids.")],
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Drop the beginning of logs, behind tried snapshots.

    Each snapshot is restored in a copy of the run's VM before anything is dropped. A run that has ended keeps how it
    ended. What was dropped is gone: inspect says where a log begins.

    Example: torpor archive wrun_01K9ZV8Q0C6K2W9T3N5J7H1M4P
    """

    async def carried_out(client: Client) -> tuple[list[dict[str, object]], list[TorporError]]:
        done: list[dict[str, object]] = []
        refused: list[TorporError] = []
        for text in runs:
            try:
                run, dropped = await archive_run(client, await Reader(client).find(text))
            except TorporError as error:
                refused.append(error)
                continue
            done.append({"id": run.id, "base": run.base, "dropped": dropped})
            if not json:
                say(f"{run.id}: {dropped} events dropped, the log begins after event {run.base}")
        return done, refused

    done, refused = with_client(app, world, carried_out)
    if json:
        print_json({"archived": done, "refused": [{"code": error.code, "message": str(error)} for error in refused]})
    for error in refused:
        report(error)
    if refused:
        raise typer.Exit(FAILED)
