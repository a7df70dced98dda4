"""The guest's codec and the npm package devalue write the same texts and read one another's."""

from __future__ import annotations

import pytest

from tests.codec.corpus import BUILT_IN, CYCLES, NESTED, OF_LOST_CLASSES, OF_THE_SDK, PLAIN, SPARSE, SUBVIEWS
from tests.codec.node import Node

pytestmark = pytest.mark.network


@pytest.mark.parametrize("expression", [*PLAIN, *SPARSE, *BUILT_IN, *OF_THE_SDK, *OF_LOST_CLASSES, *NESTED, *CYCLES])
def test_both_write_the_same_text(node_with_devalue: Node, expression: str) -> None:
    """With the SDK's reducers the package writes what the codec writes, to the byte."""
    assert node_with_devalue("write", expression) == node_with_devalue("devalueWrite", expression)


@pytest.mark.parametrize("expression", [*PLAIN, *SPARSE, *BUILT_IN, *OF_THE_SDK, *NESTED])
def test_devalue_reads_what_the_codec_writes(node_with_devalue: Node, expression: str) -> None:
    """With the SDK's revivers the package reads the codec's text as the value that was written."""
    text = node_with_devalue("write", expression)

    assert node_with_devalue("devalueReads", text, expression)


@pytest.mark.parametrize("expression", [*PLAIN, *SPARSE, *BUILT_IN, *OF_THE_SDK, *NESTED, *CYCLES])
def test_the_codec_reads_what_devalue_writes(node_with_devalue: Node, expression: str) -> None:
    """The codec reads the package's text as the value that was written."""
    text = node_with_devalue("devalueWrite", expression)

    assert node_with_devalue("reads", text, expression)


@pytest.mark.parametrize("expression", [*PLAIN, *SPARSE, *BUILT_IN, *SUBVIEWS])
def test_the_codec_reads_the_form_that_devalue_writes_on_its_own(node_with_devalue: Node, expression: str) -> None:
    """Without reducers the package writes its types in one level; the codec reads that too."""
    text = node_with_devalue("devaluePlainWrite", expression)

    assert node_with_devalue("reads", text, expression)
