"""The program's workflows, and what they may ask about their own run."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from torpor.codec.values import WorkflowFunction
from torpor.errors import UsageError

from .references import stands_for
from .run import run
from .steps import class_step_proxy, step_proxy
from .timestamps import datetime_of


@dataclass(frozen=True, slots=True)
class WorkflowMetadata:
    """
    Facts of the run that workflow code is part of.

    Attributes:
        id: of the run, ``wrun_<ULID>``.
        name: full name of the workflow, such as ``workflow//./app.py//checkout``.
        started_at: creation of the run, aware.
        url: address of the deployment, ``""`` without one.
    """

    __module__ = "torpor"  # where both sides find the class, so that it is a value

    id: str
    name: str
    started_at: datetime
    url: str


def current_workflow() -> WorkflowMetadata:
    """
    Return the facts of this run.

    Raises:
        UsageError: modules are being loaded; there is no run.
    """
    if run.phase == "loading":
        raise UsageError("current_workflow was called while a module was loaded; call it inside a workflow function")
    return WorkflowMetadata(run.id, run.workflow, datetime_of(run.started_at), run.url)


def install() -> None:
    """Make the decorators of program texts known."""
    builtins.__torpor_step__ = step_proxy  # type: ignore[attr-defined]  # program texts use it
    builtins.__torpor_class_step__ = class_step_proxy  # type: ignore[attr-defined]  # as above
    builtins.__torpor_workflow__ = _workflow  # type: ignore[attr-defined]  # as above


def _workflow(full_name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda function: stands_for(WorkflowFunction(full_name), function)
