"""
Errors as problem documents (RFC 9457): what happened, a stable code, what to do next.

What only HTTP refuses has its classes here::

    UsageError
    ├── BadRequestError       the request cannot be read; names the place in it
    ├── UnauthorizedError     nobody knows who asks
    ├── ForbiddenError        who asks may not do this
    ├── UnknownAddressError   no such address here
    ├── MethodError           the address takes other methods
    ├── TooLargeError         a body is larger than this server takes
    ├── MediaTypeError        a body is of a kind that the address does not take
    └── SlowRequestError      a body did not arrive in time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from torpor.errors import (
    ArgumentError,
    ConfigurationError,
    ConflictError,
    DamagedError,
    HostError,
    KeyMissingError,
    LimitExceededError,
    NoAnswerError,
    NotAllowedError,
    NotFoundError,
    SerializationError,
    SignatureError,
    StreamTypeError,
    TorporError,
    UnhealthyError,
    UsageError,
    WorkflowNotRegisteredError,
    WorldError,
)

PROBLEM_TYPE: Final = "application/problem+json"


class BadRequestError(UsageError):
    """The request cannot be read; the message names the place in it."""

    code = "BAD_REQUEST"


class UnauthorizedError(UsageError):
    """Nobody knows who asks: there is no token, or none that is valid."""

    code = "UNAUTHORIZED"


class ForbiddenError(UsageError):
    """Who asks may not do this; the message says which role it takes."""

    code = "FORBIDDEN"


class UnknownAddressError(UsageError):
    """There is nothing at this address."""

    code = "UNKNOWN_ADDRESS"


class MethodError(UsageError):
    """The address takes other methods."""

    code = "METHOD_NOT_ALLOWED"


class TooLargeError(UsageError):
    """A body is larger than this server takes."""

    code = "BODY_TOO_LARGE"


class MediaTypeError(UsageError):
    """A body is of a kind that the address does not take."""

    code = "MEDIA_TYPE"


class SlowRequestError(UsageError):
    """A body did not arrive in time."""

    code = "REQUEST_TIMEOUT"


STATUSES: Final[dict[type[BaseException], int]] = {
    UnauthorizedError: 401,
    SignatureError: 401,
    ForbiddenError: 403,
    NotAllowedError: 403,
    UnknownAddressError: 404,
    NotFoundError: 404,
    WorkflowNotRegisteredError: 404,
    MethodError: 405,
    SlowRequestError: 408,
    ConflictError: 409,
    KeyMissingError: 409,
    TooLargeError: 413,
    MediaTypeError: 415,
    ArgumentError: 422,
    LimitExceededError: 422,
    SerializationError: 422,
    StreamTypeError: 422,
    ConfigurationError: 422,
    UsageError: 400,
    DamagedError: 500,
    WorldError: 503,
    NoAnswerError: 504,
    UnhealthyError: 503,
    HostError: 503,
    TorporError: 500,
}
"""Status by class of the error; of several that fit, that of the nearest one."""


class Problem(msgspec.Struct, frozen=True):
    """
    A problem document.

    Attributes:
        type: ``urn:torpor:error:`` and the code.
        title: what kind of problem it is; the same for each of a code.
        status: of the answer.
        detail: what happened, where, and what to do next.
        code: stable across releases.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str


def status_of(error: BaseException) -> int:
    """Return the status that an error is answered with."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def problem_of(error: TorporError) -> Problem:
    """Return what is told of an error."""
    title = (type(error).__doc__ or type(error).__name__).strip().partition("\n")[0]
    return Problem(f"urn:torpor:error:{error.code}", title, status_of(error), str(error), error.code)


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as an answer."""
    return Response(msgspec.json.encode(problem), problem.status, headers, PROBLEM_TYPE)


def answer_to(error: TorporError, **headers: str) -> Response:
    """Return the answer to an error; of a request without a token it says that one is wanted."""
    told: dict[str, Any] = dict(headers)
    if isinstance(error, UnauthorizedError):
        told["WWW-Authenticate"] = "Bearer"
    return problem_response(problem_of(error), told)


INTERNAL: Final = Problem(
    "urn:torpor:error:INTERNAL",
    "The server has met an error of its own.",
    500,
    "the server has met an error of its own, which its log tells; nothing of the request may be taken for done",
    "INTERNAL",
)
"""In place of an error that is nobody's doing outside: what it says is for the server's log."""
