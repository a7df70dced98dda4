"""The private names of wasmtime-py that we use do what we need; a change of them fails here."""

from __future__ import annotations

import threading
import time

import pytest
import wasmtime

from torpor.errors import HostError
from torpor.vm.bindings import Call, Deadline, LinearMemory, created_memories, dispose, epoch_tick, own_memories

PAGE = 65536
MODULE = """
(module
  (memory (export "memory") 1)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "sub") (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
  (func (export "trap") unreachable)
  (func (export "spin") (loop (br 0)))
  (func (export "wide") (param i64)))
"""


class Machine:
    """A store with the module above, its memory limited to three pages."""

    def __init__(self, seconds: float = 60) -> None:
        config = wasmtime.Config()
        config.epoch_interruption = True
        config.memory_init_cow = False
        own_memories(config)
        self.engine = wasmtime.Engine(config)
        self.store = wasmtime.Store(self.engine)
        self.deadline = Deadline(self.store, seconds, 0, lambda: None)
        with created_memories(3 * PAGE) as self.memories:
            instance = wasmtime.Instance(self.store, wasmtime.Module(self.engine, MODULE), [])
        self.exports = instance.exports(self.store)
        (self.memory,) = self.memories

    def call(self, name: str, *, hold_gil: bool = True) -> Call:
        func = self.exports[name]
        assert isinstance(func, wasmtime.Func)
        return Call(self.store, func, hold_gil=hold_gil)


@pytest.fixture
def machine() -> Machine:
    """A machine with ample time."""
    return Machine()


@pytest.mark.parametrize("hold_gil", [True, False])
def test_a_call_passes_arguments_and_result(machine: Machine, hold_gil: bool) -> None:
    """
    Arguments arrive in order and the result comes back, with the GIL and without.
    """
    call = machine.call("sub", hold_gil=hold_gil)

    assert (call(50, 8), call(8, 50)) == (42, -42)


def test_a_call_of_other_types_is_refused(machine: Machine) -> None:
    """
    A function that is not of i32 cannot be wrapped, since arguments would be misread.
    """
    with pytest.raises(TypeError, match="i32 only"):
        machine.call("wide")


def test_a_trap_is_raised_each_time(machine: Machine) -> None:
    """
    A trap is an exception with its code, and the next call is not affected.
    """
    for _ in range(2):
        with pytest.raises(wasmtime.Trap) as caught:
            machine.call("trap")()
        assert caught.value.trap_code is wasmtime.TrapCode.UNREACHABLE

    assert machine.call("sub")(3, 1) == 2


def test_memory_grows_in_place_up_to_its_limit(machine: Machine) -> None:
    """
    Growth keeps address and contents; a refused growth is noted and changes nothing.
    """
    memory, grow = machine.memory, machine.call("grow")
    address = memory.address
    memory.write(PAGE - 4, b"last")

    assert grow(2) == 1
    assert (memory.size, memory.address, memory.refused) == (3 * PAGE, address, False)
    assert memory.read(PAGE - 4, 8) == b"last\0\0\0\0"

    assert grow(1) == -1
    assert (memory.size, memory.refused) == (3 * PAGE, True)


def test_growth_that_the_system_refuses_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When the system has no more memory the guest is told so, rather than given what is not there; the host learns why.
    """

    def refuse(_address: int, _size: int) -> None:
        raise HostError("no memory")

    monkeypatch.setattr("torpor.vm.posix.commit", refuse)

    assert machine.call("grow")(1) == -1
    assert (machine.memory.size, machine.memory.refused) == (PAGE, False)
    with pytest.raises(HostError, match="no memory"):
        machine.memory.require_host()
    machine.memory.require_host()


def test_a_memory_that_nobody_collects_is_refused(machine: Machine) -> None:
    """
    Instantiating a module with memory outside of the block that says its limit is an error.
    """
    module = wasmtime.Module(machine.engine, "(module (memory 1))")

    with pytest.raises(wasmtime.WasmtimeError, match="no memory for the guest"):
        wasmtime.Instance(machine.store, module, [])
    with created_memories(), pytest.raises(wasmtime.WasmtimeError, match="no memory for the guest"):
        wasmtime.Instance(machine.store, module, [])


def test_the_host_sees_what_the_guest_writes(machine: Machine) -> None:
    """
    Host and guest share the bytes.
    """
    machine.call("store")(100, 0x04030201)

    assert machine.memory.read(99, 6) == b"\0\1\2\3\4\0"


def test_a_guest_access_beyond_memory_is_a_trap(machine: Machine) -> None:
    """
    Reserved but ungrown memory is out of bounds for the guest.
    """
    with pytest.raises(wasmtime.Trap) as caught:
        machine.call("store")(PAGE, 1)

    assert caught.value.trap_code is wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS


@pytest.mark.parametrize(("at", "size"), [(PAGE, 1), (PAGE - 1, 2), (-1, 1), (0, PAGE + 1), (2**40, 1)])
def test_a_host_access_beyond_memory_is_an_error(machine: Machine, at: int, size: int) -> None:
    """
    A wrong pointer is an exception, not a fault of the process.
    """
    with pytest.raises(IndexError, match="outside of a linear memory of 65536 bytes"):
        machine.memory.read(at, size)
    with pytest.raises(IndexError):
        machine.memory.write(at, bytes(size))


def test_the_epoch_callback_ends_a_call_in_time() -> None:
    """
    A call that outlives its CPU time is ended at a tick, and the deadline says so.
    """
    machine = Machine(seconds=0.01)
    machine.deadline.restart()
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(0.002):
            machine.engine.increment_epoch()

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        with pytest.raises(wasmtime.WasmtimeError, match="CPU limit"):
            machine.call("spin", hold_gil=False)()
    finally:
        ended.set()
        ticking.join()

    assert machine.deadline.passed


def test_only_turns_count_against_the_time() -> None:
    """
    What is called between turns is not ended, however long ago the last turn was.
    """
    machine = Machine(seconds=0.001)
    machine.deadline.restart()
    machine.engine.increment_epoch()
    machine.call("sub")(2, 1)
    machine.deadline.rest()
    begun = time.thread_time()
    while time.thread_time() < begun + 0.01:
        machine.engine.increment_epoch()
        assert machine.call("sub")(2, 1) == 1

    assert not machine.deadline.passed


def test_the_tick_is_a_function_of_the_engine(machine: Machine) -> None:
    """
    The addresses for a native timer are real ones.
    """
    function, argument = epoch_tick(machine.engine)

    assert function > PAGE
    assert argument > PAGE


def test_disposing_gives_the_address_range_back(machine: Machine) -> None:
    """
    After disposal the memory has no size and may be closed again.
    """
    memory = machine.memory
    dispose(machine.store, machine.memories)

    assert (memory.size, memory.reserved) == (0, 0)
    memory.close()


def test_memory_of_no_store_can_be_used_alone() -> None:
    """
    A linear memory is a plain range of zeros until somebody writes.
    """
    memory = LinearMemory(PAGE, 2 * PAGE, 2 * PAGE)

    assert memory.read(0, PAGE) == bytes(PAGE)
    memory.close()
