"""An application whose run waits for a payload and a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torpor import Torpor, hook, receive

app = Torpor("memory://", root=Path(__file__).parent)


@app.workflow
async def both(token: str) -> list[Any]:
    """Take a payload, and then two messages."""
    payload = await hook(token, metadata={"secret": f"metadata of {token}"})
    return [payload, await receive("work"), await receive("work")]
