"""The codec under test, in Python and in Node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.codec.node import CODEC_SERVER, DEVALUE, SDK_SERVER, WORKFLOW_SDK, Node, find_node, install, write_modules
from tests.codec.values import common_values, generated


@pytest.fixture(scope="session", params=[2_000, pytest.param(10_000, marks=pytest.mark.long)])
def many_values(request: pytest.FixtureRequest) -> list[Any]:
    """Return thousands of values that both languages write alike."""
    return generated(common_values, request.param)


@pytest.fixture(scope="session")
def node_path() -> str:
    """Return where Node is."""
    node = find_node()
    if node is None:
        pytest.skip("there is no node, and no wheel of it can be had")
    return node


@pytest.fixture(scope="session")
def node(node_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run the guest's codec in Node."""
    process = Node(node_path, CODEC_SERVER, write_modules(tmp_path_factory.mktemp("codec")))
    yield process
    process.close()


@pytest.fixture(scope="session")
def node_with_devalue(node_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run the guest's codec in Node beside the npm package devalue."""
    devalue = install(node_path, DEVALUE)
    process = Node(node_path, CODEC_SERVER, write_modules(tmp_path_factory.mktemp("codec")), devalue)
    yield process
    process.close()


@pytest.fixture(scope="session")
def sdk(node_path: str) -> Iterator[Node]:
    """Run the TypeScript Workflow SDK in Node."""
    process = Node(node_path, SDK_SERVER, install(node_path, WORKFLOW_SDK))
    yield process
    process.close()
