"""Errors across the border: Python's own, those of JavaScript, and those that both have."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.codec import classes_of_an_application as application
from tests.codec.classes_of_an_application import (
    AttrsError,
    DataError,
    FrozenError,
    MissingFileError,
    OutOfStockError,
    OwnFileError,
    PlainError,
)
from tests.codec.sameness import there_and_back
from torpor import codec
from torpor.clock import SystemClock
from torpor.codec import JavaScriptError, PythonError, RemoteError
from torpor.codec.types.table import standard_table
from torpor.codec.wire import devalue
from torpor.errors import FatalError, HookConflictError, RetryableError, RunFailedError, StepError

ERROR = 'devl[["{0}",1],{{"message":2,"stack":3}},"m","S"]'


def raised(error: BaseException) -> Any:
    """Return an error with a traceback."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - whatever was given is returned
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1),
        KeyError("k"),
        ZeroDivisionError(),
        FileNotFoundError(2, "no such file", "/x"),
        UnicodeDecodeError("utf-8", b"ab", 0, 1, "bad"),
        ImportError("m", name="n", path="p"),
        StopIteration(5),
        OutOfStockError("sku-1", left=2),
        PlainError("p"),
        OwnFileError(1, "o", "file"),
        MissingFileError("file"),
        FrozenError(5),
        AttrsError(5),
        StepError("failed after 3 attempts"),
        RunFailedError("r", run_id="wrun_1", failure="USER_ERROR"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_comes_back_with_class_args_and_attributes(error: Exception) -> None:
    """Python keeps what Python raised."""
    read = there_and_back(error)

    assert type(read) is type(error)
    assert str(read) == str(error)
    assert read.args == error.args
    for name in ("filename", "start", "name", "path", "value", "sku", "left", "run_id", "failure", "code"):
        assert getattr(read, name, None) == getattr(error, name, None)


@pytest.mark.parametrize(
    ("number", "cls"),
    [
        (errno.ENOENT, FileNotFoundError),
        (errno.EACCES, PermissionError),
        (errno.ECONNREFUSED, ConnectionRefusedError),
        (errno.EPIPE, BrokenPipeError),
        (errno.EWOULDBLOCK, BlockingIOError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.EDEADLK, OSError),
        (errno.EOPNOTSUPP, OSError),
        (errno.ENOSPC, OSError),
    ],
)
def test_the_number_of_a_system_error_is_translated_by_its_name(number: int, cls: type[OSError]) -> None:
    """An error from a system where it has another number has its own one here, and the class that belongs to it."""
    text = codec.unpack_devalue(codec.dumps(OSError(number, "said", "file")))
    elsewhere = text.replace(f",{number},", ",777,", 1)
    found = codec.loads(codec.pack_devalue(elsewhere))

    assert elsewhere != text
    assert type(found) is cls
    assert (found.errno, found.strerror, found.filename) == (number, "said", "file")


def test_a_system_error_whose_name_is_unknown_here_is_none_of_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be that of another error here."""
    number = errno.ENOSPC
    text = codec.dumps(OSError(number, "said"))
    monkeypatch.delattr(errno, "ENOSPC")

    assert codec.loads(text).errno == -number


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(8, "no such name"),
        ssl.SSLError(1, "wrong version"),
        OSError(99999, "own"),
        OSError("text"),
        OSError(True, 1),
    ],
)
def test_numbers_that_are_none_of_the_system_stay(error: OSError) -> None:
    """Resolvers and TLS have numbers of their own."""
    assert '"errno"' not in codec.unpack_devalue(codec.dumps(error))
    assert there_and_back(error).args == error.args


def test_init_of_an_exception_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading executes no code of the application."""
    data = codec.dumps(OutOfStockError("a"))

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(OutOfStockError, "__init__", refuse)

    assert codec.loads(data).sku == "a"


def test_an_exception_that_is_a_dataclass_is_an_exception() -> None:
    """JavaScript shall see an Error."""
    read = there_and_back(raised(DataError(5)))

    assert type(read) is DataError
    assert read.code == 5
    assert '"class//python//exception//' in codec.unpack_devalue(codec.dumps(DataError(5)))


def test_causes_contexts_and_notes_survive() -> None:
    """The chain is whole, and says which link was meant."""
    try:
        try:
            try:
                [].pop()
            except IndexError:
                int("second")
        except ValueError as error:
            raise PlainError("third") from error
    except PlainError as error:
        error.add_note("noted")
        read = there_and_back(error)

    assert read.__notes__ == ["noted"]
    assert read.__suppress_context__
    assert type(read.__cause__) is ValueError
    assert read.__cause__ is read.__context__
    assert type(read.__cause__.__context__) is IndexError
    assert not read.__cause__.__suppress_context__


def test_a_group_keeps_its_members() -> None:
    """Nested groups too."""
    group: Any = ExceptionGroup("g", [ValueError("a"), ExceptionGroup("inner", [OutOfStockError("b")])])

    read = there_and_back(group)

    first, inner = read.exceptions
    assert (type(read), read.message) == (ExceptionGroup, "g")
    assert (type(first), type(inner)) == (ValueError, ExceptionGroup)
    assert inner.exceptions[0].sku == "b"


@pytest.mark.parametrize("how", ["cause", "context", "args", "group"])
def test_a_thousand_exceptions_of_each_other_take_no_more_than_a_moment(how: str) -> None:
    """Each is told by itself: the traceback of one with all that it came from would be the square of it."""
    error: Exception = ValueError("first")
    for _ in range(1_000):
        around = ExceptionGroup("g", [error]) if how == "group" else ValueError(error if how == "args" else "m")
        around.__cause__ = error if how == "cause" else None
        around.__context__ = error if how == "context" else None
        error = around
    begun = time.process_time()

    data = codec.dumps(error)

    assert time.process_time() - begun < 2
    assert codec.dumps(codec.loads(data)) == data


def test_an_exception_that_cannot_be_stored_whole_costs_not_the_one_around_it() -> None:
    """The inner one loses its argument, the outer one keeps the inner."""
    read = there_and_back(ValueError("outer", KeyError(object())))

    assert read.args[0] == "outer"
    assert type(read.args[1]) is KeyError


def test_the_traceback_text_travels_and_is_written_again() -> None:
    """An exception that was read has its traceback elsewhere; storing it again changes no byte."""
    data = codec.dumps(raised(ValueError("x")))

    assert "in raised" in codec.unpack_devalue(data)
    assert codec.dumps(codec.loads(data)) == data


def test_javascript_finds_the_fields_of_an_error() -> None:
    """Name, message and stack stand first in the data."""
    text = codec.unpack_devalue(codec.dumps(PlainError("why")))

    assert f'"class//python//exception//{application.__name__}:PlainError",{{"name":4,"message":5,"stack":6' in text
    assert '"PlainError","why",' in text


def test_args_that_cannot_be_stored_are_left_out() -> None:
    """The message has been made of them already."""
    read = there_and_back(ValueError("about", object()))

    assert type(read) is ValueError
    assert str(read).startswith("('about', <object object")


def test_attributes_that_cannot_be_stored_are_left_out() -> None:
    """One request object must not cost the error."""
    error = OutOfStockError("a")
    error.left = print  # type: ignore[assignment]  # something that cannot be stored

    read = there_and_back(error)

    assert read.sku == "a"
    assert "left" not in vars(read)


def test_an_exception_in_its_own_args_is_closed() -> None:
    """A cycle through args ends."""
    error = ValueError()
    error.args = (error,)

    read = there_and_back(error)

    assert read.args[0] is read


def test_two_exceptions_that_are_each_others_cause_are_closed() -> None:
    """As a careless handler makes them."""
    one, other = ValueError("one"), OutOfStockError("other")
    one.__cause__, other.__cause__ = other, one

    read = there_and_back(one)

    assert read.__cause__.__cause__ is read
    assert (str(read), read.__cause__.sku) == ("one", "other")


def test_an_exception_that_cannot_tell_itself_is_stored() -> None:
    """A __str__ that raises is the application's business, not a second failure."""

    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    read = there_and_back(SilentError())

    assert isinstance(read, PythonError)
    assert read.message == "<SilentError whose str() raised RuntimeError>"


def test_a_class_that_is_not_loaded_comes_back_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored is kept, and is written again as it was."""
    data = codec.dumps(raised(OutOfStockError("sku-1")))
    monkeypatch.delitem(sys.modules, application.__name__)

    read = codec.loads(data)

    assert type(read) is PythonError
    assert isinstance(read, RemoteError)
    assert str(read) == "OutOfStockError: sku-1 is out of stock"
    assert read.path == f"{application.__name__}:OutOfStockError"
    assert codec.dumps(read) == data


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_what_would_end_more_than_a_step_comes_back_harmless(error: BaseException) -> None:
    """No text can have a worker raise SystemExit."""
    read = there_and_back(error)

    assert type(read) is PythonError
    assert read.name == type(error).__name__


# ── JavaScript ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        'devl[["Error",1],{"name":2,"message":3,"stack":4},"Error","m","S"]',
        'devl[["Error",1],{"name":2,"message":3,"stack":4,"cause":5},"Mine","m","S",{"code":6},5]',
        *[ERROR.format(f"{name}Error") for name in ("Type", "Range", "Syntax", "Reference", "Eval", "URI", "Fatal")],
        'devl[["TypeError",1],{"message":2,"stack":-1},"m"]',
        'devl[["TypeError",1],{"message":2,"stack":3,"cause":4},"m","S",["RangeError",5],{"message":2,"stack":3}]',
        'devl[["AggregateError",1],{"message":2,"stack":3,"errors":4},"m","S",[5],["URIError",6],{"message":2,"stack":3}]',
        'devl[["DOMException",1],{"message":2,"name":3,"stack":4},"m","AbortError","S"]',
        'devl[["RetryableError",1],{"message":2,"stack":3,"retryAfter":4},"m","S",123456]',
        'devl[["RetryableError",1],{"message":2,"stack":3},"m","S"]',
        'devl[["FatalError",1],{"message":2,"stack":3,"cause":4},"m","S",{"code":5},5]',
        'devl[["HookConflictError",1],{"message":2,"stack":3,"token":4,"conflictingRunId":5},"m","S","t","wrun_1"]',
        'devl[["RuntimeDecryptionError",1],{"message":2,"stack":3,"context":4},"m","S",{}]',
        'devl[["StreamError",1],{"message":2,"stack":3,"status":4,"url":2},"m","S",404]',
    ],
)
def test_an_error_of_javascript_is_written_again_as_it_was(text: str) -> None:
    """What Python only hands on does not change."""
    data = codec.pack_devalue(text)

    read = codec.loads(data)

    assert isinstance(read, Exception)
    assert codec.unpack_devalue(codec.dumps(read)) == text


def test_an_error_of_javascript_can_be_looked_at_and_raised() -> None:
    """It has a name, a message, a stack and a cause."""
    text = (
        'devl[["TypeError",1],{"message":2,"stack":3,"cause":4},"m","S",["Error",5],'
        '{"name":6,"message":7,"stack":3,"cause":8},"Mine","why","text"]'
    )
    error = codec.loads(codec.pack_devalue(text))

    with pytest.raises(JavaScriptError, match=r"^TypeError: m$"):
        raise error
    assert (error.kind, error.name, error.message, error.stack) == ("TypeError", "TypeError", "m", "S")
    assert str(error.__cause__) == "Mine: why"
    assert error.__cause__.fields["cause"] == "text"
    assert error.__cause__.__cause__ is None


def test_a_cycle_of_javascript_errors_is_closed() -> None:
    """An error may be in its own cause."""
    error = codec.loads(codec.pack_devalue('devl[["Error",1],{"name":2,"message":2,"stack":2,"cause":3},"x",[0]]'))

    assert error.fields["cause"] == [error]
    assert error.name == "x"


# ── Both ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _StoppedClock(SystemClock):
    def now(self) -> int:
        return 1_700_000_000_000


@pytest.mark.parametrize("retry_after", [90, timedelta(seconds=90), datetime(2023, 11, 14, 22, 14, 50, tzinfo=UTC)])
def test_a_retry_time_is_written_as_epoch_milliseconds(retry_after: Any) -> None:
    """However it was given; relative times count from the writing."""
    table = standard_table(_StoppedClock())

    text = devalue.stringify(RetryableError("busy", retry_after=retry_after), table)

    assert text.startswith('[["RetryableError",1],{"message":2,"stack":3,"retryAfter":4},"busy",')
    assert text.endswith(",1700000090000]")
    assert devalue.parse(text, table).retry_after == datetime(2023, 11, 14, 22, 14, 50, tzinfo=UTC)


def test_without_a_retry_time_none_is_written() -> None:
    """The step's own backoff still applies on the other side."""
    assert "retryAfter" not in codec.unpack_devalue(codec.dumps(RetryableError("busy")))
    assert there_and_back(RetryableError("busy")).retry_after is None


def test_a_fatal_error_keeps_its_cause_or_context() -> None:
    """JavaScript has one field for both."""
    explicit = FatalError("f")
    explicit.__cause__ = ValueError("cause")
    implicit = raised(FatalError("f"))
    implicit.__context__ = ValueError("context")

    assert str(there_and_back(explicit).__cause__) == "cause"
    assert str(there_and_back(implicit).__cause__) == "context"


def test_a_hook_conflict_says_who_has_the_token() -> None:
    """Token and run survive."""
    read = there_and_back(HookConflictError("t", "wrun_1"))

    assert type(read) is HookConflictError
    assert (read.token, read.run_id) == ("t", "wrun_1")
    assert str(read) == str(HookConflictError("t", "wrun_1"))


def test_a_subclass_of_a_fatal_error_is_pythons_own() -> None:
    """Its class would be lost in a reducer that both languages have."""

    class MineError(FatalError):
        pass

    assert '"class//python//exception//' in codec.unpack_devalue(codec.dumps(MineError("x")))
