"""Steps that are told by a signal to give up."""

from __future__ import annotations

from typing import Any

from tests.engine.support import TIMEOUT
from tests.semantics.application import app
from tests.semantics.steps import QUICKLY, gates
from torpor import AbortSignal, current_step


@app.step
async def obeys(gate: str, signal: AbortSignal) -> Any:
    """Work until it is told, and return why."""
    assert not signal.aborted
    gates[gate].reached.set()
    reason = await signal.wait()
    assert signal.aborted
    return str(reason) if isinstance(reason, BaseException) else reason


@app.step
def obeys_in_thread(signal: AbortSignal) -> Any:
    """Do the same in a thread."""
    assert signal.wait_in_thread(TIMEOUT)
    return signal.reason


@app.step(backoff=QUICKLY)
async def obeys_twice(gate: str, signal: AbortSignal) -> list[Any]:
    """Fail when it is told, and be told again."""
    gates[gate].reached.set()
    reason = await signal.wait()
    if current_step().attempt == 1:
        raise ConnectionError(f"told {reason}")
    return [current_step().attempt, reason]


@app.step
async def sees(signal: AbortSignal) -> list[Any]:
    """Return what is known from the beginning."""
    return [signal.aborted, signal.reason]
