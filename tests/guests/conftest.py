"""Every behaviour of what drives a guest holds for both memory back ends."""

from __future__ import annotations

import pytest

from tests.guests.cpython.support import python
from tests.guests.quickjs.support import guest
from tests.vm.conftest import backend, no_descriptors
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS

__all__ = ["backend", "no_descriptors"]


@pytest.fixture
def js(backend: str) -> QuickJS:
    """A JavaScript guest with default limits."""
    return guest(backend)


@pytest.fixture
def py(backend: str) -> CPython:
    """A Python guest with default limits."""
    return python(backend)
