"""Runs that are asked how they stand."""

from __future__ import annotations

from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import add, pass_gate
from torpor import hook, sleep, state

steps_done = 0
seen: list[str] = []


@app.workflow
async def asked(token: str) -> int:
    global steps_done  # noqa: PLW0603  # what queries see
    details = {"token": token}
    state(details=details, place="before")
    for _ in range(2):
        steps_done = await add(steps_done, 1)
    details["more"] = "ü"
    state(place="waiting")
    await hook(token)
    return steps_done


@app.workflow
async def asked_at_a_gate(name: str) -> str:
    state(place="gate")
    return await pass_gate(name)


@app.query
def progress() -> dict[str, Any]:
    return {"steps": steps_done, **state()}


@app.query
def shifted(by: int, *, twice: bool = False) -> int:
    return steps_done + by * (2 if twice else 1)


@app.query
def meddles() -> int:
    global steps_done  # noqa: PLW0603  # to see that it changes nothing
    steps_done += 100
    seen.append("meddled")
    state(place="meddled")
    return steps_done


@app.query
def calls_a_step() -> None:
    add(1, 2).send(None)


@app.query
def waits() -> None:
    sleep(1).send(None)


@app.query
def raises() -> None:
    raise LookupError("there is no such thing")


@app.query
def spins() -> None:
    while True:
        pass
