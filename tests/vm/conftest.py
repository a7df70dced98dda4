"""What VMs do holds for both memory back ends."""

from __future__ import annotations

import pytest

from torpor.vm.pages import copy_on_write_problem


@pytest.fixture(params=["cow", "portable"])
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of a memory back end."""
    if request.param == "cow" and (problem := copy_on_write_problem()):
        pytest.skip(problem)
    return str(request.param)
