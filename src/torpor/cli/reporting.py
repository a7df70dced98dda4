"""
How commands end: errors become one line and an exit code.

=====  ================================================================================
0      done
1      it could not be done
2      it was asked for wrongly: the command line, or a :class:`~torpor.errors.UsageError`
130    interrupted
=====  ================================================================================

``TORPOR_DEBUG=1`` shows the traceback as well.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from torpor.cli.loading import AppImportError
from torpor.cli.options import TokenOption
from torpor.cli.output import say
from torpor.errors import TorporError, UsageError
from torpor.project import TOKEN

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


def command(function: Callable[..., Any]) -> Callable[..., None]:
    """
    Make a command of a function: it ends by the rules of this module, and takes a token where it takes a world.
    """

    @functools.wraps(function)
    def call(*args: Any, server_token: str | None = None, **options: Any) -> None:
        try:
            with _let_in_by(server_token):
                function(*args, **options)
        except TorporError as error:
            fail(error)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None

    signature = _with_token(inspect.signature(function, eval_str=True))
    call.__signature__ = signature  # type: ignore[attr-defined]  # Typer reads it
    return call


@contextmanager
def _let_in_by(token: str | None) -> Iterator[None]:
    """Let worlds, and the processes that are started, have a token that the command line gives."""
    before = os.environ.get(TOKEN)
    if token is not None:
        os.environ[TOKEN] = token
    try:
        yield
    finally:
        if token is not None:
            del os.environ[TOKEN]
            os.environ |= {} if before is None else {TOKEN: before}


def _with_token(signature: inspect.Signature) -> inspect.Signature:
    """Return the signature of a command with a token behind its world, if it has one."""
    parameters: list[inspect.Parameter] = []
    for each in signature.parameters.values():
        parameters.append(each)
        if each.name == "world":
            option = inspect.Parameter("server_token", each.kind, default=None, annotation=TokenOption)
            parameters.append(option)
    return signature.replace(parameters=parameters)


def fail(error: TorporError) -> NoReturn:
    """Say what went wrong and end the command."""
    if os.environ.get("TORPOR_DEBUG") == "1":
        say("".join(traceback.format_exception(error)).rstrip("\n"), err=True)
    elif isinstance(error, AppImportError):
        say(error.trace, err=True)
    report(error)
    raise typer.Exit(MISUSED if isinstance(error, UsageError) else FAILED)


def report(error: TorporError) -> None:
    """Print an error's line on standard error."""
    sys.stdout.flush()
    say((f"error[{error.code}]: ", "bold red"), (str(error), "red"), err=True)
