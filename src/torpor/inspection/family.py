"""A run's family: the first of its line, and all that descend from that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import msgspec

from torpor.attributes import ROOT
from torpor.errors import RunNotFoundError
from torpor.inspection.reading import Reader
from torpor.run_info import RunInfo

MEMBERS_MAX: Final = 200


class Family(msgspec.Struct, frozen=True):
    """
    Runs that descend from one.

    Attributes:
        rows: how far a run is from the top, and the run; each below the one that started it, in the order of time.
        more: whether there are others.
    """

    rows: list[tuple[int, RunInfo]]
    more: bool


async def read_family(reader: Reader, run: RunInfo, covers: Callable[[RunInfo], bool]) -> Family:
    """
    Return the family of a run, at most :data:`MEMBERS_MAX` of it.

    Args:
        reader: of its world.
        run: which.
        covers: returns whether a run may be seen.
    """
    root = run.root or run.id
    found = await reader.runs(attributes={ROOT: root}, limit=MEMBERS_MAX)
    with suppress(RunNotFoundError):  # it was deleted
        found.append(await reader.info(root))
    known = {each.id: each for each in [run, *found] if covers(each)}
    children: dict[str, list[RunInfo]] = defaultdict(list)
    for each in sorted(known.values(), key=lambda each: each.created_at):
        children[each.parent if each.parent in known and each.id != root else ""].append(each)
    return Family([*_rows(children, "", 0)], len(found) > MEMBERS_MAX)


def _rows(children: dict[str, list[RunInfo]], parent: str, depth: int) -> Iterator[tuple[int, RunInfo]]:
    for each in children.pop(parent, ()):  # each once, whatever a damaged row says of its parent
        yield depth, each
        yield from _rows(children, each.id, depth + 1)
