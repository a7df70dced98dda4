"""Cutting a small interpreter: what stays, what goes, that it still runs, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
import wasmtime

from slimming.builtin_modules import Memory
from slimming.cut import cut
from slimming.dropped_data import MARGIN_BYTES
from slimming.reach import REGISTRAR, reach
from slimming.wasm import FormatError, read_module
from tests.slimming.support import BASE, Interpreter, address, call, number, through

MIB = 1 << 20
METHODS = BASE + 0x100
BUILT_INS = BASE + 0x200
NAMES = BASE + 0x300

ORDER = (
    *("_initialize", "wizer_initialize", "turn", "helper", "unused", "PyInit__host", "method"),
    *("register_builtin_extensions", "ctx_numpy", "run", "times"),
    *("numpy", "numpy_private", "numpy_method", "numpy_last"),
    *("adler32_z", "zcfree", "lapack", "mmap", "munmap", "__wasm_setjmp", "write", "__udivti3"),
)
"""Functions as they are linked: CPython, numpy, zlib, more of numpy, libc."""


def interpreter() -> Interpreter:
    """
    Return an interpreter with the module ``_host``, which stays, and ``numpy``, which goes.

    ``turn`` calls ``method``, which nobody but memory knows, as it is with ``numpy_method``.
    """
    made = Interpreter(exports=["turn", "run"])
    made.slots = ["PyInit__host", "method", "ctx_numpy", "numpy_private", "numpy_method", "numpy_last", "write"]
    made.functions = dict.fromkeys(ORDER, number(1))
    made.functions |= {
        "turn": call(made.number("helper")) + through(METHODS) + number(3),
        "helper": number(20),
        "method": call(made.number("adler32_z")) + number(10),
        "register_builtin_extensions": address(made.slot("ctx_numpy")),
        "ctx_numpy": call(made.number("numpy")),
        "numpy": address(made.slot("numpy_private")) + address(made.slot("numpy_last")),
        "adler32_z": number(1000),
    }
    listed = {"_host": made.slot("PyInit__host"), "sys": 0, "numpy": made.slot("ctx_numpy")}
    names = {name: NAMES + 16 * place for place, name in enumerate(listed)}
    made.data = {
        METHODS: struct.pack("<I", made.slot("method")),
        BUILT_INS: b"".join(struct.pack("<II", names[name], slot) for name, slot in listed.items()) + bytes(8),
        **{at: name.encode() + b"\0" for name, at in names.items()},
    }
    return made


def slim(made: Interpreter) -> bytes:
    """Return the interpreter cut."""
    return cut(made.module(), ("memory", "turn"), ("helper",), {"_host"})


def run(wasm: bytes, name: str = "turn") -> int:
    """Call an exported function."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    host = wasmtime.Func(store, wasmtime.FuncType([], [wasmtime.ValType.i32()]), lambda: 0)
    function = wasmtime.Instance(store, wasmtime.Module(engine, wasm), [host]).exports(store)[name]
    assert isinstance(function, wasmtime.Func)
    found: int = function(store)
    return found


def test_what_is_left_runs_as_before() -> None:
    """Calls lead to the same functions under their new numbers, directly and through memory."""
    made = interpreter()

    assert run(slim(made)) == run(made.module()) == 1033


def test_what_nothing_reaches_goes() -> None:
    """Functions stay that code mentions, or whose slot is of a kept zone; nothing of numpy does."""
    made = interpreter()
    module = read_module(made.module())

    reached = reach(module, ["turn", "helper"])

    stay = {module.names[function] for function in reached.functions}
    assert stay == {"turn", "helper", "wizer_initialize", "PyInit__host", "method", "adler32_z", "write"}
    assert {module.names[module.slots[slot]] for slot in reached.slots} == {"PyInit__host", "method", "write"}


def test_only_what_is_used_is_exported() -> None:
    """Other exports would hold on to what only they reach."""
    with pytest.raises(KeyError):
        run(slim(interpreter()), "run")


def test_a_call_through_an_empty_slot_traps() -> None:
    """Were memory to hold a slot that was dropped, the run would fail, and call nothing else."""
    made = interpreter()
    made.data[METHODS] = struct.pack("<I", made.slot("numpy_private"))

    assert run(made.module()) == 24
    with pytest.raises(wasmtime.Trap, match="uninitialized element"):
        run(slim(made))


def test_a_slot_that_kept_data_may_mention_first_stays() -> None:
    """A slot that no code mentions first is some data's, of an object between those that mention its neighbours."""
    made = interpreter()
    private, last = made.slot("numpy_private"), made.slot("numpy_last")

    before = reach(read_module(made.module()), ["turn"]).slots
    made.functions |= {"numpy": address(private), "adler32_z": address(last)}
    after = reach(read_module(made.module()), ["turn"]).slots

    assert made.slot("numpy_method") not in before
    assert made.slot("numpy_method") in after


def test_third_party_modules_are_taken_off_the_list() -> None:
    """The list of built-in modules ends where they began."""
    memory = Memory(read_module(slim(interpreter())))

    assert [memory.text(memory.entry(BUILT_INS + at)[0]) for at in (0, 8)] == ["_host", "sys"]
    assert [memory.entry(BUILT_INS + at) for at in (16, 24)] == [(0, 0), (0, 0)]


def test_memory_that_only_dropped_code_mentions_goes() -> None:
    """The stretch between their mentions is dropped, but for its beginning; the rest stays where it was."""
    made = interpreter()
    made.functions["numpy"] += address(BASE + MIB) + address(BASE + 2 * MIB)
    made.data[BASE + MIB - 8] = bytes(8) + b"x" * (MIB + 8) + b"\0"
    made.data[METHODS + 8] = b"kept"

    wasm = slim(made)
    memory = Memory(read_module(wasm))

    assert run(wasm) == 1033
    assert memory.text(METHODS + 8) == "kept"
    assert memory.text(BASE + MIB) == "x" * MARGIN_BYTES
    assert memory.text(BASE + 2 * MIB) == "x" * 8
    assert len(wasm) < 2 * MARGIN_BYTES


def test_memory_between_mentions_of_kept_code_stays() -> None:
    """A mention in its middle leaves no stretch that is large enough."""
    made = interpreter()
    made.functions["numpy"] += address(BASE + MIB) + address(BASE + 2 * MIB)
    made.functions["method"] += address(BASE + MIB + MIB // 2)
    made.data[BASE + MIB] = b"x" * MIB + b"\0"

    assert Memory(read_module(slim(made))).text(BASE + MIB) == "x" * MIB


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda made: made.functions.update(turn=call(made.number(REGISTRAR))),
            "register_builtin_extensions is called",
        ),
        (
            lambda made: made.functions.update(helper=address(made.slot("ctx_numpy"))),
            "code that stays mentions ctx_numpy",
        ),
        (lambda made: made.functions.pop("zcfree"), "0 functions are called zcfree"),
        (lambda made: made.functions.update(helper=b"\xfe\x00"), "helper has an instruction that is not known: 0xfe"),
        (lambda made: made.functions.update(helper=b"\x0e\x7f"), "the code of helper ends within an instruction"),
        (lambda made: made.functions.update(turn=call(24), PyInit_more=number(1)), r"way round: \['more'\]"),
        (lambda made: made.data.pop(BUILT_INS), "the list of built-in modules is not found"),
    ],
)
def test_what_is_not_as_expected_is_refused(change: Callable[[Interpreter], object], complaint: str) -> None:
    """A module that was built otherwise ends the build, and is never cut by guess."""
    made = interpreter()
    change(made)

    with pytest.raises(FormatError, match=complaint):
        slim(made)
