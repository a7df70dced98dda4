"""One WebAssembly instance of a guest with its memory, its limits and its WASI; what a pool keeps."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import wasmtime

from torpor.errors import CpuLimitError, GuestTrapError, MemoryLimitError, SnapshotError, StackLimitError
from torpor.limits import MIB
from torpor.vm import posix
from torpor.vm.bindings import Call, Deadline, LinearMemory, created_memories, dispose
from torpor.vm.delta import Delta, pack_delta, unpack_delta
from torpor.vm.engine import Engine
from torpor.vm.entropy import ENTROPY_BYTES_MAX
from torpor.vm.image import MemoryImage
from torpor.vm.interrupts import inside
from torpor.vm.layers import LayeredImage
from torpor.vm.limits import WASM_PAGE, Limits
from torpor.vm.pages import (
    BACKENDS,
    PAGES_WAT,
    RECORDS_BYTES_MAX,
    Backend,
    Helpers,
    scratch_bytes_max,
    text_at,
)
from torpor.vm.stack import require_stack
from torpor.vm.wasi import DeterministicWasi

_SCRATCH_BYTES_KEPT = MIB

_running = threading.local()


@contextmanager
def enter(instance: Instance) -> Iterator[None]:
    """Have host functions that this thread's guest code calls be answered by *instance*."""
    _running.instance = instance
    try:
        yield
    finally:
        _running.instance = None  # else the thread would keep the instance alive


def running() -> Any:
    """Return the instance that this thread runs, for host functions, which are shared by all instances."""
    return _running.instance


class Instance:
    """
    Base of a guest's instances.

    A subclass links its modules in :meth:`_link` and returns the guest's memory. One thread at a time may use an
    instance. After a :class:`~torpor.errors.VmError` of :meth:`run` it is ``broken`` and must be closed.

    Attributes:
        scratch: memory that host and helpers share beside the guest's; not part of any snapshot.
        memory: the guest's memory.
        wasi: clock and entropy.
        broken: whether it trapped or passed a limit.
        cpu_seconds: CPU time that a turn may use now; see :meth:`bound`.
    """

    def __init__(self, engine: Engine, limits: Limits, backend: Backend) -> None:
        self.engine, self.limits, self.backend = engine, limits, backend
        self.store = wasmtime.Store(engine.wasmtime)
        self.wasi = self._make_wasi()
        self.wasi.printed_bytes_max = limits.output_bytes
        self.broken = False
        self._pristine = False
        self.cpu_seconds = limits.cpu_seconds
        self._deadline = Deadline(self.store, limits.cpu_seconds, self.grace_seconds, lambda: running().out_of_time())
        self._linker = wasmtime.Linker(engine.wasmtime)
        self._linker.allow_shadowing = True
        memory = limits.memory_bytes
        scratch = scratch_bytes_max(memory, limits.output_bytes)
        with inside(), created_memories(memory, scratch, memory) as memories:
            self._memories = memories
            self._dispose = weakref.finalize(self, dispose, self.store, memories)
            self._dispose.atexit = False
            host = self._instantiate("host", _host_wat(memory))
            self._linker.define_instance(self.store, "host", host)
            (self._grow_scratch,) = self._calls(host, "grow_scratch")
            mirror, self.scratch = memories
            guest = self._link(memories)
            self.memory = self.wasi.memory = _memory_of(guest, self.store, memories)
        self._linker.define_instance(self.store, "guest", guest)
        helpers = self._calls(self._instantiate("pages", PAGES_WAT), "diff", "reset", "apply", "grow")
        self._pages = BACKENDS[backend.name](self.memory, mirror, self.scratch, Helpers(*helpers))

    @property
    def stack_pointer(self) -> int:
        """The guest's stack pointer between turns; 0 for a guest that does not show it."""
        return 0

    @stack_pointer.setter
    def stack_pointer(self, value: int) -> None:
        pass

    @property
    def grace_seconds(self) -> float:
        """CPU time beyond its limit in which the guest ends by itself and tells where it was."""
        return 0

    def out_of_time(self) -> None:
        """Let the guest know that the grace begins; it stands still during this call."""

    @property
    def dead_bytes(self) -> int:
        """Length of the beginning of memory whose contents do not matter between turns."""
        return 0

    @property
    def image(self) -> MemoryImage:
        return self._pages.image

    @property
    def reusable(self) -> bool:
        """Whether :meth:`reset` can bring it back to its image."""
        return not self.broken and self.fits(self.image)

    def fits(self, image: MemoryImage) -> bool:
        """Whether :meth:`adopt` can bring it to *image*: memory cannot shrink."""
        return self.memory.size <= image.size

    def bound(self, cpu_seconds: float | None = None, memory_bytes: int | None = None) -> None:
        """Let a turn use less than the limits allow, until the next call; None for what they allow."""
        limits = self.limits
        self.cpu_seconds = min(cpu_seconds or limits.cpu_seconds, limits.cpu_seconds)
        self._deadline.allow(self.cpu_seconds)
        self.memory.limit = max(self.image.size, min(memory_bytes or limits.memory_bytes, limits.memory_bytes))

    def freeze(self) -> MemoryImage:
        """Return memory as it is now as a new image."""
        self.memory.view[: self.dead_bytes] = bytes(self.dead_bytes)
        return MemoryImage(self.memory.view[: self.memory.size], self.stack_pointer)

    def freeze_layer(self) -> LayeredImage:
        """Return memory as it is now as a new image upon the present one."""
        body = self._pages.diff(self.dead_bytes)
        return LayeredImage(self.image, body, self.memory.view[: self.memory.size])

    def apply_layer(self, body: bytes | memoryview, size: int) -> LayeredImage:
        """
        Return the image that :meth:`freeze_layer` gave; memory must be the present image's.

        Args:
            body: the layer's records.
            size: its bytes of memory.

        Raises:
            SnapshotError: the records are not well formed, or need more memory than the limit allows.
        """
        self._pristine = False
        self.scratch_room(len(body))
        self._pages.apply(body, size // WASM_PAGE)
        return self.freeze_layer()

    def adopt(self, image: MemoryImage) -> None:
        """Be in the state of *image*."""
        self._pages.adopt(image)
        self._begin_anew()

    def reset(self) -> None:
        """Be in the state of the image again; only while :attr:`reusable`."""
        if not self._pristine:
            self._pages.reset()
        self._begin_anew()
        if self.scratch.size > _SCRATCH_BYTES_KEPT and self.backend.name == "cow":
            posix.forget(self.scratch.address + _SCRATCH_BYTES_KEPT, self.scratch.size - _SCRATCH_BYTES_KEPT)

    def snapshot(self, image_hash: str) -> bytes:
        """
        Return the difference from the image, with stack pointer, clock and entropy position.

        Args:
            image_hash: what to call the image.
        """
        return pack_delta(
            Delta(
                image=image_hash,
                pages=self.memory.size // WASM_PAGE,
                stack_pointer=self.stack_pointer,
                entropy=self.wasi.entropy.position,
                clock=self.wasi.clock_ms.value,
                body=self._pages.diff(self.dead_bytes),
            )
        )

    def restore(self, snapshot: bytes, image_hash: str) -> int:
        """
        Replace the state by a snapshot's and return its entropy position; only while :attr:`reusable`.

        Args:
            snapshot: what :meth:`snapshot` returned.
            image_hash: what the image is called.

        Raises:
            SnapshotError: it does not fit; the state is the image's, or the instance is no longer reusable.
        """
        self.reset()
        delta = unpack_delta(snapshot, image_hash)
        self._require_sound(delta)
        self._pristine = False
        self.scratch_room(len(delta.body))
        try:
            self._pages.apply(delta.body, delta.pages)
        except SnapshotError:
            if self.reusable:
                self.reset()
            raise
        self.stack_pointer = delta.stack_pointer
        self.wasi.clock_ms.value = delta.clock
        return delta.entropy

    def _require_sound(self, delta: Delta) -> None:
        """Check what the head of a snapshot says, before anything is done for it."""
        image, size = self.image, delta.pages * WASM_PAGE
        wrong = ""
        if delta.stack_pointer != image.stack_pointer:  # between turns the stack is empty
            wrong = f"its stack pointer is {delta.stack_pointer}, its image's {image.stack_pointer}"
        elif size < image.size:  # memory never shrinks
            wrong = f"it has {size} bytes of memory, its image {image.size}"
        elif size > self.limits.memory_bytes:
            wrong = f"it needs {size} bytes of memory, the limit is {self.limits.memory_bytes}"
        elif delta.entropy > ENTROPY_BYTES_MAX:
            wrong = f"it says that {delta.entropy} bytes of entropy were drawn"
        elif len(delta.body) > delta.pages * RECORDS_BYTES_MAX:
            wrong = f"it has {len(delta.body)} bytes of records for {delta.pages} pages"
        if wrong:
            raise SnapshotError(f"the snapshot cannot be restored: {wrong}; recover the run from its log")

    def scratch_room(self, size: int) -> None:
        """
        Make room for *size* bytes in the free part of the scratch memory.

        Raises:
            MemoryLimitError: more than the guest's memory could hold.
            HostError: the system has no memory.
        """
        missing = text_at(self.limits.memory_bytes) + size - self.scratch.size
        if missing > 0 and self._grow_scratch(-(-missing // WASM_PAGE)) < 0:
            self.scratch.require_host()
            self.scratch.refused = False
            raise MemoryLimitError(
                f"{size} bytes cannot be handed to a VM whose memory is limited to {self.limits.memory_bytes} bytes; "
                "keep large data in steps and pass references to it"
            )

    def run(self, call: Call, *arguments: int) -> int:
        """
        Run guest code within the limits and return the result.

        Raises:
            GuestTrapError, CpuLimitError, MemoryLimitError, StackLimitError, OutputLimitError: the instance is broken
                from now on.
            HostError: the system had no memory when the guest asked for it; as above, whatever the guest made of it.
            VmInterruptedError: the thread or the process is to stop; the instance may be broken.
        """
        self._pristine = False
        require_stack(self.engine.stack_bytes)
        deadline = self._deadline
        self.wasi.printed_bytes = 0
        self.engine.ticker.begin()
        deadline.restart()
        _running.instance = self
        try:
            result = call(*arguments)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as problem:
            self.broken = True
            self._explain(problem)
        except IndexError as problem:
            self.broken = True
            raise GuestTrapError(f"the guest handed a wrong pointer to the host: {problem}") from problem
        except BaseException:  # a host function's, such as OutputLimitError
            self.broken = True
            raise
        finally:
            self.engine.ticker.end()
            deadline.rest()
            _running.instance = None
        if deadline.passed:
            self.broken = True
            raise self._too_slow()
        self._require_memory()
        return result

    def stop(self) -> None:
        """End, within some milliseconds, the guest code that another thread runs; none may run at :meth:`close`."""
        self._deadline.stop()

    def close(self) -> None:
        """Free everything; may be called twice."""
        self._dispose()

    def _begin_anew(self) -> None:
        self._pristine = True
        self.stack_pointer = self.image.stack_pointer
        self.wasi.reset()

    def _link(self, memories: list[LinearMemory]) -> wasmtime.Instance:
        """
        Instantiate the guest and return the instance.

        Args:
            memories: takes in every memory that is created.
        """
        raise NotImplementedError

    def _make_wasi(self) -> DeterministicWasi:
        return DeterministicWasi()

    def _instantiate(self, name: str, text: str) -> wasmtime.Instance:
        return self._linker.instantiate(self.store, self.engine.text_module(name, text))

    def _calls(self, instance: wasmtime.Instance, *names: str) -> list[Call]:
        exports: Any = instance.exports(self.store)
        return [Call(self.store, exports[name], hold_gil=self.engine.ticker.holds_gil) for name in names]

    def _explain(self, problem: Exception) -> None:
        """Raise what a failed call means."""
        if (signal := self._deadline.interrupted) is not None:
            raise signal
        if self._deadline.passed:
            raise self._too_slow() from problem
        self._require_memory(problem)
        if self._is_out_of_stack(problem):
            raise StackLimitError(
                f"a turn used up the stack of its VM, {self.engine.stack_bytes // MIB} MiB; look for data that is"
                " nested thousands of levels deep: to compare, print, copy or free it takes a call a level"
            ) from problem
        printed = self.wasi.printed.decode("utf-8", "replace").strip()
        said = f"; the guest said: {printed}" if printed else ""
        raise GuestTrapError(f"the guest trapped: {_reason(problem)}{said}") from problem

    def _too_slow(self) -> CpuLimitError:
        return CpuLimitError(
            f"a turn used more than {self.cpu_seconds:g} s of CPU time; look for an endless loop, or move"
            " the work into a step"
        )

    def _is_out_of_stack(self, problem: Exception) -> bool:
        return isinstance(problem, wasmtime.Trap) and problem.trap_code is wasmtime.TrapCode.STACK_OVERFLOW

    def _require_memory(self, problem: Exception | None = None) -> None:
        """Check that the guest got all the memory that it asked for, even if it could do without."""
        for memory in self._memories:
            if memory.starved or memory.refused:
                self.broken = True
                memory.require_host()
                raise MemoryLimitError(
                    f"the VM asked for more than {memory.limit} bytes of memory; keep large data in steps and pass"
                    " references to it"
                ) from problem


def _memory_of(guest: wasmtime.Instance, store: wasmtime.Store, memories: list[LinearMemory]) -> LinearMemory:
    """Return the memory that the guest exports; wasmtime makes others, such as for exceptions."""
    exports: Any = guest.exports(store)
    address = ctypes.addressof(exports["memory"].data_ptr(store).contents)
    return next(memory for memory in memories if memory.address == address)


def _host_wat(memory_bytes: int) -> str:
    """Return the module of the host's memories: the mirror of the image, and the scratch memory."""
    pages = memory_bytes // WASM_PAGE
    scratch = text_at(memory_bytes) // WASM_PAGE + 2
    return (
        f'(module (memory $image (export "image") {pages}) (memory $scratch (export "scratch") {scratch})'
        ' (func (export "grow_scratch") (param i32) (result i32) (memory.grow $scratch (local.get 0))))'
    )


def _reason(problem: Exception) -> str:
    text = problem.message if isinstance(problem, wasmtime.Trap) else str(problem)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else type(problem).__name__
