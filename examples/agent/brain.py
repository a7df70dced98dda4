"""The demo's model: it takes its time, and decides by what it is told, as a small language model would."""

from __future__ import annotations

import json
import os
import time

from torpor.testing.model_server import Asked, Said

THINKING_SECONDS = float(os.environ.get("THINKING_SECONDS", "0.4"))
TITLE = "How runs survive"


def answer(asked: Asked) -> Said:
    """Search twice at once, read what was found, publish, and report."""
    time.sleep(THINKING_SECONDS)
    match asked.replies:
        case 0:
            return Said(
                "I look for pages on both.",
                [("search", {"words": "snapshot"}), ("search", {"words": "fork forks", "most": 1})],
                tokens=(420, 60),
            )
        case 1:
            pages = sorted({page for found in asked.results for page in json.loads(found)})
            return Said("", [("read", {"page": page}) for page in pages], tokens=(560, 40))
        case 2:
            text = "Runs are snapshotted at every wait, and go on in forks from any place of their logs."
            return Said("This is enough for a report.", [("publish", {"title": TITLE, "text": text})], (1900, 90))
        case _:
            return Said("", [("final_answer", _report(asked.results[0]))], tokens=(2050, 120))


def _report(told: str) -> dict[str, object]:
    if told.startswith("https://"):
        summary, published = "Runs are snapshotted at every wait. Their logs can be forked anywhere.", told
    else:
        summary, published = "A draft, since nobody agreed to publish it.", ""
    return {"title": TITLE, "summary": summary, "sources": ["guarantees.md", "time-travel.md"], "published": published}
