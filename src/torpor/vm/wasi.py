"""
WASI for a guest that is a pure function: a clock that the host sets, entropy from the run's seed, and nothing else.

Files, sockets, arguments and environment do not exist; asking for them gets the error that WASI has for it. What the
guest prints is counted and kept up to a limit, since a language's runtime reports its own faults that way.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence

import wasmtime

from torpor.errors import OutputLimitError
from torpor.limits import PAYLOAD_BYTES_MAX
from torpor.vm.bindings import LinearMemory
from torpor.vm.entropy import SEED_BYTES, Entropy
from torpor.vm.host_functions import HostLinker
from torpor.vm.limits import RANDOM_BYTES_MAX, VECTORS_MAX

MODULE = "wasi_snapshot_preview1"
BOOT_MS = 1_700_000_000_000
"""The clock while a guest boots and a program is loaded: a constant, so that images are."""

BOOT_SEED = bytes(SEED_BYTES)
PRINTED_BYTES_KEPT = 4096

_SUCCESS, _BADF, _FAULT, _INVAL, _NOSYS = 0, 8, 21, 28, 52
_STDOUT, _STDERR = 1, 2
_CHARACTER_DEVICE = 2


class TooManyBuffersError(Exception):
    """More buffers than one read or write may have."""


class DeterministicWasi:
    """
    The WASI of one instance.

    Attributes:
        memory: the guest's memory; set once it exists.
        clock_ms: the guest's time, epoch milliseconds; assign ``.value``. It may be put where guest code can set it.
        entropy: where randomness comes from.
        clock_reads: calls of the clock so far.
        draws: calls for entropy so far.
        printed: the last bytes that the guest printed.
        printed_bytes: how many it printed since :meth:`begin_turn`.
        printed_bytes_max: how many it may print in one turn.
    """

    def __init__(self) -> None:
        self.printed_bytes_max = PAYLOAD_BYTES_MAX
        self.memory: LinearMemory | None = None
        self.clock_ms = ctypes.c_int64(BOOT_MS)
        self.entropy = Entropy(BOOT_SEED)
        self.clock_reads = self.draws = self.printed_bytes = 0
        self.printed = b""

    def begin_turn(self) -> None:
        self.printed_bytes = 0

    def reset(self) -> None:
        """Be as at boot."""
        self.clock_ms.value = BOOT_MS
        self.entropy = Entropy(BOOT_SEED)
        self.clock_reads = self.draws = self.printed_bytes = 0
        self.printed = b""

    def clock_time_get(self, _clock: int, _precision: int, out: int) -> int:
        self.clock_reads += 1
        nanoseconds = self.clock_ms.value * 1_000_000 & 0xFFFF_FFFF_FFFF_FFFF  # a guest may set its clock to anything
        return self._put(out, struct.pack("<Q", nanoseconds))

    def clock_res_get(self, _clock: int, out: int) -> int:
        return self._put(out, struct.pack("<q", 1_000_000))

    def random_get(self, at: int, count: int) -> int:
        self.draws += 1
        if count > RANDOM_BYTES_MAX:
            return _INVAL
        return self._put(at, self.entropy.draw(count))

    def fd_write(self, fd: int, vectors: int, count: int, out: int) -> int:
        if fd not in (_STDOUT, _STDERR):
            return _BADF
        written = 0
        try:
            for start, size in self._buffers(vectors, count):
                kept = min(size, PRINTED_BYTES_KEPT)
                self.printed = (self.printed + self._read(start + size - kept, kept))[-PRINTED_BYTES_KEPT:]
                written += size
        except IndexError:
            return _FAULT
        except TooManyBuffersError:
            return _INVAL
        self.printed_bytes += written
        if self.printed_bytes > self.printed_bytes_max:
            raise OutputLimitError(
                f"the guest printed more than {self.printed_bytes_max} bytes in one turn; print less, or store it in a"
                " step"
            )
        return self._put(out, struct.pack("<I", written))

    def fd_fdstat_get(self, fd: int, out: int) -> int:
        if fd not in (_STDOUT, _STDERR):
            return _BADF
        return self._put(out, struct.pack("<BxHxxxxQQ", _CHARACTER_DEVICE, 0, 0, 0))

    def environ_sizes_get(self, count: int, size: int) -> int:
        return self._put(count, bytes(4)) or self._put(size, bytes(4))

    def args_sizes_get(self, count: int, size: int) -> int:
        return self._put(count, bytes(4)) or self._put(size, bytes(4))

    def sched_yield(self) -> int:
        return _SUCCESS

    def _buffers(self, vectors: int, count: int) -> Sequence[tuple[int, int]]:
        """
        Return where the buffers of a read or write are, and their sizes.

        Raises:
            IndexError: the list of them is not inside memory.
            TooManyBuffersError: there are more than WASI allows at once.
        """
        if count > VECTORS_MAX:
            raise TooManyBuffersError
        return list(struct.iter_unpack("<II", self._read(vectors, 8 * count)))

    def _read(self, at: int, size: int) -> bytes:
        assert self.memory is not None
        return self.memory.read(at, size)

    def _put(self, at: int, data: bytes) -> int:
        assert self.memory is not None
        try:
            self.memory.write(at, data)
        except IndexError:
            return _FAULT
        return _SUCCESS


def define_wasi(
    linker: HostLinker,
    module: wasmtime.Module,
    current: Callable[[], DeterministicWasi],
    kind: type[DeterministicWasi] = DeterministicWasi,
) -> None:
    """
    Define the WASI functions that *module* imports; what *kind* lacks answers "not supported".

    Args:
        linker: may serve many instances.
        module: names the functions and their types.
        current: returns the WASI of the instance that is running on this thread.
        kind: its class.
    """
    for entry in module.imports:
        if entry.module != MODULE:
            continue
        assert isinstance(entry.type, wasmtime.FuncType)
        assert entry.name is not None
        linker.define_host(MODULE, entry.name, entry.type, _forward(kind, entry.name, current))


def _forward(kind: type[DeterministicWasi], name: str, current: Callable[[], DeterministicWasi]) -> Callable[..., int]:
    method = getattr(kind, name, None)
    if method is None:
        return lambda *_: _NOSYS
    return lambda *arguments: method(current(), *arguments)
