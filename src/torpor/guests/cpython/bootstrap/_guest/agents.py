"""What an agent's loop asks of its run: ``torpor.agents.asking`` as the VM has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .children import start
from .hooks import hook
from .steps import ask

__all__ = ["ask_host", "hook", "start"]


async def ask_host(step: str, *args: Any, options: Mapping[str, Any] | None = None) -> Any:
    """Have a built-in step carried out, and return its result."""
    given: dict[str, Any] = {"args": list(args)}
    if options:
        given["options"] = dict(options)
    return await ask(f"step//torpor//{step}", given)
