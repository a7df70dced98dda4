"""What a workflow and a step may know of themselves, and what they say of their run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from torpor.compat.vercel.errors import FatalError
from torpor.compat.vercel.side import is_encrypted, own_run, step_facts, write_attributes
from torpor.errors import ArgumentError, LimitExceededError


@dataclass(frozen=True)
class StepInfo:
    """
    A step that is running.

    Attributes:
        run_id: whose step it is.
        step_id: the same in every attempt.
        step_name: its full name.
        attempt: 1 for the first.
        step_started_at: when this attempt began, aware.
    """

    run_id: str
    step_id: str
    step_name: str
    attempt: int
    step_started_at: datetime


@dataclass(frozen=True)
class WorkflowFeatures:
    """What a run has; it is looked up when it is asked for, which only steps can."""

    @property
    def encryption(self) -> bool:
        """
        Whether what the run stores is encrypted.

        Raises:
            NotInWorkflowError: workflow code asks, which has nothing to do with keys.
        """
        return is_encrypted()


@dataclass(frozen=True)
class WorkflowInfo:
    """
    The run that workflow code, or a step, is part of.

    Attributes:
        run_id: which.
        workflow_name: full name of its workflow.
        started_at: when it was created, aware.
        url: address of the application, ``""`` where it is not known.
        features: what it has.
    """

    run_id: str
    workflow_name: str
    started_at: datetime
    url: str
    features: WorkflowFeatures


def get_step_metadata() -> StepInfo:
    """
    Return the facts of the step that is running here.

    Raises:
        UsageError: called outside of a step.
    """
    step = step_facts()
    return StepInfo(step.run_id, step.step_id, step.name, step.attempt, step.started_at)


def get_workflow_metadata() -> WorkflowInfo:
    """
    Return the facts of the run that is running here; they are equal in the workflow and in its steps.

    Raises:
        UsageError: called outside of both.
    """
    run = own_run()
    return WorkflowInfo(run.id, run.name, run.started_at, run.url, WorkflowFeatures())


async def set_attributes(
    attributes: Mapping[str, str] | None = None, /, *, allow_reserved_attributes: bool = False, **more: str
) -> None:
    """
    Say something of the run in plain text, from the workflow or from a step.

    Args:
        attributes: texts by name.
        allow_reserved_attributes: must be False: names that begin with ``$`` are Torpor's own.
        more: further texts by name.

    Raises:
        FatalError: they are no texts, are reserved or are too long.
    """
    try:
        given: dict[str, str | None] = {**dict(attributes or {}), **more}
    except (TypeError, ValueError):
        raise FatalError(f"set_attributes takes a mapping, not {attributes!r:.100}") from None
    await _write(given, reserved=allow_reserved_attributes)


async def remove_attributes(*keys: str, allow_reserved_attributes: bool = False) -> None:
    """
    Take attributes away from the run; those that it has not got are no matter.

    Raises:
        FatalError: as :func:`set_attributes`.
    """
    await _write(dict.fromkeys(keys), reserved=allow_reserved_attributes)


async def _write(attributes: dict[str, str | None], *, reserved: bool) -> None:
    if reserved:
        raise FatalError("allow_reserved_attributes=True: names with $ are Torpor's own here; choose other names")
    try:
        await write_attributes(attributes)
    except (ArgumentError, LimitExceededError) as error:
        raise FatalError(str(error)) from error
