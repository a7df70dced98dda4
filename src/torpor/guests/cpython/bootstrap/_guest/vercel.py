"""What the SDK's names ask of their run: ``torpor.compat.vercel.side`` as the VM has it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import torpor

from .advice import refuse
from .children import RunHandle, start
from .hooks import Hook, hook
from .run import run
from .sleeping import sleep
from .streams import WritableStream, get_writable
from .telling import set_attributes
from .workflows import WorkflowMetadata, current_workflow

__all__ = [
    "IN_WORKFLOW",
    "Workflows",
    "found_hook",
    "handle_of",
    "is_encrypted",
    "make_hook",
    "own_run",
    "own_stream",
    "read_clock",
    "require_run",
    "resume_hook",
    "run_attributes",
    "run_streams",
    "sleep",
    "start_run",
    "step_facts",
    "write_attributes",
]

IN_WORKFLOW: Final = True


class Workflows(torpor.Torpor):
    """Workflows and steps, as far as a workflow has them: what is registered was settled outside."""


def require_run(what: str) -> None:
    """Refuse while modules are loaded: what is drawn then would be every run's."""
    if run.phase == "loading":
        raise torpor.UsageError(f"{what}() was called while a module was loaded; call it inside a workflow function")


def read_clock() -> int:
    """Return the time as the run has it, in nanoseconds."""
    return time.time_ns()


def make_hook(kind: type, *, token: str | None, metadata: Any) -> Hook:
    """Create a hook."""
    return hook(kind, token=token, metadata=metadata)


async def found_hook(_token: str) -> NoReturn:
    """Refuse: others' hooks are looked up outside."""
    refuse("get_hook_by_token", "hooks of the world are looked up outside")


async def resume_hook(_token: str, _payload: Any) -> NoReturn:
    """Refuse, as the SDK does."""
    refuse("BaseHook.resume", "hooks are resumed from outside")


async def start_run(workflow: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[str, Any]:
    """Start a child run; return its id and what its function says that it returns."""
    return (await start(workflow, *args, **kwargs)).id, Any


def handle_of(run_id: str) -> RunHandle:
    """Return a handle of a run."""
    return RunHandle(run_id)


async def run_attributes(_run_id: str) -> NoReturn:
    """Refuse: a step asks."""
    refuse("Run.attributes", "what a run says of itself is read outside")


async def run_streams(_run_id: str) -> NoReturn:
    """Refuse: a step asks."""
    refuse("a run's streams", "what is in a stream is no part of the run's log")


def step_facts() -> NoReturn:
    """Refuse: no step runs here."""
    raise torpor.UsageError("get_step_metadata() works in a step; a workflow has get_workflow_metadata()")


def own_run() -> WorkflowMetadata:
    """Return the facts of this run."""
    return current_workflow()


def is_encrypted() -> NoReturn:
    """Refuse: workflow code has nothing to do with keys."""
    refuse("WorkflowFeatures.encryption", "workflow code has nothing to do with keys")


async def write_attributes(attributes: dict[str, str | None]) -> None:
    """Say something of this run."""
    set_attributes(attributes)


def own_stream(name: str) -> WritableStream:
    """Return a stream of this run."""
    return get_writable(name)
