"""The codec under test, in Python and in Node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.codec.node import Node, find_node, install_devalue, write_modules


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
    process = Node(node_path, write_modules(tmp_path_factory.mktemp("codec")), None)
    yield process
    process.close()


@pytest.fixture(scope="session")
def node_with_devalue(node_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run the guest's codec in Node beside the npm package devalue."""
    devalue = install_devalue(node_path)
    process = Node(node_path, write_modules(tmp_path_factory.mktemp("codec")), devalue)
    yield process
    process.close()
