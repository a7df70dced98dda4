"""
Where a failure was raised: the functions that ran and waited when its error was made.

They are gone once a run has failed. So a copy of it goes through its end once more while it is watched: it asks its
host at every call whether to go on, and the host looks. When an error is made the engine calls a function of ours; all
memory is kept then, until it turns out which error it was that the run failed with.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import dropwhile
from typing import Final, NamedTuple

from torpor.guests.quickjs.heap import layout as at
from torpor.guests.quickjs.heap.classes import Class
from torpor.guests.quickjs.heap.frames import frame_of
from torpor.guests.quickjs.heap.reader import Heap, file_of, is_ours, pointed, tag_of
from torpor.guests.quickjs.heap.rendering import makers_of, shown
from torpor.guests.quickjs.heap.tasks import FRAMES_MAX, MAIN
from torpor.guests.quickjs.heap.waiting import Graph, Waiting
from torpor.limits import MIB
from torpor.vm.guest import Program, TaskStack

LOOKS_MAX: Final = 400_000
"""Times that a VM is looked at; then it goes on by itself."""

KEPT_BYTES_MAX: Final = 256 * MIB
"""Memory of the newest errors that is kept."""

_CALLS_MAX: Final = 2_000
_OURS_DEEP: Final = 8


class _Made(NamedTuple):
    """An error, and all memory as it was made."""

    memory: bytes
    context: int
    error: int


class Watch:
    """What was seen of the errors that a VM has made since it is watched."""

    def __init__(self) -> None:
        self._looks = 0
        self._made: OrderedDict[int, _Made] = OrderedDict()
        self._newest = 0  # frame of our function that saw the newest error, while it runs
        self._failed: tuple[_Made, str] | None = None

    def look(self, heap: Heap) -> bool:
        """Look at a VM that stands still at a call, and return whether it should be looked at again."""
        self._looks += 1
        frame = heap.word(heap.runtime + at.RUNTIME_FRAME)
        if not frame:
            return self._looks < LOOKS_MAX
        function = heap.value(frame + at.FRAME_FUNCTION)
        if function == heap.value(heap.context + at.CONTEXT_PREPARE_STACK):
            self._note_made(heap, frame)
        else:
            if self._newest and not self._is_within(heap, frame):
                self._newest = 0
            if self._made and _is_fail(heap, heap.code_of(function)):
                self._note_failed(heap, heap.value(heap.word(frame + at.FRAME_ARGUMENTS)))
        return self._looks < LOOKS_MAX

    def stack(self, program: Program) -> list[TaskStack]:
        """Return where it was raised that the run has failed with, nothing where that was not seen."""
        if self._failed is None:
            return []
        (memory, context, error), told = self._failed
        heap = Heap(memoryview(memory), context)
        calls = list(_calls(heap, error))[::-1][-FRAMES_MAX:]
        if not calls:
            return []
        frames = [frame_of(heap, call, program, is_running=is_running) for call, is_running in calls]
        return [TaskStack(MAIN, frames, f"nothing: it raised {told}")]

    def _note_made(self, heap: Heap, frame: int) -> None:
        error = pointed(heap.value(heap.word(frame + at.FRAME_ARGUMENTS)))
        has_stack = (
            tag_of(heap.value(error + at.OBJECT_DATA)) != at.TAG_UNDEFINED or heap.own(error, "stack") is not None
        )
        if frame == self._newest or has_stack:  # our function calls others; an error that goes on is not a new one
            return
        self._newest = frame
        self._made.pop(error, None)
        self._made[error] = _Made(heap.memory(), heap.context, error)
        while sum(len(made.memory) for made in self._made.values()) > KEPT_BYTES_MAX and len(self._made) > 1:
            self._made.popitem(last=False)

    def _is_within(self, heap: Heap, frame: int) -> bool:
        """Whether the function of ours that saw the newest error has called what runs now."""
        for _ in range(_OURS_DEEP):
            if not frame or frame == self._newest:
                return bool(frame)
            frame = heap.word(frame + at.FRAME_PREVIOUS)
        return False

    def _note_failed(self, heap: Heap, thrown: int) -> None:
        made = self._made.get(pointed(thrown)) if heap.class_of(thrown) else None
        if made is not None:
            self._failed = made, shown(heap, thrown).strip("[]")


def _is_fail(heap: Heap, code: int) -> bool:
    return bool(code) and heap.name(heap.word(code + at.CODE_NAME)) == "fail" and file_of(heap, code) == "torpor:main"


def _calls(heap: Heap, error: int) -> Iterator[tuple[Waiting, bool]]:
    """Yield the author's calls that an error came from, innermost first, and whether each one ran."""
    graph, makes = Graph(heap), makers_of(heap, error)
    by_frame = {call.frame: call for call in graph.calls.values()}
    outermost: Waiting | None = None
    for call in dropwhile(lambda call: call.function in makes or is_ours(file_of(heap, call.code)), _running(heap)):
        outermost = by_frame.get(call.frame, outermost)
        if not is_ours(file_of(heap, call.code)):
            yield by_frame.get(call.frame, call), True
    if outermost is None:
        outermost = _to_be_told(heap, graph)
        if outermost is not None and not is_ours(file_of(heap, outermost.code)):
            yield outermost, False
    seen: set[int] = set()
    while outermost is not None and outermost.id not in seen:
        seen.add(outermost.id)
        outermost = graph.above(outermost)
        if outermost is not None and not is_ours(file_of(heap, outermost.code)):
            yield outermost, False


def _running(heap: Heap) -> Iterator[Waiting]:
    """Yield the calls on the engine's stack, innermost first, those of functions in C not."""
    frame = heap.word(heap.runtime + at.RUNTIME_FRAME)
    for _ in range(_CALLS_MAX):
        if not frame:
            break
        function = heap.value(frame + at.FRAME_FUNCTION)
        if code := heap.code_of(function):
            yield Waiting(0, frame, function, code)
        frame = heap.word(frame + at.FRAME_PREVIOUS)


def _to_be_told(heap: Heap, graph: Graph) -> Waiting | None:
    """Return the call that an error is made for: it awaits what one of our functions is about to reject."""
    for running in _running(heap):
        for _, _, value in heap.captured(running.function):
            if heap.class_of(value) == Class.REJECT:
                found = graph.awaiting(graph.settled_by(value))
                if found is not None:
                    return found
    return None
