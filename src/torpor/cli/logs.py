"""
What a worker logs: its own warnings, and what steps and the libraries that they use write through :mod:`logging`.

A line that was written while a step ran says which one.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Annotated, Any, Final

import typer

from torpor.cli.output import STYLES, say
from torpor.engine.logbook import ABOUT, LOGGER
from torpor.engine.metadata import running_step
from torpor.errors import UsageError
from torpor.inspection.timestamps import iso, time_text
from torpor.programs.catalogue import short_name

LEVELS: Final = ("debug", "info", "warning", "error")
LEVEL_DEFAULT: Final = "info"
FORMS: Final = ("text", "json")

LogLevelOption = Annotated[
    str | None,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        show_default=False,
        help=f"Show log lines from this level on: {', '.join(LEVELS)}. By default {LEVEL_DEFAULT}, or what the "
        "application has set up.",
    ),
]

LogFormatOption = Annotated[
    str,
    typer.Option("--log-format", metavar="FORM", help="text, or json: an object a line, with run and step."),
]

_TALKATIVE: Final = ("httpx", "uvicorn")
"""Loggers of libraries that tell of each request, and of each beginning; at level debug they may."""

_TONES: Final = {"DEBUG": "debug", "WARNING": "warn", "ERROR": "error", "CRITICAL": "error"}


def check(level: str | None, form: str = "text") -> None:
    """
    Do nothing for a level and a form that there are.

    Raises:
        UsageError: there is no such level, or no such form.
    """
    if level is not None and level not in LEVELS:
        raise UsageError(f"there is no log level {level!r}; use one of {', '.join(LEVELS)}")
    if form not in FORMS:
        raise UsageError(f"there is no log format {form!r}; use {' or '.join(FORMS)}")


def set_up(level: str | None, form: str = "text", *, follow: bool) -> None:
    """
    Show log lines on standard error, unless the application has set logging up itself.

    Args:
        level: from which level on; for an application that has set logging up it is changed only if it is given.
        form: ``text``, or ``json`` for an object a line.
        follow: what runs do is shown line by line, so that failures of runs and steps need no log line besides.
    """
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_Lines() if follow and form == "text" else _plain(form))
        root.setLevel((level or LEVEL_DEFAULT).upper())
        if level != "debug":
            for name in _TALKATIVE:
                logging.getLogger(name).setLevel(logging.WARNING)
    elif level is not None:
        root.setLevel(level.upper())
    if follow:
        logging.getLogger(LOGGER).setLevel(logging.CRITICAL + 1)


class _Lines(logging.Handler):
    """Prints log lines in the form of what runs do."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  # a wrong format must not end a step, as everywhere in logging
            self.handleError(record)
            return
        step = running_step()
        run = f"{step.run_id}  " if step is not None else ""
        name = f"step {short_name(step.name)}" if step is not None else record.name
        style = STYLES.get(_TONES.get(record.levelname, ""), "")
        head = (f"{time_text(int(record.created * 1000))}  {run}", "dim"), (f"{name}  ", "bold"), ("│ ", "dim")
        say(*head, (text, style), err=True)


def _plain(form: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    as_text = _WithStep("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(as_text if form == "text" else _AsJson())
    return handler


class _AsJson(logging.Formatter):
    """
    An object a line: ``time``, ``level``, ``logger``, ``message``, and ``error`` with a traceback.

    ``run_id``, ``step_id``, ``step`` and ``attempt`` say what it is about, be it what the engine tells of or the step
    that wrote the line.
    """

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        step = running_step()
        if step is not None:
            told |= {"run_id": step.run_id, "step_id": step.step_id, "step": step.name, "attempt": step.attempt}
        told |= {name: value for name in ABOUT if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


class _WithStep(logging.Formatter):
    """Says behind a message which step has written it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's name
        text = super().formatMessage(record)
        step = running_step()
        return text if step is None else f"{text} (step {short_name(step.name)} of run {step.run_id})"
