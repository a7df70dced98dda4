"""What the ops of a run asked for, in words, as far as its log and what is open in it tell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from torpor.model import Entities, Event

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def asked_for(events: Iterable[Event], held: Entities) -> dict[int, str]:
    """
    Return what each op asked for, such as ``step charge``, by its number.

    Args:
        events: of the log, as many as are known.
        held: what is open in the run.
    """
    asked = {step.op: _step(step.name) for step in held.steps.values()}
    asked |= {wait.op: _sleep(wait.due) for wait in held.waits.values()}
    asked |= {hook.op: _hook(hook.token, hook.watch) for hook in held.hooks.values()}
    for event in events:
        if event.type == "step_created":
            asked[event.op] = _step(event.name)
        elif event.type == "wait_created":
            asked[event.op] = _sleep(event.due)
        elif event.type == "hook_created":
            asked[event.op] = _hook(event.name, event.watches)
    return asked


def _step(name: str) -> str:
    return f"step {name.rpartition('//')[2]}"


def _sleep(due: int) -> str:
    try:
        moment = (_EPOCH + timedelta(milliseconds=due)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        moment = f"{due} ms"
    return f"sleep until {moment}"


def _hook(token: str, watches: str) -> str:
    return f"the end of run {watches}" if watches else f"hook {token!r}"
