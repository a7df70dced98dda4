"""Functions of Python that guest code calls: arguments, results and exceptions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import wasmtime

from torpor.vm.bindings import Call
from torpor.vm.host_functions import HostLinker

I32, I64, F64 = wasmtime.ValType.i32(), wasmtime.ValType.i64(), wasmtime.ValType.f64()
MODULE = """
(module
  (import "env" "host" (func $host (param i32 i64) (result i32)))
  (func (export "call") (param i32) (result i32) (call $host (local.get 0) (i64.const -5)))
  (func (export "trap") unreachable))
"""


class Machine:
    """A store whose guest calls a function with its argument and -5."""

    def __init__(self, function: Callable[[int, int], int]) -> None:
        engine = wasmtime.Engine()
        self.linker = HostLinker(engine)
        self.linker.define_host("env", "host", wasmtime.FuncType([I32, I64], [I32]), function)
        self.store = wasmtime.Store(engine)
        exports: Any = self.linker.instantiate(self.store, wasmtime.Module(engine, MODULE)).exports(self.store)
        self.call = Call(self.store, exports["call"], hold_gil=True)
        self.trap = Call(self.store, exports["trap"], hold_gil=True)


def test_arguments_and_results_cross() -> None:
    """
    An i32 arrives unsigned, an i64 signed; a result may be negative.
    """
    got: list[tuple[int, int]] = []

    def host(address: int, offset: int) -> int:
        got.append((address, offset))
        return -1

    assert Machine(host).call(-16) == -1
    assert got == [(2**32 - 16, -5)]


def test_an_exception_is_raised_once_where_the_guest_was_called() -> None:
    """
    What a function raises ends the guest's call; the next trap is only a trap.
    """

    def host(_address: int, _offset: int) -> int:
        raise LookupError("from the host")

    machine = Machine(host)

    with pytest.raises(LookupError, match="from the host"):
        machine.call(1)
    with pytest.raises(wasmtime.Trap):
        machine.trap()


def test_threads_get_their_own_exceptions() -> None:
    """
    Two guests whose functions fail at the same time never see each other's exception.
    """
    foreign: list[BaseException] = []

    def fail_often(mark: int) -> None:
        def host(_address: int, _offset: int) -> int:
            raise LookupError(mark)

        machine = Machine(host)
        for _ in range(3000):
            try:
                machine.call(1)
            except BaseException as problem:  # noqa: BLE001  # the other's is what is looked for
                if problem.args != (mark,):
                    foreign.append(problem)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=fail_often, args=(mark,)) for mark in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert foreign == []


@pytest.mark.parametrize("kind", [wasmtime.FuncType([F64], []), wasmtime.FuncType([], [I64])])
def test_other_types_are_refused(kind: wasmtime.FuncType) -> None:
    """
    Numbers that would be misread cannot cross.
    """
    with pytest.raises(TypeError, match="a function of the host"):
        HostLinker(wasmtime.Engine()).define_host("env", "host", kind, lambda *_: 0)
