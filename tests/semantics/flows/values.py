"""Values that cross between workflows and steps."""

from __future__ import annotations

from dataclasses import dataclass

from tests.semantics.application import app
from tests.semantics.steps import add, apply, echo


@dataclass
class Point:
    """A value with a class of its own."""

    x: int
    y: int

    def sum(self) -> int:
        """Return the sum of the coordinates."""
        return self.x + self.y


@app.workflow
async def custom_serialization(x: int, y: int) -> list[object]:
    point = await echo(Point(x, y))
    return [isinstance(point, Point), point.sum()]


@app.workflow
async def step_as_argument(a: int, b: int) -> object:
    return await apply(add, a, b)


@app.workflow
async def step_as_result(a: int, b: int) -> int:
    step = await echo(add)
    return await step(a, b)


@app.workflow
async def by_value() -> list[list[int]]:
    original = [1]
    copy = await echo(original)
    copy.append(2)
    return [original, copy]
