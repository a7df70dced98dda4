"""
Who waits for whom: the functions of a heap that wait, and the promises between them and what they wait for.

A promise knows who reacts to it. So does an async function that awaits, by a function of the engine's; so do ``then``,
``Promise.all`` and the like, by the promises that they settle. Read backwards, that leads from each function that waits
to what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from torpor.guests.quickjs.heap import layout as at
from torpor.guests.quickjs.heap.classes import CODED, Class
from torpor.guests.quickjs.heap.reader import Heap, HeapError, Value, file_of, integer, is_ours, pointed, tag_of

_WANTED: Final = frozenset((int(Class.PROMISE), int(Class.ASYNC_GENERATOR)))
_EXECUTING: Final = 3
_PENDING: Final = 0
_HELD_MAX: Final = 300
_HELD_DEPTH: Final = 6
_PROMISES_BETWEEN: Final = 1_000
_DATA_MAX: Final = 8


class Waiting(NamedTuple):
    """
    A call of an async function, or of an async generator, that waits; or any call that runs, in a VM that stands still.

    Attributes:
        id: address of what keeps it, 0 of a call that nothing keeps but the engine's stack.
        frame: address of its frame.
        function, code: what was called, and the address of its code.
    """

    id: int
    frame: int
    function: Value
    code: int

    @property
    def this(self) -> int:
        """Address of what ``this`` was as it was called, 0 where that is not known."""
        return self.frame - at.STATE_FRAME + at.STATE_THIS if self.id else 0


class Op(NamedTuple):
    """What waits for the answer to an op."""

    n: int


class Message(NamedTuple):
    """What waits for a message in a mailbox."""

    name: str


class Several(NamedTuple):
    """What waits for several things: for all of them, or for the first."""

    all: bool
    targets: tuple[Target, ...]


Target = Waiting | Op | Message | Several | None
"""What something waits for; None where that is not known."""


class _Source(NamedTuple):
    """A promise that settles another one, alone or as one of all, and as which of them."""

    promise: int
    one_of_all: bool
    place: int


class Graph:
    """
    The functions of a heap that wait.

    Attributes:
        calls: all of them, by id.
        main: the promise of the workflow's result, 0 once the workflow has ended.

    What cannot be read is as if it were not there.

    Raises:
        HeapError: the list of objects cannot be read.
    """

    def __init__(self, heap: Heap) -> None:
        self._heap = heap
        self.calls: dict[int, Waiting] = {}
        self.main = 0
        self._awaited: dict[int, int] = {}
        self._made_by: dict[int, int] = {}
        self._sources: dict[int, list[_Source]] = {}
        self._targets: dict[int, Op | Message] = {}
        promises: list[int] = []
        for kind, place in heap.collected(_WANTED):
            if kind == Class.PROMISE:
                promises.append(place)
            else:
                with suppress(HeapError):
                    self._note_call(kind, place)
        for promise in promises:
            with suppress(HeapError):
                self._note_promise(promise)
        for note in (self._note_ops, self._note_mailboxes):
            with suppress(HeapError):
                note()

    def awaited_by(self, call: Waiting) -> Target:
        """Return what a call waits for."""
        promise = self._awaited.get(call.id)
        return None if promise is None else self.target(promise)

    def target(self, promise: int, above: frozenset[int] = frozenset()) -> Target:
        """Return what a promise waits for."""
        for _ in range(_PROMISES_BETWEEN):
            if promise in above:
                return None
            above |= {promise}
            if (call := self.calls.get(self._made_by.get(promise, 0))) is not None:
                return call
            if (known := self._targets.get(promise)) is not None:
                return known
            sources = self._sources.get(promise, [])
            if len(sources) != 1 or sources[0].one_of_all:
                return self._several(sources, above)
            promise = sources[0].promise
        return None

    def above(self, call: Waiting) -> Waiting | None:
        """Return a call that waits for another one, alone or among several; None when there is none."""
        return next((other for other in self.calls.values() if call.id in _ids_in(self.awaited_by(other))), None)

    def awaiting(self, promise: int) -> Waiting | None:
        """Return the call that awaits a promise, directly or by others that it settles; None when there is none."""
        for call in self.calls.values():
            left, seen = [self._awaited.get(call.id, 0)], set[int]()
            while left:
                found = left.pop()
                if found == promise:
                    return call
                if found not in seen and found not in self._made_by:
                    seen.add(found)
                    left += [source.promise for source in self._sources.get(found, ())]
        return None

    def settled_by(self, function: Value) -> int:
        """Return the address of the promise that a function of the engine's settles, 0 of any other function."""
        return pointed(self._settled_by(function))

    def _several(self, sources: Sequence[_Source], above: frozenset[int]) -> Target:
        if not sources:
            return None
        ordered = sorted(sources, key=lambda source: source.place)
        is_all = any(source.one_of_all for source in sources)
        return Several(is_all, tuple(self.target(source.promise, above) for source in ordered))

    def _note_call(self, kind: int, place: int) -> None:
        heap = self._heap
        if kind == Class.ASYNC_GENERATOR:
            data = heap.word(place + at.OBJECT_DATA)
            if not data or heap.word(data + at.GENERATOR_PHASE) != _EXECUTING:
                return
            state = data + at.GENERATOR_STATE
            request = next(heap.links(data + at.GENERATOR_QUEUE), 0)
            promise = heap.value(request + at.REQUEST_PROMISE) if request else 0
        else:
            if not heap.byte(place + at.ASYNC_ACTIVE):
                return
            state = place + at.ASYNC_STATE
            promise = self._settled_by(heap.value(place + at.ASYNC_RESOLVE))
        function = heap.value(state + at.STATE_FRAME + at.FRAME_FUNCTION)
        code = heap.code_of(function)
        if not code:
            raise HeapError("what waits is no function")
        self.calls[place] = Waiting(place, state + at.STATE_FRAME, function, code)
        if promise:
            self._made_by[pointed(promise)] = place

    def _note_promise(self, place: int) -> None:
        heap = self._heap
        data = heap.word(place + at.OBJECT_DATA)
        if heap.word(data + at.PROMISE_STATE) != _PENDING:
            return
        for reaction in heap.links(data + at.PROMISE_REACTIONS):
            handler = heap.value(reaction + at.REACTION_HANDLER)
            kind = heap.class_of(handler)
            if kind == Class.ASYNC_RESOLVE:
                self._awaited[heap.word(pointed(handler) + at.OBJECT_DATA)] = place
            elif kind == Class.NATIVE_CLOSURE:
                self._note_native(place, handler)
            elif kind in CODED and self._is_main(handler):
                self.main = place
            self._note_settled(place, heap.value(reaction + at.REACTION_RESOLVE))
            self._note_settled(place, handler)
            for _, value in self._captures(handler):
                self._note_settled(place, value)

    def _note_native(self, place: int, handler: Value) -> None:
        """Note what the engine's own function does with a promise: let a generator go on, or settle one of all."""
        data = list(self._native_data(handler))
        if not data:
            return
        if self._heap.class_of(data[0]) == Class.ASYNC_GENERATOR:
            self._awaited[pointed(data[0])] = place
            return
        index = integer(data[1]) if len(data) > 1 and tag_of(data[1]) == at.TAG_INT else 0
        for value in data:
            if self._heap.class_of(value) == Class.RESOLVE:
                self._note_source(pointed(self._settled_by(value)), _Source(place, True, index))

    def _native_data(self, handler: Value) -> Iterator[Value]:
        record = self._heap.word(pointed(handler) + at.OBJECT_DATA)
        for number in range(min(self._heap.byte(record + at.NATIVE_COUNT), _DATA_MAX)):
            yield self._heap.value(record + at.NATIVE_DATA + 8 * number)

    def _note_settled(self, place: int, value: Value) -> None:
        if self._heap.class_of(value) == Class.RESOLVE:
            self._note_source(pointed(self._settled_by(value)), _Source(place, False, 0))

    def _note_source(self, promise: int, source: _Source) -> None:
        sources = self._sources.setdefault(promise, [])
        if all(known.promise != source.promise for known in sources):
            sources.append(source)

    def _settled_by(self, function: Value) -> Value:
        """Return the promise that a function of the engine's settles."""
        if self._heap.class_of(function) not in (Class.RESOLVE, Class.REJECT):
            return 0
        return self._heap.value(self._heap.word(pointed(function) + at.OBJECT_DATA) + at.RESOLVE_PROMISE)

    def _is_main(self, handler: Value) -> bool:
        heap, code = self._heap, self._heap.code_of(handler)
        return heap.name(heap.word(code + at.CODE_NAME)) == "complete" and file_of(heap, code) == "torpor:main"

    def _captures(self, function: Value) -> Iterator[tuple[str, Value]]:
        """Yield the variables of enclosing functions that a function refers to."""
        for name, kind, value in self._heap.captured(function):
            if kind in (at.CLOSURE_LOCAL, at.CLOSURE_ARGUMENT):
                yield name, value

    def _note_ops(self) -> None:
        heap = self._heap
        for _, waiter in self._entries_of("torpor:run", "emit", "waiting"):
            n = heap.own(pointed(waiter), "n")
            if n is not None:
                number = integer(n) if tag_of(n) == at.TAG_INT else 0
                for promise in self._promises_in(waiter):
                    self._targets.setdefault(promise, Op(number))

    def _note_mailboxes(self) -> None:
        heap = self._heap
        for name, box in self._entries_of("torpor:mailbox", "mailboxReport", "mailboxes"):
            takers = heap.own(pointed(box), "takers")
            for promise in self._promises_in(takers) if takers is not None else ():
                self._targets[promise] = Message(heap.string(name, _HELD_MAX)[0])

    def _entries_of(self, module: str, function: str, variable: str) -> Iterator[tuple[Value, Value]]:
        """Yield the entries of a Map of one of our modules, which one of its functions refers to."""
        exported = self._heap.exported(module, function)
        for name, _, value in self._heap.captured(exported) if exported is not None else ():
            if name == variable and self._heap.class_of(value) == Class.MAP:
                yield from self._heap.entries(value)

    def _promises_in(self, value: Value) -> Iterator[int]:
        """Yield the promises that our own functions and objects hold, or would settle."""
        heap = self._heap
        level, seen = [value], {value}
        for _ in range(_HELD_DEPTH):
            below: list[Value] = []
            for held in level:
                kind = heap.class_of(held)
                if kind == Class.PROMISE:
                    yield pointed(held)
                elif kind in (Class.RESOLVE, Class.REJECT):
                    yield pointed(self._settled_by(held))
                else:
                    below += self._held_by(held, kind)
            level = [each for each in dict.fromkeys(below) if each not in seen][: _HELD_MAX - len(seen)]
            seen |= set(level)

    def _held_by(self, holder: Value, kind: int) -> Iterator[Value]:
        heap, place = self._heap, pointed(holder)
        if kind in CODED:
            if is_ours(file_of(heap, heap.code_of(holder))):
                yield from (value for _, value in self._captures(holder))
        elif kind in (Class.OBJECT, Class.ARRAY):
            for one in heap.properties(place):
                if one.flags & at.PROPERTY_KIND == at.PROPERTY_VALUE:
                    yield heap.value(one.place)
            start, count = heap.items(holder) or (0, 0)
            yield from (heap.value(start + 8 * number) for number in range(min(count, _HELD_MAX)))


def _ids_in(target: Target) -> frozenset[int]:
    """Return the calls that a target consists of, by id."""
    if isinstance(target, Waiting):
        return frozenset((target.id,))
    return frozenset().union(*map(_ids_in, target.targets)) if isinstance(target, Several) else frozenset()
