"""A workflow that goes on several times from where it is: a step makes the forks, and its result says which one is."""

from __future__ import annotations

from torpor.errors import UsageError
from torpor.limits import FORKS_MAX

from .children import RunHandle
from .steps import ask

_STEP = "step//torpor//fork"
_made: list[RunHandle] = []


async def fork(count: int) -> int:
    """
    Let new runs go on from here too; see :func:`torpor.fork`.

    Raises:
        UsageError: *count* is no number from 1 to :data:`torpor.limits.FORKS_MAX`.
    """
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= FORKS_MAX:
        raise UsageError(f"fork takes how many new runs there are to be, from 1 to {FORKS_MAX}, not {count!r:.100}")
    told = await ask(_STEP, {"args": [count]})
    _made[:] = told["forks"]
    index: int = told["index"]
    return index


def forks() -> list[RunHandle]:
    """Return the runs that this one's last fork has made; see :func:`torpor.forks`."""
    return list(_made)
