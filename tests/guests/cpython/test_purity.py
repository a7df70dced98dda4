"""A program that reads the clock or draws entropy while it loads is evaluated in every run."""

from __future__ import annotations

import pytest

from tests.guests.cpython.support import python_program
from tests.guests.support import NOW, SEED, begin, result
from torpor.guests.cpython import CPython
from torpor.vm.entropy import Entropy

MAIN = "\nasync def main():\n    return kept\n"


@pytest.mark.parametrize(
    "source",
    ["import time\nkept = time.time()", "import os\nkept = os.urandom(4).hex()"],
    ids=["clock", "entropy"],
)
def test_the_line_is_named(py: CPython, source: str) -> None:
    """
    The image says which line prevents it from being shared.
    """
    assert py.load(python_program(source + MAIN)).per_run == "./main.py:2"


def test_each_run_has_its_own(py: CPython) -> None:
    """
    What module scope drew and read is the run's own entropy and time.
    """
    image = py.load(python_program("import os, time\nkept = [os.urandom(4).hex(), time.time()]" + MAIN))
    found = []
    for seed in (SEED, bytes(32)):
        vm = py.lease(image)
        found.append(result(begin(vm, "main", seed=seed)))
        vm.release()

    assert found == [[Entropy(seed).draw(4).hex(), NOW / 1000] for seed in (SEED, bytes(32))]


def test_an_impure_image_is_stored_as_next_to_nothing(py: CPython) -> None:
    """
    It is the boot image; programs that share it have hashes of their own.
    """
    programs = [python_program(f"import time\nkept = time.time() + {n}" + MAIN) for n in range(2)]
    first, second = (py.load(program) for program in programs)

    revived = py.revive(first.to_bytes(), programs[0])

    assert len(first.to_bytes()) < 1000
    assert first.hash != second.hash
    assert (revived.hash, revived.per_run) == (first.hash, "./main.py:2")


def test_collecting_garbage_is_not_impure(py: CPython) -> None:
    """
    A program that makes much garbage while it loads is as pure as another, though each collection reads the clock.
    """
    source = "kept = 0\nfor _ in range(20_000):\n    cycle = []\n    cycle.append(cycle)" + MAIN

    assert py.load(python_program(source)).per_run is None
