"""Where a walk over a value is, told as a path such as ``.args[0].when``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torpor.codec.reducers import Reducer

Frame = tuple[object, Iterator[Any], list[Any], int]
"""A container, its members yet to come, the indexes of those already met (after a name, if a reducer gave one), and the
container's own index."""


class Reduced(NamedTuple):
    """The container of a frame whose one member is the payload of a reduced value."""

    value: object
    reducer: Reducer


def path_of(stack: Sequence[Frame]) -> str:
    """Return the path of the value that was met last; the root is ``value``."""
    path = ""
    frames = iter(stack[1:])
    for container, _, indexes, _ in frames:
        match container:
            case Reduced(reducer=Reducer(name="Instance")):
                next(frames, None)  # {classId, data}: a member of the data is shown as the instance's own
            case Reduced(reducer=Reducer(name="Map")):
                next(frames, None)  # the array of pairs
                path += next((f".get({_shown(pair)})" for pair, *_ in frames), "")
            case Reduced():
                pass  # what the payload is called is the reducer's own business
            case dict():
                path += _key(list(container)[len(indexes) - 1])
            case _:
                path += f"[{len(indexes) - 1}]"
    return path or "value"


def _shown(pair: Any) -> str:
    text = repr(pair[0])
    return text if len(text) <= 80 else f"{text[:77]}…"


def _key(key: object) -> str:
    return f".{key}" if str(key).isidentifier() else f"[{json.dumps(key, ensure_ascii=False)}]"
