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
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from torpor.cli.loading import AppImportError
from torpor.cli.output import say
from torpor.errors import TorporError, UsageError

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


def command(function: Callable[..., Any]) -> Callable[..., None]:
    """Make a command of a function: it ends by the rules of this module."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
        except TorporError as error:
            fail(error)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None

    return call


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
