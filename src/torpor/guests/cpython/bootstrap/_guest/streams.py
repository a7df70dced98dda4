"""Streams, as workflow code has them: names to pass on. Steps write and read; nothing of what is in them comes here."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from torpor.codec.types import references
from torpor.codec.values import ReadableStream as ReadableReference
from torpor.codec.values import WritableStream as WritableReference
from torpor.errors import UsageError
from torpor.stream_names import given_name, stored_name

from .advice import refuse
from .run import run
from .steps import ask

_WHY: Final = "what is in a stream is no part of the run's log"
_UNTIL: Final = ("end", "close", "now")
_ATTEMPTS: Final = ("all", "last")
_TYPES: Final = ("", "bytes")


class _Stream:
    """A stream by its name; it is a value."""

    __slots__ = ("_reference",)

    _reference: ReadableReference | WritableReference

    @property
    def run_id(self) -> str:
        """Whose stream it is, ``""`` where that was not told."""
        return str(self._reference.fields.get("runId") or "")

    @property
    def name(self) -> str:
        """What its author called it, ``""`` for the run's default stream."""
        return given_name(self.run_id, str(self._reference.fields.get("name")))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.run_id!r}, {self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Stream) or type(other) is not type(self):
            return NotImplemented
        return self._reference.fields == other._reference.fields

    def __hash__(self) -> int:
        return hash((self.run_id, self.name))


class WritableStream(_Stream):
    """A stream to write to, for steps that it is passed to."""

    __slots__ = ()

    def __init__(self, reference: WritableReference) -> None:
        self._reference = reference

    def write(self, _value: Any) -> NoReturn:
        """Refuse: a step writes."""
        _refuse("WritableStream.write")

    def close(self) -> NoReturn:
        """Refuse: a step closes."""
        _refuse("WritableStream.close")

    def flush(self) -> NoReturn:
        """Refuse: a step writes."""
        _refuse("WritableStream.flush")

    async def respond(self, response: Any) -> None:
        """Have a step write the answer to the request of a webhook, whose caller reads it here."""
        await ask("step//torpor//respond", {"args": [self, response]})


class ReadableStream(_Stream):
    """A stream to read, for steps that it is passed to."""

    __slots__ = ()

    def __init__(self, reference: ReadableReference) -> None:
        self._reference = reference

    def __aiter__(self) -> NoReturn:
        _refuse("reading a ReadableStream")

    def __iter__(self) -> NoReturn:
        _refuse("reading a ReadableStream")

    def chunks(self) -> NoReturn:
        """Refuse: a step reads."""
        _refuse("ReadableStream.chunks")

    def page(self, **_options: Any) -> NoReturn:
        """Refuse: a step reads."""
        _refuse("ReadableStream.page")

    def tail_index(self) -> NoReturn:
        """Refuse: a step reads."""
        _refuse("ReadableStream.tail_index")

    def info(self) -> NoReturn:
        """Refuse: a step reads."""
        _refuse("ReadableStream.info")


def get_writable(name: str = "", *, type: str = "") -> WritableStream:  # noqa: A002  # as in steps
    """
    Return a stream of this run, for steps, children and others to write to.

    Args:
        name: of the stream, ``""`` for the run's default one.
        type: ``bytes`` for raw bytes, ``""`` for values.

    Raises:
        UsageError: an argument makes no sense, or modules are being loaded.
    """
    return writable(_own("get_writable"), name, type)


def get_readable(name: str = "", *, start: int = 0, until: str = "end", attempts: str = "all") -> ReadableStream:
    """
    Return a stream of this run, for steps and others to read.

    Args:
        name: of the stream, ``""`` for the run's default one.
        start: index of the first chunk; a negative one counts from the end.
        until: when a reader stops: at the ``end`` of stream or run, at the stream's ``close``, or with what is there
            ``now``.
        attempts: ``all`` chunks, or not those of attempts of steps that another one had replaced: ``last``.

    Raises:
        UsageError: an argument makes no sense, or modules are being loaded.
    """
    return readable(_own("get_readable"), name, start=start, until=until, attempts=attempts)


def writable(run_id: str, name: str = "", type: str = "") -> WritableStream:  # noqa: A002  # as above
    """Return a run's stream to write to; see :func:`get_writable`."""
    _check(type, _TYPES, "type")
    fields = {"name": stored_name(run_id, name), "runId": run_id}
    return WritableStream(WritableReference({**fields, "type": type} if type else fields))


def readable(
    run_id: str, name: str = "", *, start: int = 0, until: str = "end", attempts: str = "all"
) -> ReadableStream:
    """Return a run's stream to read; see :func:`get_readable`."""
    _check(until, _UNTIL, "until")
    _check(attempts, _ATTEMPTS, "attempts")
    if isinstance(start, bool) or not isinstance(start, int):
        raise UsageError(f"start={start!r} of a stream: give the index of a chunk, or a negative number of chunks")
    usual = {"startIndex": 0, "until": "end", "attempts": "all"}
    given = {"startIndex": start, "until": until, "attempts": attempts}
    part = {option: value for option, value in given.items() if value != usual[option]}
    return ReadableStream(ReadableReference({"name": stored_name(run_id, name), "runId": run_id, **part}))


def install() -> None:
    """Let streams be values."""
    references.recognise(ReadableStream, lambda stream: stream._reference)  # noqa: SLF001  # it is what stands for it
    references.recognise(WritableStream, lambda stream: stream._reference)  # noqa: SLF001  # as above


def _own(what: str) -> str:
    if run.phase == "loading":
        raise UsageError(f"{what} was called while a module was loaded; call it inside a workflow function")
    return run.id


def _check(value: object, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise UsageError(f"{what}={value!r} of a stream: give one of {', '.join(map(repr, known))}")


def _refuse(what: str) -> NoReturn:
    refuse(what, _WHY, "pass the stream to a step, which writes to it or reads it")
