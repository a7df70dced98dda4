"""Values, times and what a run waits for, as a page says them."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from torpor.http.service import SEALED
from torpor.inspection.readable import summary
from torpor.inspection.timestamps import clock_text, span_text
from torpor.run_info import Awaited

BRIEF_CHARS_MAX: Final = 120
PRETTY_CHARS_MAX: Final = 6_000

_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Characters that steer a terminal or the direction of a text, or that nobody sees."""


def visible(text: object) -> str:
    """Return a text in which what steers a terminal or a direction, and what nobody sees, stands as an escape."""
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], str(text))


def brief(value: Any) -> str:
    """Return JSON data on one line."""
    return visible(_sealed(value) or summary(value, BRIEF_CHARS_MAX))


def pretty(value: Any) -> str:
    """Return JSON data on several lines, the beginning of much."""
    if sealed := _sealed(value):
        return sealed
    if isinstance(value, str):
        text = value
    else:
        pieces: list[str] = []
        size = 0
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
            pieces.append(piece)
            size += len(piece)
            if size > PRETTY_CHARS_MAX:
                break
        text = "".join(pieces)
    if len(text) > PRETTY_CHARS_MAX:
        text = f"{text[:PRETTY_CHARS_MAX]} …"
    return visible(text)


def _sealed(value: Any) -> str:
    """Return what stands for a value that is encrypted, ``""`` for all others."""
    return f"encrypted (key {value[SEALED]})" if isinstance(value, dict) and value.keys() == {SEALED} else ""


def awaited(each: Awaited, now: int) -> str:
    """Return what a run waits for in a few words."""
    match each.kind:
        case "timer":
            left = each.due - now
            return f"sleeps, {span_text(left)} more" if left > 0 else f"sleeps until {clock_text(each.due)}"
        case "hook":
            return f"waits for hook {visible(each.name)}"
        case "run":
            return f"waits for run {visible(each.name)}"
        case "message":
            return f"waits for a message in {visible(each.name)}"
        case "step":
            attempt = f", attempt {each.attempt}" if each.attempt > 1 else ""
            state = {"running": "runs", "pending": "is pending", "retrying": "will be retried", "blocked": "is blocked"}
            return f"{visible(each.name)} {state.get(each.status, each.status)}{attempt}"


def ago(at: int, now: int) -> str:
    """Return how long ago a time is, or how far ahead."""
    if not at:
        return "-"
    return f"{span_text(now - at)} ago" if at <= now else f"in {span_text(at - now)}"
