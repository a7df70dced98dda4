"""What VMs do holds for both memory back ends."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator

import pytest

from torpor.vm.pages import copy_on_write_problem


@pytest.fixture(params=["cow", "portable"])
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of a memory back end."""
    if request.param == "cow" and (problem := copy_on_write_problem()):
        pytest.skip(problem)
    return str(request.param)


@pytest.fixture
def no_descriptors() -> Iterator[None]:
    """Let this process open no more files for the time of the test."""
    gc.collect()  # what earlier tests left would give descriptors back in the middle of this one
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/", os.O_RDONLY)
    os.close(lowest)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 8, hard))
    try:
        while True:  # those below the limit may have gaps
            held.append(os.open("/", os.O_RDONLY))
    except OSError:
        pass
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
