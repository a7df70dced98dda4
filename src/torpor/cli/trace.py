"""``torpor trace``: a run's spans as a tree, whichever workers made them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from torpor.cli.opening import named_run, with_reader
from torpor.cli.options import AppOption, DecryptOption, JsonOption, LastOption, RunArgument, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import command
from torpor.inspection.reading import Reader
from torpor.inspection.spans import SpanNode, Trace, trace_of
from torpor.inspection.timestamps import iso, span_text


@command
def trace(
    run: RunArgument = None,
    last: LastOption = False,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    json: JsonOption = False,
) -> None:
    """
    Show a run's spans as a tree, whichever workers made them.

    Its steps with their attempts, its waits and hooks: when each began, how long it took, how it ended, and the worker
    that made it. All of it is in the world. The first line has the id of the trace that torpor[otel] makes of the run.

    Example: torpor trace order-17
    """

    async def read(reader: Reader) -> tuple[Trace, int]:
        details = await reader.details(await named_run(reader, run, last=last))
        return trace_of(details), details.now

    found, now = with_reader(app, world, read, decrypt=decrypt)
    if json:
        print_json({"trace_id": found.trace_id, **_data(found.root)})
        return
    say(f"trace {found.trace_id}")
    for line in lines(found.root, now):
        say(line)


def lines(root: SpanNode, now: int) -> list[str]:
    """Return a tree as lines."""
    return list(_lines(root, root.start, now, "", ""))


def _lines(node: SpanNode, begin: int, now: int, first: str, rest: str) -> Iterator[str]:
    took = span_text((node.end or now) - node.start)
    about = [f"{node.kind} {node.name}" if node.kind not in ("attempt", "wait") else node.name, node.status]
    about += [f"+{span_text(node.start - begin)}", took if node.end else f"{took} so far", node.worker, node.error]
    yield first + "  ".join(part for part in about if part)
    for at, child in enumerate(node.spans):
        is_last = at == len(node.spans) - 1
        yield from _lines(child, begin, now, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "))


def _data(node: SpanNode) -> dict[str, object]:
    about = msgspec.structs.asdict(node)
    return {**about, "start": iso(node.start), "end": iso(node.end), "spans": [_data(each) for each in node.spans]}
