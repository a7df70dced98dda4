"""
Steps in transactions: the work of an attempt and its outcome are committed together, or not at all.

The attempt opens a block, its function works on the block's connection, and before the block commits, the outcome is
stored on the same connection, under the fence of the claim. So whatever fails, is cancelled, or has lost its claim
leaves the block by an error, which rolls the work back.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from torpor.calling_thread import wait_here
from torpor.engine.metadata import StepMetadata
from torpor.engine.step_definition import StepDefinition
from torpor.errors import FatalError, TransactionError
from torpor.model import Event, Finished
from torpor.world import World

Begin = Callable[[], Any]
"""Returns a block whose value is a connection; it commits behind what is done in it, or rolls that back."""

Call = Callable[[], Any]


class Committed(NamedTuple):
    """An outcome that is stored."""

    event: Event
    finished: Finished


class Record(Protocol):
    """Stores the outcome of an attempt, given what its function has returned, on a connection."""

    def __call__(self, connection: object, result: Any, /) -> Coroutine[Any, Any, Committed]: ...


class Registered(Protocol):
    """Where steps are found."""

    def claimable_steps(self) -> list[str]: ...
    def step_definition(self, name: str) -> StepDefinition | None: ...


def check_transactions(registry: Registered, world: World) -> None:
    """
    Refuse steps in transactions that a world cannot be part of.

    Raises:
        TransactionError: there is one.
    """
    if world.capabilities.transactions:
        return
    for name in registry.claimable_steps():
        definition = registry.step_definition(name)
        if definition is not None and definition.transaction:
            raise TransactionError(
                f"step {name} is in a transaction (transaction=), and world {world.url} can be part of none; use one "
                "in SQLite or Postgres"
            )


def beginning(wanted: bool | Begin, world: Begin) -> Begin:
    """Return what begins a step's transactions: the world, or what its author has given."""
    return wanted if callable(wanted) else world


async def on_loop(begin: Begin, call: Call, step: StepMetadata, record: Record) -> tuple[Committed, None]:
    """Make an attempt of an ``async def`` step; its block may be one or the other."""
    block = begin()
    if hasattr(block, "__aenter__"):
        async with block as connection:
            return await _worked(call, step, record, connection), None
    with _checked(block, "__enter__", "a block") as connection:
        return await _worked(call, step, record, connection), None


async def _worked(call: Call, step: StepMetadata, record: Record, connection: object) -> Committed:
    step.within = (connection,)
    result = call()
    return await record(connection, await result if inspect.isawaitable(result) else result)


def in_thread(begin: Begin, call: Call, step: StepMetadata, record: Record, loop: asyncio.AbstractEventLoop) -> Any:
    """Make an attempt of a ``def`` step, all of it in its thread: connections may belong to one."""
    with _checked(begin(), "__enter__", "a block for `with`") as connection:
        step.within = (connection,)
        return wait_here(record(connection, call()), loop)


def _checked(block: Any, method: str, what: str) -> Any:
    if not hasattr(block, method):
        raise FatalError(
            f"transaction= of a step returns {what} whose value is a connection, not {type(block).__qualname__}"
        )
    return block
