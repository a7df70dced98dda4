"""Errors for what workflow code cannot do, each with what to do instead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from torpor.errors import NotInWorkflowError

from .finder import author_place

STEP = "do it in a step: a function with @app.step, which workflow code awaits"


def refuse(what: str, why: str, advice: str = STEP) -> NoReturn:
    """
    Raise the error for something that workflow code at the nearest line of the program's has tried.

    Raises:
        NotInWorkflowError: always.
    """
    place = author_place(sys._getframe(1))  # noqa: SLF001  # there is no other way to ask
    at = f" ({place})" if place else ""
    raise NotInWorkflowError(f"{what} cannot be used in a workflow{at}: {why}; {advice}")


def refusal(what: str, why: str, advice: str = STEP) -> Callable[..., Any]:
    """Return a function that raises the error whenever it is called."""

    def refused(*_args: object, **_kwargs: object) -> NoReturn:
        refuse(what, why, advice)

    refused.__name__ = what.rpartition(".")[2]
    return refused
