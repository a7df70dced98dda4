"""``torpor query``: what a run's queries tell."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from torpor.cli.opening import named_run, with_client
from torpor.cli.options import AppOption, WorldOption
from torpor.cli.output import print_json
from torpor.cli.reporting import command
from torpor.cli.start import VALUE_HELP, value_of
from torpor.client import Client
from torpor.codec import RemoteError, dumps
from torpor.errors import TorporError, UsageError
from torpor.inspection.readable import readable_payload
from torpor.inspection.reading import Reader


@command
def query(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or the beginning of it.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the query.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARG]", help=f"Its arguments, each {VALUE_HELP}")
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Ask a copy of a run for what one of its queries tells, and print it as JSON.

    The run is not woken. Its answer is of the state that is stored now; an encrypted run needs its key.

    Example: torpor query order-17 progress
    """
    values = [value_of(text) for text in arguments or ()]

    async def asked(client: Client) -> Any:
        run_id = await named_run(Reader(client), run, last=False)
        try:
            return await client.run(run_id).query(name, *values)
        except TorporError:
            raise
        except Exception as raised:  # the query's own, of whatever class
            what = raised.name if isinstance(raised, RemoteError) else type(raised).__name__
            raise UsageError(f"query {name} of run {run_id} raised {what}: {raised}") from raised

    print_json(readable_payload(dumps(with_client(app, world, asked))))
