"""The functions of a VM that wait, as people are shown them: tasks, each a chain of calls that await one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from torpor.guests.quickjs.heap.frames import frame_of, label_of
from torpor.guests.quickjs.heap.reader import Heap, file_of, is_ours, read_or
from torpor.guests.quickjs.heap.waiting import Graph, Message, Op, Several, Target, Waiting
from torpor.vm.guest import Frame, Program, TaskStack

FRAMES_MAX: Final = 100
"""Frames shown of one task."""

TASKS_MAX: Final = 1_000
"""Tasks shown of one run."""

MAIN: Final = "main"
"""Name of the workflow's own task."""

_NAMES_MAX: Final = 10


def tasks_of(heap: Heap, program: Program, asked: Mapping[int, str]) -> list[TaskStack]:
    """
    Return what waits in a VM, the workflow's own task first; nothing once the workflow has ended.

    Args:
        heap: of the VM, between two deliveries.
        program: what the VM runs.
        asked: what each op asked for.

    Raises:
        HeapError: the heap cannot be read.
    """
    graph = Graph(heap)
    return _Tasks(heap, graph, program, asked).all() if graph.main else []


class _Task:
    """A task being put together: its calls, outermost first, and what the innermost waits for."""

    def __init__(self, calls: list[Waiting], target: Target, parent: _Task | None) -> None:
        self.calls, self.target, self.parent = calls, target, parent
        self.name = ""


class _Tasks:
    def __init__(self, heap: Heap, graph: Graph, program: Program, asked: Mapping[int, str]) -> None:
        self._heap, self._graph, self._program, self._asked = heap, graph, program, asked
        self._of: dict[int, _Task] = {}
        self._tasks: list[_Task] = []

    def all(self) -> list[TaskStack]:
        main = self._begin(self._graph.target(self._graph.main), None)
        main.name = MAIN
        awaited = {
            target.id for call in self._graph.calls.values() for target in _calls_in(self._graph.awaited_by(call))
        }
        loose = [call for call in self._graph.calls.values() if call.id not in self._of]
        # Whoever nobody awaits comes first; who is left then waits in a circle.
        for call in sorted(loose, key=lambda call: (call.id in awaited, self._order(call))):
            if call.id not in self._of:
                self._begin(call, None)
        frames = {id(task): self._frames(task) for task in self._tasks}
        shown = [task for task in self._tasks if task is main or frames[id(task)]]
        self._name(shown)
        return [
            TaskStack(
                task.name,
                frames[id(task)],
                self._text(task.target),
                task.parent.name if task.parent is not None else "",
            )
            for task in [main, *sorted(shown[1:], key=lambda task: _natural(task.name))][:TASKS_MAX]
        ]

    def _begin(self, target: Target, parent: _Task | None) -> _Task:
        """Follow a chain of calls to what its innermost one waits for, and begin the tasks of which that consists."""
        task = _Task([], target, parent)
        self._tasks.append(task)
        while isinstance(task.target, Waiting) and task.target.id not in self._of:
            self._of[task.target.id] = task
            task.calls.append(task.target)
            task.target = self._graph.awaited_by(task.target)
        if isinstance(task.target, Several):
            for call in _calls_in(task.target):
                if call.id not in self._of:
                    self._begin(call, task)
        return task

    def _frames(self, task: _Task) -> list[Frame]:
        shown = [call for call in task.calls if self._is_authors(call)]
        return [frame_of(self._heap, call, self._program) for call in shown[:FRAMES_MAX]]

    def _is_authors(self, call: Waiting) -> bool:
        return not read_or(False, lambda: is_ours(file_of(self._heap, call.code)))

    def _name(self, tasks: list[_Task]) -> None:
        """Name the tasks after the calls that they began with, and number those that are called the same."""
        named: dict[str, list[_Task]] = {}
        for task in tasks[1:]:
            named.setdefault(self._label(task), []).append(task)
        for label, same in named.items():
            same.sort(key=lambda task: self._order(task.calls[0]))
            for number, task in enumerate(same, 1):
                task.name = label if number == 1 else f"{label} #{number}"

    def _label(self, task: _Task) -> str:
        call = next(call for call in task.calls if self._is_authors(call))
        return label_of(self._heap, call)

    def _order(self, call: Waiting) -> tuple[list[int], str]:
        """Return what orders calls by what they do; where they lie in memory differs from replay to replay."""
        seen: set[int] = set()
        target: Target = call
        while isinstance(target, Waiting) and target.id not in seen:
            seen.add(target.id)
            target = self._graph.awaited_by(target)
        return sorted(_ops_in(target)), repr(frame_of(self._heap, call, self._program))

    def _text(self, target: Target) -> str:
        if isinstance(target, Op):
            what = self._asked.get(target.n)
            return f"{what} (op {target.n})" if what else f"op {target.n}"
        if isinstance(target, Message):
            return f'a message "{target.name}"'
        if isinstance(target, Waiting):
            task = self._of.get(target.id)
            return f"task {task.name}" if task is not None and task.name else f"function {label_of(self._heap, target)}"
        if isinstance(target, Several):
            texts = [self._text(each) for each in target.targets]
            more = f" and {len(texts) - _NAMES_MAX} more" if len(texts) > _NAMES_MAX else ""
            return f"{'all' if target.all else 'the first'} of {', '.join(texts[:_NAMES_MAX])}{more}"
        return "a promise"


def _calls_in(target: Target) -> Iterator[Waiting]:
    if isinstance(target, Waiting):
        yield target
    elif isinstance(target, Several):
        for each in target.targets:
            yield from _calls_in(each)


def _ops_in(target: Target) -> Iterator[int]:
    if isinstance(target, Op):
        yield target.n
    elif isinstance(target, Several):
        for each in target.targets:
            yield from _ops_in(each)


def _natural(name: str) -> tuple[str, int]:
    """Return a key that sorts what is numbered by its number."""
    label, mark, number = name.rpartition(" #")
    return (label, int(number)) if mark and number.isdecimal() else (name, 1)
