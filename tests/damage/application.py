"""
The application of the tests of damaged rows. Its runs have something in every table.

Steps start runs, so that a test gives it a world of its own with ``use_world``.
"""

from __future__ import annotations

from pathlib import Path

from torpor import RetryableError, Torpor, current_step, get_writable

app = Torpor("memory://", name="shop", root=Path(__file__).parent)


@app.step(name="laterOn")
async def later_on(text: str) -> str:
    """Ask for another attempt in an hour, once."""
    await get_writable("news").write(f"attempt {current_step().attempt}")
    if current_step().attempt == 1:
        raise RetryableError("not yet", retry_after="1h")
    return text


app.workflows("flows/*.js")
