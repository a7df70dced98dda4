"""Every behaviour of the VM host holds for both memory back ends."""

from __future__ import annotations

import pytest

from tests.vm.python_support import python
from tests.vm.support import guest
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.vm.pages import copy_on_write_problem


@pytest.fixture(params=["cow", "portable"])
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of a memory back end."""
    if request.param == "cow" and (problem := copy_on_write_problem()):
        pytest.skip(problem)
    return str(request.param)


@pytest.fixture
def js(backend: str) -> QuickJS:
    """A JavaScript guest with default limits."""
    return guest(backend)


@pytest.fixture
def py(backend: str) -> CPython:
    """A Python guest with default limits."""
    return python(backend)
