"""
What the tasks of a parked run wait for: their functions, lines and variables, read where they stand.

Nothing runs except ``repr`` of what the variables hold; still the VM is a throw-away copy, so that even one that
changes something harms no run.
"""

from __future__ import annotations

import asyncio
import gc
import linecache
import re
import traceback
from asyncio import Future, Task
from collections.abc import Iterator
from reprlib import Repr
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from torpor.codec.errors import message_of

from .finder import is_hidden
from .loop import loop
from .mailbox import mailboxes
from .outcome import failure, main_task
from .run import run

VARIABLES_MAX = 50
"""Variables shown of one frame."""

FRAMES_MAX = 100
"""Frames shown of one task."""

_SUSPENDABLE = (CoroutineType, GeneratorType, AsyncGeneratorType)
_FRAME_AND_NEXT = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


class _Repr(Repr):
    """Short reprs; the error of one that raises instead."""

    def repr_instance(self, x: object, level: int) -> str:
        try:
            text = repr(x)
        except Exception as error:  # noqa: BLE001  # the class is the application's, and may raise anything
            return f"<{type(x).__qualname__} whose repr() raised {type(error).__name__}>"
        return text if len(text) <= self.maxother else f"{text[: self.maxother]}…"


_short = _Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 4, 200, 200
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = 12


def described_tasks() -> list[dict[str, Any]]:
    """
    Return every pending task as :class:`torpor.vm.guest.TaskStack` has it, the workflow's own first; of a run that has
    failed the frames that the failure went through, and of one that has ended otherwise nothing.
    """
    if run.phase == "ended":
        raised, main = failure(), main_task()
        return [] if raised is None or main is None else [_describe_failure(raised, main.get_name())]
    return [_describe_task(task) for task in pending_tasks()]


def pending_tasks() -> list[Task[Any]]:
    """Return the tasks that have not ended, the workflow's own first, the others by name."""
    main = main_task()
    return sorted(asyncio.all_tasks(loop), key=lambda task: (task is not main, _natural(task.get_name())))


def author_frames(task: Task[Any]) -> list[FrameType]:
    """Return the author's frames of a suspended task, outermost first."""
    frames = (frame for frame in _frames(task.get_coro()) if frame is not None)
    return [frame for frame in frames if not _is_machinery(frame.f_code.co_filename)]


def failed_frames() -> list[tuple[FrameType, int]]:
    """Return the author's frames that a failure went through, and their lines, outermost first."""
    raised = failure()
    found = traceback.walk_tb(raised.__traceback__ if raised is not None else None)
    return [(frame, line) for frame, line in found if not _is_machinery(frame.f_code.co_filename)]


def _describe_failure(raised: BaseException, task: str) -> dict[str, Any]:
    told = message_of(raised)
    return {
        "name": task,
        "parent": "",
        "waits_for": f"nothing: it raised {type(raised).__name__}{f': {told}' if told else ''}",
        "frames": [_describe_frame(frame, line) for frame, line in failed_frames()[-FRAMES_MAX:]],
    }


def _describe_task(task: Task[Any]) -> dict[str, Any]:
    return {
        "name": task.get_name(),
        "parent": _parent(task),
        "waits_for": _waits_for(task),
        "frames": [_describe_frame(frame, frame.f_lineno) for frame in author_frames(task)[:FRAMES_MAX]],
    }


def _describe_frame(frame: FrameType, line: int) -> dict[str, Any]:
    code = frame.f_code
    variables = list(frame.f_locals.items())
    shown = [{"name": name, "value": _short.repr(value)} for name, value in variables[:VARIABLES_MAX]]
    if len(variables) > VARIABLES_MAX:
        shown.append({"name": "…", "value": f"{len(variables) - VARIABLES_MAX} more"})
    return {
        "function": code.co_qualname,
        "file": code.co_filename,
        "line": line,
        "source": linecache.getline(code.co_filename, line).strip(),
        "variables": shown,
    }


def _frames(awaited: Any) -> Iterator[FrameType | None]:
    """Yield the frames of a coroutine and of what it awaits, outermost first."""
    while awaited is not None:
        for frame, below in _FRAME_AND_NEXT:
            if hasattr(awaited, frame):
                yield getattr(awaited, frame)
                awaited = getattr(awaited, below)
                break
        else:
            # Iterators of coroutines and asynchronous generators do not tell what they iterate; the collector knows.
            awaited = next((held for held in gc.get_referents(awaited) if isinstance(held, _SUSPENDABLE)), None)


def _is_machinery(file: str) -> bool:
    return is_hidden(file) or "/asyncio/" in file


def _waits_for(task: Task[Any]) -> str:
    future = task._fut_waiter  # type: ignore[attr-defined]  # there is no public way to ask
    if future is None:
        return "its turn to run"
    if loop.pollers.has_parked(future):
        return "something new; it polls with sleep(0)"
    return _describe_op(future) or _describe_primitive(task) or _describe_future(future)


def _describe_op(future: Future[Any]) -> str:
    for n, receiver in run.waiting.items():
        if receiver.wakes(future):
            return f"{receiver.describe()} (op {n})"
    return next((box.describe() for box in mailboxes() if box.wakes(future)), "")


def _describe_future(future: Any) -> str:
    if isinstance(future, Task):
        return f"task {future.get_name()}"
    children = getattr(future, "_children", None)
    if children:
        return f"gather of {_names(child for child in children if not child.done())}"
    return "a future"


def _describe_primitive(task: Task[Any]) -> str:
    """Tell of the queue, lock, task group … that a task waits in, by its innermost frame."""
    *_, innermost = _frames(task.get_coro())
    if innermost is None or "/asyncio/" not in innermost.f_code.co_filename:
        return ""
    owner = innermost.f_locals.get("self")
    function = innermost.f_code.co_name
    if isinstance(owner, asyncio.TaskGroup):
        return f"TaskGroup of {_names(owner._tasks)}"
    if owner is not None:
        return f"{type(owner).__qualname__}.{function}()"
    waited = innermost.f_locals.get("fs")
    return f"wait for {_names(waited)}" if waited else f"asyncio.{function.lstrip('_')}()"


def _names(futures: Any) -> str:
    names = [each.get_name() if isinstance(each, Task) else _describe_op(each) or "a future" for each in futures]
    names.sort(key=_natural)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _parent(task: Task[Any]) -> str:
    """Return the name of the task that waits for this one, directly or through gather and the like."""
    seen: set[Any] = {task}
    level: list[Any] = [task]
    while level:
        above = {waiter for future in level for waiter in getattr(future, "_asyncio_awaited_by", None) or ()} - seen
        names = sorted((waiter.get_name() for waiter in above if isinstance(waiter, Task)), key=_natural)
        if names:
            return names[0]
        seen |= above
        level = list(above)
    return ""


def _natural(name: str) -> list[Any]:
    """Return a key that sorts Task-2 before Task-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
