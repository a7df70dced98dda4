"""
Functions called in processes of their own, so that memory, caches and threads of one measurement do not reach another.

The child gets its argument as JSON on standard input and answers with JSON on standard output; whatever else it
prints goes to standard error.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

A = TypeVar("A")
R = TypeVar("R")

_ROOT = Path(__file__).parent.parent.parent
_SECONDS_MAX = 1_800


class BenchmarkError(Exception):
    """A benchmark could not be carried out; the message says what happened."""


def call(
    function: Callable[[A], R],
    argument: A,
    *,
    seconds: float = _SECONDS_MAX,
    environment: Mapping[str, str] = os.environ,
) -> R:
    """
    Call a module's function in a new process and return what it returns.

    Args:
        function: takes one argument; its annotations say which types cross the border.
        argument: anything that msgspec can write as JSON.
        seconds: how long it may take.
        environment: of the process.

    Raises:
        BenchmarkError: the child failed, or took longer than half an hour.
    """
    process = start(function, argument, environment)
    try:
        answer, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{_name(function)} did not end within {seconds:g} s and was killed") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise BenchmarkError(f"{_name(function)} ended with {process.returncode}; its own words are above")
    result: R = msgspec.json.decode(answer, type=typing.get_type_hints(function)["return"])
    return result


def start(
    function: Callable[[A], Any], argument: A, environment: Mapping[str, str] = os.environ
) -> subprocess.Popen[bytes]:
    """Begin to call a module's function in a new process; kill and wait are the caller's."""
    path = [str(_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, function.__module__, function.__qualname__],
        env={**environment, "PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(argument))
    process.stdin.close()
    process.stdin = None  # communicate() would flush it
    return process


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _serve(module: str, name: str) -> None:
    answers = os.dup(1)
    os.dup2(2, 1)
    function = getattr(importlib.import_module(module), name)
    hints = typing.get_type_hints(function)
    kind = next(hint for parameter, hint in hints.items() if parameter != "return")
    argument = msgspec.json.decode(sys.stdin.buffer.read(), type=kind)
    answer = msgspec.json.encode(function(argument))
    while answer:
        answer = answer[os.write(answers, answer) :]


if __name__ == "__main__":
    _serve(*sys.argv[1:])
