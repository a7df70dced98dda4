"""The application that the SDK's own tools look at: a project of the SDK, and workflows in Python beside it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from values import SAMPLES, Looped  # type: ignore[import-not-found]  # it is beside this file where it is served

from torpor import RunHandle, Torpor, get_writable, hook

app = Torpor("sqlite:///torpor.db", name="shop")
web = app.sdk("web")


@app.workflow
async def greet(name: str) -> str:
    """Greet."""
    return f"hello {name}"


@app.workflow
async def look_up(name: str) -> str:
    """Find nothing."""
    raise KeyError(name)


@app.workflow
async def samples() -> dict[str, Any]:
    """Return a value of each type that JavaScript lacks."""
    return {name: make() for name, make in SAMPLES.items()}


@app.workflow
async def described(values: dict[str, Any] | None = None) -> dict[str, str]:
    """Tell values, or those that it has itself, as Python does."""
    told = {name: make() for name, make in SAMPLES.items()} if values is None else values
    return {name: repr(value) for name, value in told.items()}


@app.workflow
async def describe(price: Decimal, *, on: date, lines: tuple[int, ...] = ()) -> str:
    """Tell what came of arguments that JavaScript has no types for."""
    return f"{price!r} {on!r} {lines!r}"


@app.step
async def write_prices() -> None:
    """Write what JavaScript lacks to the run's stream."""
    stream = get_writable()
    await stream.write(Decimal("4.20"))
    await stream.write(date(2026, 11, 30))
    await stream.close()


@app.workflow
async def looped() -> Looped:
    """Return what contains itself."""
    value = Looped()
    value.inner = value
    return value


@app.workflow
async def parent() -> RunHandle:
    """Return a handle of another run."""
    return await app.start(streamed)


@app.workflow
async def followed(run: RunHandle) -> str:
    """Tell how a run did that was given as a value."""
    await run.result()
    return await run.status()


@app.workflow
async def priced() -> str:
    """Have a hook with metadata, and tell what it receives as Python does."""
    return repr(await hook(token="price", metadata={"price": Decimal("4.20")}))  # no secret


@app.workflow
async def streamed() -> None:
    """Write to the run's stream."""
    await write_prices()
