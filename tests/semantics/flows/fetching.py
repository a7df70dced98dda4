"""``fetch``, as Python has it."""

from __future__ import annotations

from typing import Any

from tests.semantics.application import app
from torpor import fetch


@app.workflow
async def fetch_step(url: str) -> dict[str, Any]:
    got = await fetch(f"{url}/todo?n=1", headers={"X-Who": "ann"})
    todo = got.json()
    posted = await fetch(f"{url}/echo", method="POST", body="written")
    moved = await fetch(f"{url}/moved")
    missing = await fetch(f"{url}/missing")
    return {
        "got": [got.status, got.ok, got.headers.get("content-type"), todo["title"], todo["who"]],
        "posted": [posted.status, posted.text()],
        "moved": [moved.redirected, moved.url, moved.json()["title"]],
        "missing": [missing.status, missing.ok, missing.text()],
    }


@app.workflow
async def fetch_fails(url: str) -> str:
    try:
        return str((await fetch(url)).status)
    except Exception as error:  # noqa: BLE001  # its text is what the test looks at
        return f"{type(error).__name__}: {error}"
