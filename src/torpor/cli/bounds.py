"""What bounds a worker that is started by command: queues, how much it does at once, and how much memory it has."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Final

import typer
from msgspec.structs import replace

from torpor.engine.settings import WorkerSettings
from torpor.errors import UsageError
from torpor.processes.memory import resident_bytes, taken_bytes

DEFAULT_QUEUE: Final = "default"
"""What the command line calls no queue."""

_LOOK_SECONDS: Final = 1.0
_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", re.IGNORECASE)

QueuesOption = Annotated[
    str | None,
    typer.Option(
        "--queues",
        metavar="NAMES",
        show_default=False,
        help="Take runs and steps of these queues only, such as gpu,default; default are those of no queue.",
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        show_default=False,
        help="Runs that each process has awake, and steps that it carries out, at once.",
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        show_default=False,
        help="A process with more than this, such as 512MiB, parks its runs and is replaced.",
    ),
]


def bounded(settings: WorkerSettings, queues: str | None, concurrency: int | None) -> WorkerSettings:
    """
    Return settings as the command line changes them.

    Raises:
        UsageError: the queues are none.
    """
    if queues is not None:
        names = tuple(name.strip() for name in queues.split(","))
        if not all(names):
            raise UsageError(
                f"--queues {queues!r}: names of queues with commas between them, such as gpu,{DEFAULT_QUEUE}"
            )
        settings = replace(settings, queues=tuple("" if name == DEFAULT_QUEUE else name for name in names))
    if concurrency is not None:
        settings = replace(settings, turns=concurrency, steps=concurrency)
    return settings


def size_of(text: str) -> int:
    """
    Return how many bytes a text such as ``512MiB`` means; K, M and G are powers of 1024.

    Raises:
        UsageError: it is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--memory {text!r} is no size; write 512MiB or 1.5GiB")
    number, unit = found.groups()
    return int(float(number) * _UNITS[unit.upper()])


def _more_than(ceiling: int) -> int | None:
    """Return how much memory this process takes if that is more than *ceiling*, in bytes, else None."""
    has = resident_bytes()
    if has > ceiling:  # else it takes no more either, and nobody has to count
        has = taken_bytes() or has
    return has if has > ceiling else None


def require_room(ceiling: int) -> None:
    """
    Do nothing if this process, which is at work and has done nothing yet, has less memory than it may have.

    Raises:
        UsageError: it would be replaced again and again.
    """
    if (has := _more_than(ceiling)) is not None:
        raise UsageError(
            f"--memory of {_told(ceiling)} is less than the {_told(has)} that a worker has before its first run; "
            "give it twice that"
        )


async def outgrown(ceiling: int) -> str:
    """Return once this process has more memory than it may have, and tell so."""
    while (has := _more_than(ceiling)) is None:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(_LOOK_SECONDS)
    return f"it has {_told(has)} of memory, and may have {_told(ceiling)}: it parks its runs, and another one begins"


def _told(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB"
