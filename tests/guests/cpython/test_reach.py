"""The slim guest calls nothing that was cut off, whatever of it is called: see ``slimming/reach.py``."""

from __future__ import annotations

from slimming.library import BUILT_IN
from tests.guests.cpython.conftest import Author
from torpor.guests.cpython import CPython, Limits
from torpor.limits import MIB

CALL_EVERYTHING = """
import importlib

def call(function):
    calls = 0
    for given in ((), (1,), ("a",), (b"a",), ([1, 2],), ("a", "b"), (1, 2)):
        try:
            result = function(*given)
            if len(made) < 3:
                made.append(result)
        except BaseException:  # which is what is expected of most
            pass
        calls += 1
    return calls

def method_of(one, name):
    try:
        found = getattr(one, name)
    except BaseException:
        return None
    return found if callable(found) and name not in avoided else None

calls = 0
for part, value in sorted(vars(importlib.import_module(name)).items()):
    if part in avoided or not callable(value):
        continue
    made = []
    calls += call(value)
    if isinstance(value, type):
        for one in list(made):
            for attribute in dir(value):
                method = method_of(one, attribute)
                calls += 0 if method is None else call(method)
return calls
"""
"""Calls functions, classes and methods of instances with arguments of all sorts."""

TRAPS = (
    *("_exit", "abort", "raise_signal", "interrupt_main", "SimpleQueue", "lock", "LockType", "RLock"),
    *("_fatal_error_c_thread", "_raise_exception", "_read_null", "_sigabrt", "_sigfpe", "_sigsegv", "_stack_overflow"),
)
"""What stops the VM, or would wait for ever, in any build."""

UPSETS = (
    *("exec", "eval", "input", "breakpoint", "exit", "quit", "help", "print", "__import__"),
    *("_profile", "enable", "setrecursionlimit", "start_new", "start_new_thread", "start_joinable_thread"),
)
"""What changes how the rest runs, or takes long."""


def test_nothing_that_was_cut_off_is_called() -> None:
    """A hundred thousand calls, of all that the modules in C have, each module in a VM of its own: none traps."""
    guest = CPython(limits=Limits(memory_bytes=512 * MIB), pool_size=1)
    author = Author(guest)
    image = author.body(CALL_EVERYTHING, parameters="name, avoided").image
    calls = 0
    for name in sorted(BUILT_IN | {"builtins", "_imp", "marshal"}):
        calls += author.run(image).begin(name, [*TRAPS, *UPSETS]).value
        author.release()
        author._runs.clear()
    guest.close()

    assert calls > 100_000
