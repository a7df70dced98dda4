"""
Which functions the slim interpreter can reach: the rest goes.

This is what a linker does when it drops unused code, done once more with fewer roots. A function is reached by code or
through memory.

**By code.** Calls and addresses of functions stand in code as numbers that can be told from all others (see
``wasm.py``), and all code that is kept is read, instruction by instruction. So what kept code mentions is kept, with
nothing left to guess.

**Through memory.** An indirect call takes a *slot* of the table from memory, where a slot looks like any other number:
``PyMethodDef``, type objects, the functions of SQLite. Which memory belongs to whom is not recorded. Three facts
stand in for that.

1. *Libraries are zones.* The linker puts the functions of one library after those of another, in the order of its
   command line. :data:`ZONES` are the libraries that stay, by the names of the functions at their borders. Every slot
   of a function in these zones is kept, whether anybody needs it or not: so whatever such memory may say of functions
   of these libraries is right.
2. *The table has the order of the objects.* The linker gives out slots as it reads, object by object, first its code,
   then its data, when a function's address is first seen. So a slot's first mention is in an object between those
   whose code has the first mentions of the slots around it. A slot whose first mention may lie in a kept zone is kept
   too, wherever its function is. What is left are slots that objects of dropped zones mentioned first. The
   interpreter's own objects come before all those, so their memory holds none of these slots; libraries of a later
   zone (zlib, libc, SQLite, …) come after, but are below: they are linked without knowing the dropped ones, whose
   names they do not contain.
3. *Memory is that of an interpreter that has started.* What its code wrote there before the module was saved came
   from code or memory of kept zones, for which 1 and 2 hold, since no dropped module was imported. Two functions did
   know others. The first, :data:`REGISTRAR`, put the third-party modules into the interpreter's list of built-in
   ones: their slots are dropped, and ``builtin_modules.py`` takes them off the list. The second, the linker's
   ``__wasm_call_ctors``, ran C++ constructors of dropped libraries, which asked for destructors at exit; a workflow
   that ends its process fails, now as before.

A slot that is dropped is empty, and a call through it traps: if all this were wrong somewhere, the run would fail with
``GuestTrapError``, and nothing else would happen to it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Final, NamedTuple

from slimming.wasm import FormatError, Module

ZONES: Final = (
    ("_initialize", "times"),  # what starts it, CPython, its modules in C, and the first of libc
    ("adler32_z", "zcfree"),  # zlib
    ("mmap", "munmap"),  # libc
    ("__wasm_setjmp", "__udivti3"),  # libc, libbz2, liblzma, SQLite, HACL*, expat, compiler-rt
)
"""First and last function of each library, or row of libraries, that stays."""

REGISTRAR: Final = "register_builtin_extensions"
"""Puts third-party modules into the list of built-in ones, before the module was saved."""

STARTER: Final = "wizer_initialize"
"""Started the interpreter, before the module was saved."""

_STARTED_MODULE: Final = "PyInit_"


class Reached(NamedTuple):
    """
    What is kept.

    Attributes:
        functions: their numbers.
        slots: slots of the table that are filled.
    """

    functions: set[int]
    slots: set[int]


def reach(module: Module, roots: Collection[str]) -> Reached:
    """
    Return what can be reached in a saved interpreter.

    Args:
        module: the interpreter, saved after its start.
        roots: names of functions that the host calls.

    Raises:
        FormatError: zones, functions or code are not as expected.
    """
    zones = [range(module.number_of(first), module.number_of(last) + 1) for first, last in ZONES]
    registrar = module.number_of(REGISTRAR)
    dropped = _slots_in_code(module, [registrar])
    slots = _slots_of(module, zones) | _slots_first_mentioned_in(module, zones)
    slots -= dropped
    starts = [module.number_of(name) for name in [*roots, STARTER]]
    functions = _marked(module, [*starts, *(module.slots[slot] for slot in slots)])
    if registrar in functions:
        raise FormatError(f"{REGISTRAR} is called by code that stays")
    if wrong := dropped & _slots_in_code(module, functions):
        raise FormatError(f"code that stays mentions {module.names[module.slots[min(wrong)]]}")
    return Reached(functions, {slot for slot in _filled(module) if module.slots[slot] in functions})


def started_modules(module: Module, functions: Iterable[int]) -> set[str]:
    """Return the names of the modules whose ``PyInit_`` is among these functions."""
    names = (module.names[function] for function in functions)
    return {name.removeprefix(_STARTED_MODULE) for name in names if name.startswith(_STARTED_MODULE)}


def _filled(module: Module) -> range:
    """Return all slots; the linker leaves none empty but the first."""
    return range(1, len(module.slots))


def _slots_of(module: Module, zones: Iterable[range]) -> set[int]:
    """Return the slots of functions in the zones."""
    within = set().union(*zones)
    return {slot for slot in _filled(module) if module.slots[slot] in within}


def _slots_first_mentioned_in(module: Module, zones: Iterable[range]) -> set[int]:
    """Return the slots whose first mention may be one by an object of the zones."""
    known = [(0, module.imports)]  # slot, and the function whose code has its first mention
    begins = [body.begin for body in module.bodies]
    for slot, at in module.all_addresses():  # from the first function to the last
        if known[-1][0] < slot < len(module.slots):  # a smaller one has been mentioned earlier, if only by data
            known.append((slot, bisect_right(begins, at) - 1 + module.imports))
    last = module.imports + len(module.bodies) - 1
    found = set[int]()
    for (before, since), (slot, function) in pairwise([*known, (len(module.slots), last)]):
        if slot < len(module.slots) and any(function in zone for zone in zones):
            found.add(slot)
        if any(zone.start <= function and since < zone.stop for zone in zones):
            found.update(range(before + 1, slot))  # mentioned by data alone, of an object between these functions
    return found


def _slots_in_code(module: Module, functions: Iterable[int]) -> set[int]:
    """Return the slots that the code of these functions mentions."""
    own, slots = (function for function in functions if function >= module.imports), _filled(module)
    return {
        mention.value
        for function in own
        for mention in module.mentions(function)
        if not mention.calls and mention.value in slots
    }


def _marked(module: Module, roots: Iterable[int]) -> set[int]:
    """Return these functions, and all that code leads to from them."""
    found = set(roots)
    ahead, slots = list(found), _filled(module)
    while ahead:
        function = ahead.pop()
        if function < module.imports:
            continue
        for mention in module.mentions(function):
            if mention.calls:
                target = mention.value
            elif mention.value in slots:
                target = module.slots[mention.value]
            else:  # an address of data
                continue
            if target not in found:
                found.add(target)
                ahead.append(target)
    return found
