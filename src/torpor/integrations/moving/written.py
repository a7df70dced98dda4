"""
A module of steps, workflows and schedules, as text for its new owner to read and keep.

Tasks stay where they are. Each gets a step that calls it, a workflow that calls the step, and the schedules that
started it. The step imports its task when it runs, so that workflow code needs nothing of what the task's module
imports.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from torpor.errors import ConfigurationError

_PLAIN: Final = (str, int, float, bool, bytes, type(None))
_WIDTH: Final = 110
_PASSED: Final[dict[object, str]] = {
    inspect.Parameter.VAR_POSITIONAL: "*{name}",
    inspect.Parameter.VAR_KEYWORD: "**{name}",
    inspect.Parameter.KEYWORD_ONLY: "{name}={name}",
}
_EVERYTHING: Final = ("*args, **kwargs", "*args, **kwargs")


class Timetable(msgspec.Struct, frozen=True):
    """
    What started a task by the clock.

    Attributes:
        name: of the schedule.
        options: those of ``@app.schedule``, as values.
        args, kwargs: what the task is started with.
        problem: why it cannot be a schedule; empty when it can.
    """

    name: str
    options: dict[str, Any] = {}
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    problem: str = ""


class Work(msgspec.Struct):
    """
    One task.

    Attributes:
        function: what it calls, whose parameters the step has.
        module, path: where the task is found: an importable module, and a name in it.
        call: the step's body, with ``{task}`` for the task and ``{arguments}`` for what it is called with.
        options: those of ``@app.step``, as source text.
        timetables: when it is started.
        notes: what its owner has to see to.
    """

    function: Callable[..., Any]
    module: str
    path: str
    call: str = "{task}({arguments})"
    options: dict[str, str] = {}
    timetables: list[Timetable] = []
    notes: list[str] = []

    @property
    def name(self) -> str:
        """Return what its step is called."""
        return self.path.rpartition(".")[2]


def module_text(origin: str, imports: Iterable[str], works: Iterable[Work]) -> str:
    """
    Return a module that does on Torpor what was done elsewhere.

    Args:
        origin: what it was made from, such as ``shop.tasks:app``.
        imports: further lines that its steps need.
        works: the tasks.
    """
    lines = [f'"""The tasks of {origin}, on Torpor. It is yours: change what you like."""', ""]
    lines += [*sorted({*imports, "from torpor import Torpor"}), "", "app = Torpor()"]
    for work in works:
        lines += ["", "", *_step(work), "", "", *_workflow(work)]
    return "\n".join(lines) + "\n"


def _step(work: Work) -> list[str]:
    parameters, arguments = signature_text(work.function)
    options = ", ".join(f"{name}={value}" for name, value in work.options.items())
    first = work.path.partition(".")[0]
    call = work.call.format(task=f"{first}_{work.path[len(first) :]}", arguments=arguments)
    return [
        *(line for note in work.notes for line in _comment(note)),
        f"@app.step({options})" if options else "@app.step",
        f"def {work.name}({parameters}):",
        f"    from {work.module} import {first} as {first}_",
        "",
        f"    return {call.replace(', )', ')')}",
    ]


def _workflow(work: Work) -> list[str]:
    parameters, arguments = signature_text(work.function)
    lines = []
    for timetable in work.timetables:
        if timetable.problem:
            lines += _comment(f"{timetable.name} is not here: {timetable.problem}")
            continue
        options: dict[str, Any] = {"name": timetable.name, **timetable.options}
        cron = options.pop("cron", None)
        options |= {name: value for name in ("args", "kwargs") if (value := getattr(timetable, name))}
        shown = [source(cron)] * (cron is not None) + [f"{name}={source(value)}" for name, value in options.items()]
        lines += _decorator("@app.schedule", shown)
    return [
        *lines,
        "@app.workflow",
        f"async def run_{work.name}({parameters}):",
        f"    return await {work.name}({arguments})",
    ]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _decorator(name: str, arguments: list[str]) -> list[str]:
    line = f"{name}({', '.join(arguments)})"
    return [line] if len(line) <= _WIDTH else [f"{name}(", *(f"    {argument}," for argument in arguments), ")"]


def source(value: object) -> str:
    """Return a value as source text, a text in the quotes that formatters like."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"[{', '.join(map(source, value))}]" if isinstance(value, tuple) else repr(value)


def signature_text(function: Callable[..., Any]) -> tuple[str, str]:
    """
    Return the parameters of a function as source text, and the arguments that hand them on.

    Types are left out, they may be none that workflow code can import. A function whose defaults are no plain values,
    or that tells no parameters, takes anything.
    """
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return _EVERYTHING
    if not all(it.default is it.empty or isinstance(it.default, _PLAIN) for it in found):
        return _EVERYTHING
    plain = [
        it.replace(annotation=it.empty, default=it.default if it.default is it.empty else _Shown(it.default))
        for it in found
    ]
    arguments = [_PASSED.get(it.kind, "{name}").format(name=it.name) for it in plain]
    return str(inspect.Signature(plain))[1:-1], ", ".join(arguments)


class _Shown:
    """A default value that shows itself as source text."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return source(self._value)


def find(target: str, kind: type, said: str) -> Any:
    """
    Return the object that ``module:name`` names.

    Args:
        target: looked for in the working directory as well.
        kind: of which class it must be.
        said: what to call it in an error.

    Raises:
        ConfigurationError: there is no such module or object, or it is something else.
    """
    module, _, name = target.partition(":")
    if not module or not name:
        raise ConfigurationError(f"{target!r} names no {said}; write module:name, such as shop.tasks:app")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{target!r} cannot be read: {error}") from error
    if not isinstance(found, kind):
        raise ConfigurationError(f"{target!r} is a {type(found).__name__} and no {said}")
    return found
