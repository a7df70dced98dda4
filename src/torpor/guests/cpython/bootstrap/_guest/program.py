"""The program of this VM: its modules, evaluated, and its workflows by name."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from torpor.errors import ConfigurationError, WorkflowNotRegisteredError

from .._pydantic import rehearsal as models  # noqa: TID252  # called torpor._pydantic in the guest only
from . import absent, distributions
from .entropy import random_state, seed_random, tell_draw
from .finder import finder
from .host import counted
from .imports import imports
from .purity import traced
from .tracebacks import frames_text

_workflows: dict[str, Callable[..., Any]] = {}


def load(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Evaluate the program's modules and tell how it went; the collector is off until then.

    Args:
        given: ``files``, ``modules``, ``entries``, ``workflows``, ``absent`` and, if there are any, ``versions`` and
            ``distributions`` of the program, and ``trace``: whether to look for the line that reads the clock or draws
            entropy.
    """
    finder.add_program(given["modules"], given["files"])
    absent.install(given["absent"], given.get("versions", {}))
    distributions.install(given.get("distributions", {}))
    seed_random(b" of modules")
    unused = random_state()
    with imports.watched(), traced() if given.get("trace") else nullcontext() as trace:
        try:
            _evaluate(given["entries"], given["workflows"])
        except BaseException as error:  # noqa: BLE001  # whatever modules raise, the host is told
            message = f"{error}{absent.suspects()}"
            described = {"name": type(error).__name__, "message": message, "stack": frames_text(error)}
            return {"ok": False, "error": described}
    if random_state() != unused or imports.place is not None:
        tell_draw()
    counted(imports.excused)
    models.rehearse()
    gc.enable()
    gc.collect()
    gc.freeze()  # what the image holds is no garbage: looking through it would write to its pages
    return {"ok": True, "impure": None if trace is None else trace.place or imports.place}


def workflow_of(name: str) -> Callable[..., Any]:
    """
    Return a workflow function.

    Raises:
        WorkflowNotRegisteredError: the program has none of that name.
    """
    try:
        return _workflows[name]
    except KeyError:
        known = ", ".join(_workflows) or "none"
        raise WorkflowNotRegisteredError(f"the program has no workflow {name}; it has {known}") from None


def _evaluate(entries: list[str], workflows: Mapping[str, tuple[str, str]]) -> None:
    for entry in entries:
        __import__(entry)
    for name, (module, qualified_name) in workflows.items():
        found: Any = sys.modules[module]
        try:
            for part in qualified_name.split("."):
                found = getattr(found, part)
        except AttributeError as error:
            raise ConfigurationError(f"module {module} defines no {qualified_name}: {error}") from error
        if not callable(found):
            raise ConfigurationError(f"{module}.{qualified_name} is a {type(found).__name__} and no function")
        _workflows[name] = found
