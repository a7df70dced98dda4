"""A worker that dies in the transaction of its step: ``python -m tests.crash.transacting URL POINT``."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torpor import Torpor, current_step

PUT = "INSERT INTO charges (name, attempt) VALUES ('{}', {})"
POINTS = ("in the body", "before the commit", "after the commit")

app = Torpor("memory://", root=Path(__file__).parent)
url, point = sys.argv[1:] if __name__ == "__main__" else ("", "")


def _die_at(here: str) -> None:
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)


def _connect() -> Any:
    if url.startswith("sqlite:///"):
        return sqlite3.connect(url.removeprefix("sqlite:///"))
    import psycopg  # noqa: PLC0415  # where it is installed

    return psycopg.connect(url)


@contextmanager
def transaction() -> Iterator[Any]:
    """A transaction of the application's."""
    db = _connect()
    yield db
    _die_at("before the commit")
    db.commit()
    _die_at("after the commit")
    db.close()


@app.step(transaction=transaction)
def charge(name: str) -> int:
    """Put a row, and return which attempt has."""
    attempt = current_step().attempt
    current_step().connection.execute(PUT.format(name, attempt))
    _die_at("in the body")
    return attempt


@app.workflow
async def order(name: str) -> int:
    """Charge once."""
    return await charge(name)


async def main() -> None:
    """Work until the order is done."""
    async with app.on(url) as opened, opened.worker():
        run = await opened.start(order, "kettle", run_id="order")
        sys.stdout.write(f"{await run.result(timeout=60)}\n")


if __name__ == "__main__":
    asyncio.run(main())
