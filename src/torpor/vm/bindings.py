"""
Where wasmtime's C interface is used directly, through the private ctypes declarations of wasmtime-py; functions of the
host, which need it too, are in ``host_functions.py``.

Three things are to be had only there:

* *Calls.* ``Func.__call__`` costs about 13 µs and gives the GIL away ten times; ``wasmtime_func_call_unchecked`` costs
  1 µs and keeps it.
* *Memory creation.* The address range of a linear memory is ours, so that an image may be mapped over it, and a refused
  growth is noticed even when the guest hides it.
* *The epoch callback*, which lets other threads run while a guest runs long, and ends it when its time is over.

``tests/vm/test_bindings.py`` notices when wasmtime changes any of it.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from torpor.errors import HostError, VmInterruptedError
from torpor.vm import interrupts, posix
from torpor.vm.host import host_error
from torpor.vm.host_functions import take_raised


def _declare(library: ctypes.CDLL) -> Any:
    """Return the call of *library* with the argument types that wasmtime-py declares for it."""
    function = library.wasmtime_func_call_unchecked
    function.argtypes = ffi.dll.wasmtime_func_call_unchecked.argtypes
    function.restype = ctypes.c_void_p
    return function


_call_holding = _declare(ctypes.PyDLL(ffi.dll._name))
_call_releasing = _declare(ctypes.CDLL(ffi.dll._name))
"""The same function, called with the GIL held, and without it."""


class Call:
    """
    A function of a store, ready to be called with 32-bit integers.

    Args:
        store: the store.
        func: an exported function whose parameters and result, if any, are i32.
        hold_gil: keep the GIL during the call; right for what is short or has an epoch callback that yields.
    """

    __slots__ = ("_arguments", "_context", "_count", "_func", "_keep", "_native", "_trap", "_trap_out")

    def __init__(self, store: wasmtime.Store, func: wasmtime.Func, *, hold_gil: bool) -> None:
        kind = func.type(store)
        if any(str(t) != "i32" for t in [*kind.params, *kind.results]) or len(kind.results) > 1:
            raise TypeError(f"Call takes functions of i32 only, not {kind.params} -> {kind.results}")
        self._count = max(len(kind.params), len(kind.results), 1)
        self._arguments = (ffi.wasmtime_val_raw_t * self._count)()
        self._trap = ctypes.POINTER(ffi.wasm_trap_t)()
        self._keep = (store, func)
        self._context, self._func = store._context(), ctypes.byref(func._func)
        self._native = _call_holding if hold_gil else _call_releasing
        self._trap_out = ctypes.byref(self._trap)

    def __call__(self, *arguments: int) -> int:
        """
        Call and return the i32 result (0 when there is none).

        Raises:
            wasmtime.Trap: the guest trapped.
            wasmtime.WasmtimeError: the epoch callback ended the call.
            VmInterruptedError: the process ends.
            Exception: what a host function raised.
        """
        raw = self._arguments
        for at, value in enumerate(arguments):
            raw[at].i32 = value
        me = interrupts.enter()
        try:
            error = self._native(self._context, self._func, raw, self._count, self._trap_out)
        finally:
            interrupts.leave(me)
        if error:
            problem = wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t)))
            raise take_raised() or problem
        if self._trap:
            trap = wasmtime.Trap._from_ptr(self._trap)
            self._trap = ctypes.POINTER(ffi.wasm_trap_t)()
            self._trap_out = ctypes.byref(self._trap)
            raise take_raised() or trap
        result: int = raw[0].i32
        return result


class LinearMemory:
    """
    A linear memory whose address range is ours: it never moves, grows in place, and has a limit.

    Attributes:
        address: of its first byte.
        size: bytes in use now, a whole number of 64 KiB pages.
        limit: most that ``size`` may become.
        reserved: bytes of address space.
        refused: whether a growth past the limit was refused since this was last set to False.
        starved: why the system refused a growth within the limit, since this was last set to None.
    """

    __slots__ = ("address", "limit", "refused", "reserved", "size", "starved", "view")

    def __init__(self, size: int, reserved: int, limit: int) -> None:
        self.reserved = reserved
        self.limit = limit
        self.refused = False
        self.starved: HostError | None = None
        self.size = size
        self.address = posix.reserve(reserved)
        posix.avoid_huge_pages(self.address, reserved)
        try:
            if size:
                posix.commit(self.address, size)
        except HostError:
            posix.release(self.address, reserved)
            raise
        self.view = memoryview((ctypes.c_uint8 * max(limit, size)).from_address(self.address)).cast("B")

    def read(self, at: int, size: int) -> bytes:
        """
        Return a copy of *size* bytes at *at*.

        Raises:
            IndexError: the range is not inside the memory.
        """
        self._check(at, size)
        return bytes(self.view[at : at + size])

    def write(self, at: int, data: bytes | memoryview) -> None:
        """
        Write *data* at *at*.

        Raises:
            IndexError: the range is not inside the memory.
        """
        self._check(at, len(data))
        self.view[at : at + len(data)] = data

    def close(self) -> None:
        """Give the address range back; the store that used it must be gone."""
        if self.reserved:
            posix.release(self.address, self.reserved)
            self.reserved = self.size = 0

    def _check(self, at: int, size: int) -> None:
        # Without this a wrong pointer would be a fault of this process rather than of the guest.
        if at < 0 or size < 0 or at + size > self.size:
            raise IndexError(f"bytes {at}..{at + size} are outside of a linear memory of {self.size} bytes")

    def require_host(self) -> None:
        """
        Check that the system has refused no growth.

        Raises:
            HostError: it has, since the last check.
        """
        starved, self.starved = self.starved, None
        if starved is not None:
            raise starved

    def _grow(self, size: int) -> bool:
        if size > self.limit:
            self.refused = True
            return False
        try:
            posix.commit(self.address, size)
        except Exception as problem:  # noqa: BLE001  # ctypes would swallow it, and wasmtime would use what is not there
            self.starved = problem if isinstance(problem, HostError) else host_error("growing a VM's memory", problem)
            return False
        self.size = size
        return True


_memories: dict[int, LinearMemory] = {}
"""Every living memory by the number that wasmtime knows it by: its address."""

_creating = threading.local()


@contextmanager
def created_memories(*limits: int) -> Iterator[list[LinearMemory]]:
    """
    Collect the memories that are created inside the block by this thread, in order.

    Args:
        limits: bytes that the first, second … of them may grow to; the last holds for all further ones.

    Raises:
        HostError: the system refused one, or whatever else wasmtime needs; the modules themselves are known to be good.
    """
    _creating.limits, _creating.found, _creating.starved = list(limits), [], None
    try:
        yield _creating.found
    except wasmtime.WasmtimeError as problem:
        raise _creating.starved or host_error("making a VM", problem) from problem
    finally:
        del _creating.limits, _creating.found, _creating.starved


def dispose(store: wasmtime.Store, memories: list[LinearMemory]) -> None:
    """Close a store and give the memories that were created for it back."""
    store.close()
    for memory in memories:
        _memories.pop(memory.address, None)
        memory.close()


@ffi.wasmtime_memory_get_callback_t  # type: ignore[untyped-decorator]  # ctypes makes the type at run time
def _get_memory(address: int, size: Any, maximum: Any) -> int:
    memory = _memories[address]
    # The whole reservation counts as capacity: wasmtime does not ask _grow_memory for what it believes impossible.
    size[0], maximum[0] = memory.size, memory.reserved
    return memory.address


@ffi.wasmtime_memory_grow_callback_t  # type: ignore[untyped-decorator]  # as above
def _grow_memory(address: int, size: int) -> int:
    return 0 if _memories[address]._grow(size) else _error(b"the memory limit of this VM is reached")


@ffi.wasmtime_new_memory_callback_t  # type: ignore[untyped-decorator]  # as above
def _new_memory(_env: Any, _type: Any, minimum: int, _maximum: int, reserved: int, guard: int, out: Any) -> int:
    try:  # ctypes would swallow an exception, and wasmtime would use what is not there
        found = _creating.found
        limit = _creating.limits[min(len(found), len(_creating.limits) - 1)]
        memory = LinearMemory(minimum, reserved + guard, max(limit, minimum))
    except (AttributeError, IndexError) as problem:
        return _error(f"no memory for the guest: {problem}".encode())
    except Exception as problem:  # noqa: BLE001  # as above
        _creating.starved = problem if isinstance(problem, HostError) else host_error("making a VM's memory", problem)
        return _error(b"the system has no memory for the guest")
    _memories[memory.address] = memory
    found.append(memory)
    out[0].env, out[0].get_memory, out[0].grow_memory = memory.address, _get_memory, _grow_memory
    return 0


_no_finalizer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()
_creator = ffi.wasmtime_memory_creator_t(None, _new_memory, _no_finalizer)


def own_memories(config: wasmtime.Config) -> None:
    """Have every memory of engines made with *config* be a :class:`LinearMemory`."""
    ffi.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(_creator))


def allow_stack(config: wasmtime.Config, size: int) -> None:
    """Let guest code use *size* bytes of native stack; without more for fibers, which we do not use, it is refused."""
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), size)
    config.max_wasm_stack = size


_epoch_callback_t = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.POINTER(ffi.wasmtime_context_t),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ffi.wasmtime_update_deadline_kind_t),
)


class Deadline:
    """
    Ends a guest that uses more CPU time than it may, or that is to stop; until then every tick lets other threads run.

    Args:
        store: the guest's.
        seconds: CPU time of a turn.
        grace: seconds that a guest has beyond them to end by itself and tell where it was.
        on_passed: called when the time is over and the grace begins, while the guest stands still.

    Attributes:
        passed: whether the guest was ended for its time.
        interrupted: why it was ended otherwise: what a signal handler raised, such as KeyboardInterrupt, or that the
            thread or the process is to stop.
    """

    __slots__ = (
        "_armed", "_callback", "_grace", "_on_passed", "_seconds", "_since", "_stopped", "interrupted", "passed",
    )  # fmt: skip

    def __init__(self, store: wasmtime.Store, seconds: float, grace: float, on_passed: Callable[[], None]) -> None:
        self._seconds, self._grace, self._on_passed = seconds, grace, on_passed
        self._since: float | None = None
        self._armed = self._stopped = False
        self.passed = False
        self.interrupted: BaseException | None = None
        self._callback = _epoch_callback_t(self._tick)
        ffi.wasmtime_store_epoch_deadline_callback(store.ptr(), self._callback, None, _no_finalizer)
        store.set_epoch_deadline(1)

    def allow(self, seconds: float) -> None:
        """Allow so much CPU time of a turn from now on."""
        self._seconds = seconds

    def restart(self) -> None:
        """
        Begin a new turn.

        Raises:
            VmInterruptedError: this thread or the process is to stop.
        """
        if (stop := interrupts.interruption()) is not None:
            raise stop
        self._since = None
        self._armed = True
        self._stopped = self.passed = False

    def stop(self) -> None:
        """End the turn that runs in another thread at the next tick; it changes nothing when none does."""
        self._stopped = True

    def rest(self) -> None:
        """End the turn: what the host does with the memory between turns is not the guest's time."""
        self._armed = False

    def _tick(self, _context: Any, _data: Any, delta: Any, _kind: Any) -> int:
        try:
            now = time.thread_time()
            if self._since is None or not self._armed:  # the first tick comes within one interval of the turn's begin
                self._since = now
            if now - self._since > self._seconds:
                if not self.passed:
                    self.passed = True
                    self._on_passed()
                if now - self._since > self._seconds + self._grace:
                    return _error(b"the CPU limit of this turn is reached")
            interrupts.rest()
            if self._armed and (stop := self._stop_reason()) is not None:
                self.interrupted = stop
                return _error(b"stopped")
        except BaseException as problem:  # noqa: BLE001  # a signal handler's; ctypes would swallow it
            self.interrupted = problem
            return _error(b"interrupted by a signal")
        delta[0] = 1
        return 0

    def _stop_reason(self) -> BaseException | None:
        if self._stopped:
            return VmInterruptedError("the VM was given back while it ran")
        return interrupts.interruption()


def epoch_tick(engine: wasmtime.Engine) -> tuple[int, int]:
    """Return the addresses of the C function that moves an engine's epoch on, and of its argument."""
    function = ctypes.cast(ffi.dll.wasmtime_engine_increment_epoch, ctypes.c_void_p).value
    argument = ctypes.cast(engine.ptr(), ctypes.c_void_p).value
    assert function is not None
    assert argument is not None
    return function, argument


def _error(message: bytes) -> int:
    return ctypes.cast(ffi.wasmtime_error_new(message), ctypes.c_void_p).value or 0
