"""The full guest: the packages that it carries beside the library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guests.cpython.conftest import Author
from torpor.guests.cpython import CPython
from torpor.programs.python.carried import carried_packages

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

CARRIED = (
    "attr bs4 charset_normalizer cloudpickle dateutil.parser defusedxml.ElementTree html5lib jinja2 more_itertools"
    " mpmath multiprocessing narwhals networkx openpyxl packaging.version pyparsing pypdf regex six sympy tabulate"
    " tomli_w toolz tqdm wrapt xlrd xlsxwriter xmltodict yaml"
)
"""Packages that workflow code may well import."""


@pytest.fixture(scope="module")
def full() -> Iterator[CPython]:
    """The full guest."""
    guest = CPython(full=True)
    yield guest
    guest.close()


@pytest.fixture
def scientist(full: CPython) -> Iterator[Author]:
    """An author for the full guest."""
    author = Author(full)
    yield author
    author.release()


def test_the_packages_that_are_said_to_be_carried_are(scientist: Author) -> None:
    """The guest finds each of them."""
    run = scientist.body(
        """
        import importlib.util
        return [name for name in names if importlib.util.find_spec(name) is None]
        """,
        parameters="names",
    )

    assert {"numpy", "pandas", "yaml", "attrs", "dateutil"} <= carried_packages(full=True)
    assert run.begin(sorted(carried_packages(full=True))).value == []


@pytest.mark.parametrize("name", CARRIED.split())
def test_carried_packages_leave_the_image_shared(scientist: Author, name: str) -> None:
    """Importing one costs a run nothing."""
    assert scientist.body("return 1", before=f"import {name}\n").image.per_run is None


def test_packages_in_c_compute(scientist: Author) -> None:
    """What was compiled for science works, and survives sleep."""
    run = scientist.body(
        "total = numpy.arange(10).sum()\nawait sleep(1)\nreturn int(total) + int(linalg.det(numpy.eye(2)))",
        before="import numpy\nfrom scipy import linalg\n",
    )

    assert run.begin().park().wake(1, 1000).value == 46


def test_versions_of_carried_packages_are_known(scientist: Author) -> None:
    """Their metadata is there, too."""
    run = scientist.body("from importlib import metadata; return metadata.version('numpy')")

    assert run.begin().value == scientist._guest.packages["numpy"]


@pytest.mark.parametrize(
    ("value", "way"), [("numpy.float64(1)", ".item()"), ("[numpy.int8(1)]", ".item()"), ("numpy.ones(3)", ".tolist()")]
)
def test_numbers_of_packages_say_how_to_become_pythons(scientist: Author, value: str, way: str) -> None:
    """Those of numpy, which the guest carries, are no values, whatever they are derived from."""
    failure = str(scientist.body(f"return {value}", before="import numpy\n").begin().failure)

    assert "which cannot be stored; pass" in failure
    assert way in failure
