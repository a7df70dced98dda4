"""What a prompt in a copy of a run can name: what the function could in which the workflow waits."""

from __future__ import annotations

from torpor.guests.quickjs.heap.frames import names_in
from torpor.guests.quickjs.heap.reader import Heap, Value, file_of, is_ours
from torpor.guests.quickjs.heap.waiting import Graph, Waiting
from torpor.vm.guest import Program


def scope_of(heap: Heap, program: Program) -> dict[str, Value]:
    """
    Return names and values of the innermost of the author's functions that the workflow waits in.

    There are none once it has ended, and none that the global object has taken.

    Raises:
        HeapError: the heap cannot be read.
    """
    graph = Graph(heap)
    target, found = graph.target(graph.main) if graph.main else None, None
    seen: set[int] = set()
    while isinstance(target, Waiting) and target.id not in seen:
        seen.add(target.id)
        if not is_ours(file_of(heap, target.code)):
            found = target
        target = graph.awaited_by(target)
    if found is None:
        return {}
    taken = heap.global_names()
    return {name: value for name, value in names_in(heap, found, program).items() if name not in taken}
