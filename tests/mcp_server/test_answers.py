"""Answers that a model can read."""

from __future__ import annotations

import msgspec

from torpor.mcp.answers import ANSWER_BYTES_MAX, ITEMS_MAX, TEXT_CHARS_MAX, bounded


def test_what_is_long_is_cut_and_says_so() -> None:
    """Texts, lists and objects; what is null is left out."""
    told = bounded({"text": "x" * (TEXT_CHARS_MAX + 7), "list": list(range(ITEMS_MAX + 3)), "none": None})
    assert told["text"].endswith("… (7 more characters)")
    assert told["list"][-1] == "… (3 more)"
    assert "none" not in told
    assert bounded({"a": {str(n): n for n in range(ITEMS_MAX + 1)}})["a"]["…"] == "1 more fields"


def test_an_answer_never_has_more_than_fits() -> None:
    """However it is made."""
    for answer in (
        {"a": ["x" * 1_900] * 100},
        {"a": [{str(n): "y" * 90 for n in range(99)}] * 99},
        {"a": [[["z"] * 99] * 99] * 99},
    ):
        assert len(msgspec.json.encode(bounded(answer))) <= ANSWER_BYTES_MAX
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    assert "nested deeper" in str(bounded({"a": deep}))
