"""A step from a file that has nothing to do with workflows, and a function that fails for other files."""

from __future__ import annotations

from tests.semantics.application import app


@app.step
async def double(n: int) -> int:
    """Double."""
    return 2 * n


def break_elsewhere() -> None:
    """Fail, far from the step that called."""
    raise LookupError("broken in another file")
