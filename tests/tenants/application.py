"""The application whose tenants these tests have, and what its steps were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torpor import RunHandle, Torpor, current_step

app = Torpor("memory://", name="", root=Path(__file__).parent)
done: list[Any] = []


@app.step
async def note(value: object) -> object:
    """Keep what it is given, and return it."""
    done.append(value)
    return value


@app.step
async def look(run: RunHandle) -> str:
    """Tell how a run does that arrives as a value."""
    return await run.status()


@app.step
async def write(stream: Any, value: str) -> str:
    """Write to a stream that arrives as a value."""
    await stream.write(value)
    return "written"


@app.step
async def whose() -> str:
    """Tell whose run it is for."""
    return current_step().run_id


@app.step
async def unlisted(command: str) -> str:
    """Do what no tenant may ask for."""
    done.append(command)
    return command


@app.workflow
async def victim() -> object:
    """Run as one of the application's own."""
    return await note("ours")
