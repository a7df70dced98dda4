"""
loguru and structlog, where a program bundles them: what they write are lines of the run's log, with their levels.

Each is set up once, when it is imported, as it would be for a terminal, but for what a log line has anyway: its time
and its level. What the program sets up itself is left alone.
"""

from __future__ import annotations

import sys
from typing import Any

from .finder import finder
from .log import level_of, lines
from .tracebacks import chain_text

_LOGURU_DEFAULT = 0
"""The handler that loguru begins with, which writes to stderr."""


class _RunLogger:
    """What structlog hands its rendered texts to."""

    def __init__(self, *_names: object) -> None:
        """Loggers of all names write to one log."""

    def debug(self, text: object) -> None:
        lines.write("debug", str(text))

    def info(self, text: object) -> None:
        lines.write("info", str(text))

    def warning(self, text: object) -> None:
        lines.write("warn", str(text))

    def error(self, text: object) -> None:
        lines.write("error", str(text))

    msg = log = info
    warn = warning
    err = exception = fatal = failure = critical = error


def _structlog(module: Any) -> None:
    module.configure(
        processors=[
            module.contextvars.merge_contextvars,
            module.processors.StackInfoRenderer(),
            module.dev.set_exc_info,
            _rendered,
        ],
        logger_factory=_RunLogger,
    )


def _rendered(_logger: object, _method: str, event: dict[str, Any]) -> str:
    """Return the line of an event of structlog: what happened, the rest as ``name=value``, and a traceback."""
    raised = event.pop("exc_info", None)
    error = sys.exception() if raised is True else raised[1] if isinstance(raised, tuple) else raised
    below = [event.pop("stack", None), chain_text(error) if isinstance(error, BaseException) else None]
    first = " ".join((str(event.pop("event", "")), *(f"{name}={value!r}" for name, value in event.items())))
    return "\n".join((first, *filter(None, below)))


def _loguru(module: Any) -> None:
    module.logger.remove(_LOGURU_DEFAULT)
    module.logger.add(_sink, format=_loguru_line, level="DEBUG")


def _sink(message: Any) -> None:
    lines.write(level_of(message.record["level"].no), str(message))


def _loguru_line(record: Any) -> str:
    """Return the template of a line: what it says, and the traceback as everywhere in the log."""
    raised = record["exception"]
    record["extra"]["torpor_traceback"] = f"\n{chain_text(raised.value)}" if raised and raised.value else ""
    return "{name}: {message}{extra[torpor_traceback]}"


def install() -> None:
    """Set each up when a program imports it."""
    finder.imported |= {"loguru": _loguru, "structlog": _structlog}
