"""What differs from Python outside, as ``docs/python-guest.md`` says."""

from __future__ import annotations

import math

import pytest

from tests.guests.cpython.conftest import Author


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("sys.maxsize", 2**31 - 1),
        ("len(range(sys.maxsize))", 2**31 - 1),
        ("time.gmtime(2**40).tm_year", 36812),
        ("sys.hash_info.width", 32),
        ("(sys.platform, os.name)", ("wasi", "posix")),
        ("(__file__, str(Path(__file__)), Path(__file__).exists())", ("./app.py", "app.py", False)),
        ("errno.ENOENT", 44),
    ],
)
def test_what_is_otherwise(author: Author, expression: str, value: object) -> None:
    """A machine of 32 bits, without files and with numbers of its own."""
    before = "import errno, os, sys, time\nfrom pathlib import Path\n"

    assert author.body(f"return {expression}", before=before).begin().value == value


def test_a_length_that_needs_more_than_32_bits(author: Author) -> None:
    """It is Python's own error."""
    assert isinstance(author.body("return len(range(2**31))").begin().failure, OverflowError)


def test_every_locale_is_c(author: Author) -> None:
    """Whatever it is called, it writes as C does."""
    body = "locale.setlocale(locale.LC_ALL, 'de_DE.UTF-8'); return f'{1234.5:n}', locale.strxfrm('a')"

    assert author.body(body, before="import locale\n").begin().value == ("1234.5", "a")


def test_functions_of_math_differ_in_the_last_digit_at_most(author: Author) -> None:
    """They come from another library of C."""
    calls = [
        "sin(1e22)",
        "exp(1.1)",
        "gamma(5.5)",
        "pow(1.1, 10.3)",
        "tan(1.5)",
        "lgamma(0.3)",
        "cosh(3.3)",
        "log2(7.7)",
    ]
    there = author.body(f"return [{', '.join(calls)}]", before="from math import *\n").begin().value
    here = [eval(call, vars(math)) for call in calls]  # noqa: S307  # the texts above

    assert there == pytest.approx(here, rel=1e-15)


@pytest.mark.parametrize(
    ("module", "name", "why"),
    [
        ("hashlib", "scrypt", "OpenSSL's"),
        ("hashlib", "pbkdf2_hmac", "OpenSSL's"),
        ("os", "fork", "no operating system"),
        ("os", "getlogin", "no operating system"),
        ("signal", "alarm", "no operating system"),
        ("socket", "gethostbyname", "no network"),
        ("time", "thread_time", "no operating system"),
    ],
)
def test_what_the_library_lacks(author: Author, module: str, name: str, why: str) -> None:
    """It is absent, as libraries that look for it expect, and the error says where it was asked for, and what to do."""
    absent = author.body(f"return hasattr({module}, {name!r})", before=f"import {module}\n").begin()
    failure = author.body(f"{module}.{name}", before=f"import {module}\n").begin().failure

    assert absent.value is False
    assert type(failure) is AttributeError
    assert f"module '{module}' has no attribute '{name}' inside a workflow (./app.py:" in str(failure)
    assert why in str(failure)
    assert "do it in a step" in str(failure)


def test_a_name_that_python_does_not_have_is_as_outside(author: Author) -> None:
    """No advice where there is none to give."""
    failure = author.body("os.forks", before="import os\n").begin().failure

    assert str(failure).startswith("module 'os' has no attribute 'forks'")
    assert "step" not in str(failure)
