"""One server for all tests, in each process of them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.http.serving import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a worker, that gives prompts."""
    with Server(tmp_path_factory.mktemp("served"), "--prompt") as running:
        yield running


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A client that may do everything."""
    with server.client() as client:
        yield client
