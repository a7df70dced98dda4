"""``torpor stream``: what is in a run's stream."""

from __future__ import annotations

import json as json_text
import sys
from typing import Annotated

import typer

from torpor.cli.opening import named_run, with_reader
from torpor.cli.options import AppOption, DecryptOption, LastOption, RunArgument, WorldOption
from torpor.cli.output import console, say
from torpor.cli.reporting import command
from torpor.engine.stream_reading import Part, StreamChunk
from torpor.errors import UsageError
from torpor.inspection.readable import summary
from torpor.inspection.reading import Reader
from torpor.inspection.streams import chunk_data

VALUE_CHARS_MAX = 10_000


@command
def stream(
    run: RunArgument = None,
    last: LastOption = False,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the stream; the run's default one without.")
    ] = "",
    start: Annotated[
        int, typer.Option("--from", metavar="INDEX", help="Begin at this chunk; -10 shows the last ten.")
    ] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more, until the stream is closed or the run has ended.")
    ] = False,
    last_attempt: Annotated[
        bool, typer.Option("--last-attempt", help="Leave out what attempts wrote that another one has replaced.")
    ] = False,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print each chunk as a JSON document on a line.")] = False,
) -> None:
    """
    Show what is in a run's stream, chunk by chunk.

    Text is printed as it is, other values as JSON. Bytes go as they are to a file or another program. torpor inspect
    lists a run's streams.

    Example: torpor stream wrun_01K9ZV8Q0C6K2W9T3N5J7H1M4P --from -10 --follow
    """
    part = Part(start=start, until="end" if follow else "now", attempts="last" if last_attempt else "all")

    async def shown(reader: Reader) -> None:
        run_id = await named_run(reader, run, last=last)
        if not follow:
            _check_there(run_id, name, [info.name for info in await reader.streams(run_id)])
        async for chunk in reader.stream(run_id, name, part):
            _show(chunk, as_json=json)

    with_reader(app, world, shown, decrypt=decrypt)


def _check_there(run_id: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    told = ", ".join(f"--name {other}" if other else "the default one" for other in known) or "none"
    wanted = f"stream {name!r}" if name else "default stream"
    raise UsageError(f"run {run_id} has no {wanted}; it has: {told}. --follow waits for one that is not there yet")


def _show(chunk: StreamChunk, *, as_json: bool) -> None:
    """Print a chunk at once, since somebody may be waiting for it."""
    if as_json:
        sys.stdout.write(f"{json_text.dumps(chunk_data(chunk), ensure_ascii=True)}\n")
    elif isinstance(chunk.value, bytes) and not console().is_terminal:
        sys.stdout.flush()
        sys.stdout.buffer.write(chunk.value)
        sys.stdout.buffer.flush()
    else:
        value = chunk.value.decode(errors="replace") if isinstance(chunk.value, bytes) else chunk.value
        text = value.removesuffix("\n") if isinstance(value, str) else summary(value, VALUE_CHARS_MAX)
        replaced = "" if chunk.is_last_attempt else f"  (attempt {chunk.attempt}, replaced)"
        say((text, "" if chunk.is_last_attempt else "dim"), (replaced, "yellow"))
    sys.stdout.flush()
