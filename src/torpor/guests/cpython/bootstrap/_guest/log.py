"""
``print``, ``logging`` and warnings as numbered log lines of the run.

Lines are numbered by one counter in VM memory, dropped ones included, so that a replay gives every line the number that
it had, however the host groups its deliveries.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, Literal

from torpor.limits import LOG_LINE_CHARS_MAX, LOG_LINES_PER_TURN_MAX

from .run import run
from .tracebacks import chain_text

Level = Literal["debug", "info", "warn", "error"]


class _Lines:
    """The lines written since the last outbox."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []
        self._count = 0
        self._dropped = 0

    def write(self, level: Level, text: str) -> None:
        self._count += 1
        if len(self.kept) >= LOG_LINES_PER_TURN_MAX:
            self._dropped += 1
            return
        if len(text) > LOG_LINE_CHARS_MAX:
            text = f"{text[:LOG_LINE_CHARS_MAX]}… {len(text) - LOG_LINE_CHARS_MAX} more characters were dropped"
        if not text.isascii():  # half a surrogate pair is no text
            text = text.encode("utf-8", "replace").decode()
        self.kept.append({"n": self._count, "at": run.at, "level": level, "text": text})

    def take(self) -> list[dict[str, Any]]:
        taken = self.kept
        if not taken:
            return taken
        if self._dropped:
            text = f"{self._dropped + 1} log lines were dropped: at most {LOG_LINES_PER_TURN_MAX} are kept of one turn"
            taken[-1] = {"n": self._count, "at": run.at, "level": "warn", "text": text}
        self.kept, self._dropped = [], 0
        return taken


class _Stream(io.TextIOBase):
    """stdout or stderr: every line that is complete, or flushed, is a log line."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, level: Level) -> None:
        super().__init__()
        self._level: Level = level
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if (record := getattr(text, "record", None)) is not None:  # a whole line of loguru's, which knows its level
            lines.write(level_of(record["level"].no), text.rstrip("\n"))
            return len(text)
        *complete, self._begun = (self._begun + text).split("\n")
        for line in complete:
            lines.write(self._level, line)
        return len(text)

    def flush(self) -> None:
        begun, self._begun = self._begun, ""
        if begun:
            lines.write(self._level, begun)


class _Formatter(logging.Formatter):
    """The logger's name before the message, and tracebacks without Torpor's frames."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's name
        if self._fmt != "%(message)s" or record.name in ("root", "py.warnings"):
            return super().formatMessage(record).rstrip("\n")
        return f"{record.name}: {record.message}"

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the base class's name
        return chain_text(ei[1])


class _Handler(logging.Handler):
    """Writes records as lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001  # a wrong format must not end the workflow, as everywhere in logging
            text = f"a log record of {record.pathname}:{record.lineno} cannot be formatted: {error!r}"
        lines.write(level_of(record.levelno), text)


def level_of(number: int) -> Level:
    """Return the level of a line for one of ``logging``'s numbers, which others use too."""
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    return "info" if number >= logging.INFO else "debug"


lines = _Lines()
_streams = _Stream("info"), _Stream("error")
_handler = _Handler()


def flush() -> None:
    """Write out lines that were begun and not ended."""
    for stream in _streams:
        stream.flush()


def stamp_load_lines(at: int) -> None:
    """Give lines that were written while modules were loaded the time of the run's beginning."""
    for line in lines.kept:
        line["at"] = at


def install() -> None:
    """Send everything that Python writes to the run's log. Records below INFO need ``basicConfig(level=DEBUG)``."""
    for name, stream in zip(("stdout", "stderr"), _streams, strict=True):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    _handler.setFormatter(_Formatter("%(message)s"))
    logging.basicConfig(handlers=[_handler], level=logging.INFO)
    logging.basicConfig = _basic_config
    logging.captureWarnings(True)
    sys.unraisablehook = _unraisable


def _basic_config(*, level: int | str | None = None, format: str | None = None, **_ignored: object) -> None:  # noqa: A002  # the original's name
    """Take from ``logging.basicConfig`` what makes sense here: there is one handler, and it is the run's log."""
    if level is not None:
        logging.getLogger().setLevel(level)
    if format is not None:
        _handler.setFormatter(_Formatter(format))


def _unraisable(what: Any) -> None:
    """Tell of an exception where nothing can catch it, such as in ``__del__``."""
    message = what.err_msg or "exception ignored in"
    lines.write("error", f"{message}: {what.object!r:.200}\n{chain_text(what.exc_value)}")
