"""Functions in processes of their own: what crosses the border, and what failure looks like."""

from __future__ import annotations

import os

import msgspec
import pytest

from benchmarks.harness.child import BenchmarkError, call


class Question(msgspec.Struct, frozen=True):
    """What a test sends."""

    text: str
    numbers: dict[int, list[float]]


def answer(question: Question) -> Question:
    """Write to standard output, which must not disturb the answer, and return this process's id with what came."""
    os.write(1, b"noise")
    return Question(question.text + str(os.getpid()), {number + 1: found for number, found in question.numbers.items()})


def fail(question: Question) -> None:
    """End in an error."""
    raise RuntimeError(question.text)


def test_typed_values_cross_both_ways() -> None:
    """A struct with integer keys arrives as it was sent, and comes back, from another process."""
    got = call(answer, Question("from ", {10: [0.5]}))

    assert got.numbers == {11: [0.5]}
    assert got.text.startswith("from ")
    assert got.text != f"from {os.getpid()}"


def test_a_failed_child_is_an_error() -> None:
    """The error names the function; the child's own words stand on standard error."""
    with pytest.raises(BenchmarkError, match=r"test_child\.fail ended with 1"):
        call(fail, Question("on purpose", {}))
