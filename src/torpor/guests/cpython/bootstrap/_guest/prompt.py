"""A prompt inside a throw-away copy of a parked run: Python in the scope of the workflow."""

from __future__ import annotations

import ast
import builtins
import io
import sys
from codeop import CommandCompiler
from inspect import CO_COROUTINE
from traceback import format_exception_only
from types import CodeType
from typing import Any

from .outcome import main_task
from .program import workflow_of
from .run import run
from .stack import author_frames, failed_frames, pending_tasks
from .tracebacks import chain_text

TEXT_CHARS_MAX = 100_000
"""Of what one input prints."""

_FILE = "<prompt>"
_NO_AWAIT = (
    "await cannot be used here: this is a copy of the run in which nothing happens any more. "
    "Look at what tasks hold and wait for with tasks[name], or call functions that do not await."
)

_compile = CommandCompiler()
_namespace: dict[str, Any] = {}


def evaluated(source: str) -> dict[str, Any]:
    """Return what a prompt says to one input, as :class:`torpor.vm.guest.Evaluation` has it."""
    try:
        code = _code(source)
    except (SyntaxError, ValueError, OverflowError) as error:
        return {"text": _NO_AWAIT if _awaits(source) else "".join(format_exception_only(error)).rstrip()}
    if code is None:
        return {"text": "", "incomplete": True}
    text = _output(code)
    if len(text) > TEXT_CHARS_MAX:
        text = f"{text[:TEXT_CHARS_MAX]}… {len(text) - TEXT_CHARS_MAX} more characters"
    return {"text": text}


def _code(source: str) -> CodeType | None:
    """Return the code of an input, None if it is only the beginning of a statement."""
    try:
        code = _compile(source, _FILE, "single")
    except SyntaxError:
        # The compiler takes one statement at a time; what has several may still be right.
        statements = ast.parse(source, _FILE).body
        code = compile(ast.Interactive(statements), _FILE, "single")
    return code


def _awaits(source: str) -> bool:
    try:
        code = compile(source, _FILE, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, OverflowError):
        return False
    return bool(code.co_flags & CO_COROUTINE)


def _output(code: CodeType) -> str:
    """Run the code and return what it printed, its value, or its traceback."""
    if not _namespace:
        _namespace.update(_scope())
    written = io.StringIO()
    streams = sys.stdout, sys.stderr, sys.displayhook
    sys.stdout = sys.stderr = written
    sys.displayhook = _display
    try:
        exec(code, _namespace)  # noqa: S102  # this is what a prompt is for
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is told
        written.write(chain_text(error))
    finally:
        sys.stdout, sys.stderr, sys.displayhook = streams
    return written.getvalue().rstrip("\n")


def _display(value: Any) -> None:
    if value is not None:
        print(repr(value))  # noqa: T201  # to the prompt
        _namespace["_"] = value


def _scope() -> dict[str, Any]:
    """Return the module's names, the variables of the workflow's innermost function, and ``tasks`` by name."""
    scope: dict[str, Any] = {"__builtins__": builtins, "_": None}
    function = workflow_of(run.workflow)
    scope |= getattr(function, "__globals__", {})
    main = main_task()
    frames = author_frames(main) if main is not None and not main.done() else []
    frames = frames or [frame for frame, _ in failed_frames()]
    if frames:
        scope |= frames[-1].f_globals | frames[-1].f_locals
    return scope | {"tasks": {task.get_name(): task for task in pending_tasks()}}
