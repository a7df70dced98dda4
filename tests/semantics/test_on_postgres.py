"""
Some of what workflows do, on Postgres in every run of the tests; ``--world postgres`` is all of it there.

The tests are those of the other modules: one for each way in which a run comes and goes between a turn and its world.
"""

from __future__ import annotations

import pytest

from tests.postgres_server import empty, server_url
from tests.semantics.test_children import test_a_child_outlives_its_parent, test_spawn_from_workflow
from tests.semantics.test_hooks import test_hook, test_hook_conflict, token
from tests.semantics.test_sleeping import test_parallel_sleep, test_sleep_with_sequential_steps
from tests.semantics.test_steps import test_add_ten, test_logs
from tests.semantics.test_streams import test_output_stream_in_step
from tests.semantics.test_together import test_fan_out
from torpor.model import Runtime

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = [
    "test_a_child_outlives_its_parent",
    "test_add_ten",
    "test_fan_out",
    "test_hook",
    "test_hook_conflict",
    "test_logs",
    "test_output_stream_in_step",
    "test_parallel_sleep",
    "test_sleep_with_sequential_steps",
    "test_spawn_from_workflow",
    "token",
]


@pytest.fixture(scope="module", params=["quickjs", "cpython"])
def guest(request: pytest.FixtureRequest) -> str:
    """Both guests, as in the other modules."""
    return str(request.param)


@pytest.fixture(scope="module")
def runtime(guest: str) -> Runtime:
    """One runtime for each guest."""
    return "snapshot" if guest == "cpython" else "replay"


@pytest.fixture(scope="module")
def world_url() -> str:
    """An empty database."""
    url = server_url()
    empty(url)
    return url
