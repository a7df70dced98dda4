"""The site of the documentation: every page is found from its first one, and every public name in the reference."""

from __future__ import annotations

import re

import torpor
from tests.docs.pages import DOCS

_TREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _entries(page: str) -> list[str]:
    blocks = _TREE.findall((DOCS / page).read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]


def test_every_page_is_in_the_index_once() -> None:
    """A page that nobody finds is none."""
    listed = _entries("index.md")
    pages = {each.stem for each in DOCS.glob("*.md")} - {"index", "commands"}
    assert len(listed) == len(set(listed))
    assert set(listed) == pages


def test_every_public_name_is_in_the_reference_once() -> None:
    """And nothing that is not public."""
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto(?:class|function|exception):: torpor\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(torpor.__all__)
