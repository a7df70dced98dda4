"""Hooks and messages that are pydantic models and generic types."""

from __future__ import annotations

from typing import Any

from tests.semantics.application import app
from tests.semantics.python_flows.models import Basket
from torpor import ArgumentError, hook, receive


@app.workflow
async def takes_models(token: str) -> list[Any]:
    """Take a basket from a hook, and a list of them from the mailbox; tell what did not fit."""
    told: list[Any] = []
    baskets = hook(Basket, token=token)
    while not (told and isinstance(told[-1], Basket)):
        try:
            told.append(await baskets)
        except ArgumentError as error:
            told.append(str(error).replace(token, "TOKEN"))
    try:
        await receive("baskets", list[Basket])
    except ArgumentError as error:
        told.append(str(error))
    told.append(await receive("baskets", list[Basket]))
    return told
