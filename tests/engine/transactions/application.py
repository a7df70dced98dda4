"""An application whose steps put rows into the database that its world is in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from torpor import FatalError, Torpor, current_step, get_writable

app = Torpor("memory://", root=Path(__file__).parent)

MAKE = "CREATE TABLE IF NOT EXISTS charges (name TEXT, attempt INTEGER)"
PUT = "INSERT INTO charges (name, attempt) VALUES ('{}', {})"

fails: dict[str, int] = {}
"""How many attempts fail behind their work, by what they charge."""

begun = threading.Event()
goes_on = threading.Event()
blocks: dict[str, Any] = {}
"""What begins transactions of the application's, by the kind of step."""


def _put(name: str) -> str:
    return PUT.format(name, current_step().attempt)


def _may_fail(name: str) -> str:
    if fails.get(name, 0) >= current_step().attempt:
        raise RuntimeError(f"{name} is not charged")
    return f"{name} is charged"


@app.step(transaction=True)
def charge(name: str) -> str:
    """Put a row, in a thread."""
    current_step().connection.execute(_put(name))
    return _may_fail(name)


@app.step(transaction=True)
async def charge_async(name: str) -> str:
    """Put a row, on the event loop."""
    done = current_step().connection.execute(_put(name))
    if hasattr(done, "__await__"):
        await done
    return _may_fail(name)


@app.step(transaction=True, max_retries=5)
def charge_when_told(name: str) -> str:
    """Put a row, and return when a test lets it."""
    current_step().connection.execute(_put(name))
    begun.set()
    goes_on.wait(30)
    return _may_fail(name)


@app.step(transaction=True)
async def charge_forever(name: str) -> str:
    """Put a row, and never return."""
    done = current_step().connection.execute(_put(name))
    if hasattr(done, "__await__"):
        await done
    begun.set()
    await asyncio.sleep(3600)
    return name


@app.step(transaction=True)
async def tell(name: str) -> None:
    """Write to a stream, which is in no transaction."""
    await get_writable().write(name)


@contextmanager
def own_block() -> Iterator[Any]:
    """A transaction of the application's."""
    with blocks["sync"]() as connection:
        yield connection


@asynccontextmanager
async def own_async_block() -> AsyncIterator[Any]:
    """The same for an event loop."""
    async with blocks["async"]() as connection:
        yield connection


def _statement(text: str) -> Any:
    if "text" in blocks:
        return blocks["text"](text)
    return text


@app.step(transaction=own_block)
def charge_by_own(name: str) -> str:
    """Put a row on a connection of the application's."""
    connection = current_step().connection
    execute = connection.execute if hasattr(connection, "execute") else connection.cursor().execute
    execute(_statement(_put(name)))
    return _may_fail(name)


@app.step(transaction=own_async_block)
async def charge_by_own_async(name: str) -> str:
    """Put a row on an asynchronous connection of the application's."""
    await current_step().connection.execute(_statement(_put(name)))
    return _may_fail(name)


@app.step(transaction=lambda: 7)
def charge_by_nothing(name: str) -> str:
    """Never run: what should begin its transaction is none."""
    raise FatalError(name)


@app.workflow
async def order(name: str) -> list[str]:
    """Charge in a thread, then on the event loop."""
    return [await charge(name), await charge_async(f"{name} async")]


@app.workflow
async def several(name: str, count: int) -> int:
    """Charge one after the other, then all at once."""
    done = [await charge(f"{name} {n}") for n in range(count)]
    done += await asyncio.gather(*(charge_async(f"{name} async {n}") for n in range(count)))
    return len(set(done))


@app.workflow
async def slowly(name: str) -> str:
    """Charge when told."""
    return await charge_when_told(name)


@app.workflow
async def forever(name: str) -> str:
    """Charge for ever."""
    return await charge_forever(name)


@app.workflow
async def by_own(name: str) -> str:
    """Charge by a block of the application's."""
    return await charge_by_own(name)


@app.workflow
async def by_own_async(name: str) -> str:
    """Charge by an asynchronous block of the application's."""
    return await charge_by_own_async(name)


@app.workflow
async def telling(name: str) -> None:
    """Tell."""
    await tell(name)


@app.workflow
async def by_nothing(name: str) -> str:
    """Charge by nothing."""
    return await charge_by_nothing(name)
