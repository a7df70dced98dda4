"""
Which errors of Torpor a host answers, and with what: problem documents (RFC 9457), as the front door does.

Those that are the asker's matter say what happened. Those of the world say that something is amiss and no more, since
their text names hosts and files; the log has it. All others are errors of the host's own code and stay the host's.
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

import msgspec

from torpor.errors import (
    ArgumentError,
    ConflictError,
    HostError,
    LimitExceededError,
    NoAnswerError,
    NotFoundError,
    TorporError,
    UnhealthyError,
    WorldError,
)

ANSWERED: Final[tuple[type[TorporError], ...]] = (
    NotFoundError,
    ConflictError,
    ArgumentError,
    LimitExceededError,
    WorldError,
    HostError,
    NoAnswerError,
    UnhealthyError,
)
"""Classes of errors that a host answers with problems; what is derived from them as well."""

_OURS: Final = "something that this needs is not at hand; what it is stands in the server's log"

_log: Final = logging.getLogger("torpor.integrations")


class Problem(NamedTuple):
    """
    What an error is answered with.

    Attributes:
        status: of the answer.
        body: a problem document.
        media_type: of the body.
    """

    status: int
    body: bytes
    media_type: str


def problem_of(error: TorporError) -> Problem:
    """Return what an error of :data:`ANSWERED` is answered with; one that is not the asker's matter is logged."""
    from torpor.http import problems  # noqa: PLC0415  # an extra; whoever gets here has a mount, and it

    told = problems.problem_of(error)
    if told.status >= 500:
        _log.error("a request failed: %s", error, exc_info=error)
        told = msgspec.structs.replace(told, detail=_OURS)
    return Problem(told.status, msgspec.json.encode(told), problems.PROBLEM_TYPE)
