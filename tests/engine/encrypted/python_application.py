"""The same in Python, as far as markers go: workflows whose words nobody without the key may read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torpor import Backoff, FatalError, StepError, Torpor, hook, sleep

app = Torpor("memory://", root=Path(__file__).parent, keys="")

CONSTANT = "qProgramxK41"


@app.step
async def echo(words: str) -> str:
    """Return a marker made from another."""
    return words.replace("qGiven", "qReturned")


@app.step(max_retries=1, backoff=Backoff(first=0.01))
async def fails() -> None:
    """Fail twice, with a marker in the message."""
    raise ValueError("qMessage" + "xK41")


@app.step
async def fatal() -> None:
    """Fail for good."""
    raise FatalError("qFatal" + "xK41")


@app.workflow
async def secrets(argument: str) -> list[Any]:
    """Put markers everywhere, and wait."""
    variable = "qVariable" + argument[-4:]
    answer = await echo("qGivenxK41")
    print("qLog" + "xK41", len(argument))  # noqa: T201  # the run's log
    try:
        await fails()
    except StepError as error:
        print(len(str(error)))  # noqa: T201  # as above
    payload = await hook(token="secret-hook", metadata={"note": "qMetadataxK41"})
    return [len(variable), answer, payload, len(CONSTANT)]


@app.workflow
async def failing() -> None:
    """Fail in a step."""
    await fatal()


@app.workflow
async def throwing(words: str) -> None:
    """Fail in workflow code."""
    raise ValueError(words + "xK41")


@app.workflow
async def patient(token: str) -> Any:
    """Wait for a payload."""
    payload = await hook(token=token)
    await sleep(0.001)
    return payload
