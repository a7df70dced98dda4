"""The guest's outside world: a clock, entropy, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
import wasmtime

from torpor.errors import OutputLimitError
from torpor.vm.bindings import LinearMemory
from torpor.vm.entropy import Entropy
from torpor.vm.host_functions import HostLinker
from torpor.vm.limits import RANDOM_BYTES_MAX, VECTORS_MAX
from torpor.vm.wasi import BOOT_MS, MODULE, PRINTED_BYTES_KEPT, DeterministicWasi, define_wasi

SEED = bytes(range(32))
INVAL = 28


@pytest.fixture
def wasi() -> Iterator[DeterministicWasi]:
    """WASI of a guest with one page of memory."""
    memory = LinearMemory(65536, 65536, 65536)
    found = DeterministicWasi()
    found.memory = memory
    yield found
    memory.close()


def read(wasi: DeterministicWasi, at: int, size: int) -> bytes:
    """Return bytes of the guest's memory."""
    assert wasi.memory is not None
    return wasi.memory.read(at, size)


def write(wasi: DeterministicWasi, at: int, data: bytes) -> None:
    """Put bytes into the guest's memory."""
    assert wasi.memory is not None
    wasi.memory.write(at, data)


def test_the_clock_stands_where_it_was_put(wasi: DeterministicWasi) -> None:
    """
    Every clock shows the set time in nanoseconds, and reads are counted.
    """
    wasi.clock_ms.value = 1_800_000_000_123

    for clock in (0, 1):
        assert wasi.clock_time_get(clock, 1, 16) == 0
        assert struct.unpack("<Q", read(wasi, 16, 8)) == (1_800_000_000_123_000_000,)
    assert wasi.clock_reads == 2


def test_entropy_is_the_seeds_stream(wasi: DeterministicWasi) -> None:
    """
    Draws follow one another in the stream and are counted.
    """
    wasi.entropy = Entropy(SEED)

    assert wasi.random_get(0, 10) == wasi.random_get(10, 30) == 0

    assert read(wasi, 0, 40) == Entropy(SEED).draw(40)
    assert (wasi.draws, wasi.entropy.position) == (2, 40)


def test_reset_is_as_at_boot(wasi: DeterministicWasi) -> None:
    """
    Nothing of a run stays after a reset.
    """
    wasi.clock_ms.value, wasi.entropy = 5, Entropy(SEED)
    wasi.random_get(0, 10)
    wasi.clock_time_get(0, 0, 0)
    wasi.reset()

    assert (wasi.clock_ms.value, wasi.clock_reads, wasi.draws, wasi.entropy.position) == (BOOT_MS, 0, 0, 0)
    assert wasi.entropy.draw(8) != Entropy(SEED).draw(8)


def test_what_is_printed_is_counted_and_its_end_kept(wasi: DeterministicWasi) -> None:
    """
    Of what the guest prints the count is exact and the last bytes are kept.
    """
    write(wasi, 1000, b"a" * 5000 + b"the end")
    write(wasi, 0, struct.pack("<IIII", 1000, 5000, 6000, 7))

    assert wasi.fd_write(2, 0, 2, 100) == 0

    assert struct.unpack("<I", read(wasi, 100, 4)) == (5007,)
    assert wasi.printed_bytes == 5007
    assert (len(wasi.printed), wasi.printed[-8:]) == (PRINTED_BYTES_KEPT, b"athe end")


@pytest.mark.parametrize("fd", [0, 3, 100])
def test_other_files_do_not_exist(wasi: DeterministicWasi, fd: int) -> None:
    """
    Only standard output and error are there.
    """
    assert (wasi.fd_write(fd, 0, 0, 0), wasi.fd_fdstat_get(fd, 0)) == (8, 8)
    assert wasi.fd_fdstat_get(1, 0) == 0


def test_wrong_pointers_are_errors_of_the_guest(wasi: DeterministicWasi) -> None:
    """
    A pointer outside of memory is EFAULT, not a fault of the host.
    """
    assert wasi.clock_time_get(0, 0, 65530) == 21
    assert wasi.random_get(0xFFFFFFFF, 10) == 21
    write(wasi, 0, struct.pack("<II", 65000, 5000))
    assert wasi.fd_write(1, 0, 1, 100) == 21
    assert wasi.fd_write(1, 65536, 1, 100) == 21


@pytest.mark.parametrize("count", [RANDOM_BYTES_MAX + 1, 2**31, 2**32 - 1])
def test_entropy_is_drawn_in_moderation(wasi: DeterministicWasi, count: int) -> None:
    """
    More than a named limit at once is refused before any is drawn.
    """
    assert wasi.random_get(0, count) == INVAL
    assert wasi.entropy.position == 0


@pytest.mark.parametrize("count", [VECTORS_MAX + 1, 2**31, 2**32 - 1])
def test_one_write_has_few_buffers(wasi: DeterministicWasi, count: int) -> None:
    """
    A list of more buffers than a named limit is not even read.
    """
    assert wasi.fd_write(1, 0, count, 0) == INVAL
    assert wasi.printed_bytes == 0


def test_a_long_print_is_looked_at_only_at_its_end(wasi: DeterministicWasi) -> None:
    """
    Of each buffer no more is copied than is kept, and buffers may be the same bytes again and again.
    """
    write(wasi, 0, b"x" * 60_000 + b"the end")
    write(wasi, 61_000, struct.pack("<II", 0, 60_007) * 200)

    assert wasi.fd_write(2, 61_000, 200, 65_000) == 0
    assert (wasi.printed_bytes, wasi.printed[-7:], len(wasi.printed)) == (200 * 60_007, b"the end", PRINTED_BYTES_KEPT)


def test_printing_ends_at_its_limit(wasi: DeterministicWasi) -> None:
    """
    The call that passes the limit ends the guest, rather than the turn that goes on for its whole time.
    """
    wasi.printed_bytes_max = 10
    write(wasi, 0, struct.pack("<II", 100, 6))

    assert wasi.fd_write(1, 0, 1, 64) == 0
    with pytest.raises(OutputLimitError, match="more than 10 bytes"):
        wasi.fd_write(1, 0, 1, 64)


def test_a_module_gets_what_it_imports_and_no_more(wasi: DeterministicWasi) -> None:
    """
    Pointers above 2 GiB arrive unsigned, and functions that are not offered answer "not supported".
    """
    engine = wasmtime.Engine()
    module = wasmtime.Module(
        engine,
        f"""(module
          (import "{MODULE}" "random_get" (func $r (param i32 i32) (result i32)))
          (import "{MODULE}" "path_open" (func $p (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (func (export "r") (result i32) (call $r (i32.const -16) (i32.const 4)))
          (func (export "p") (result i32) (call $p (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0))))""",
    )
    linker = HostLinker(engine)
    define_wasi(linker, module, lambda: wasi)
    store = wasmtime.Store(engine)
    exports = linker.instantiate(store, module).exports(store)
    results = []
    for name in ("r", "p"):
        func = exports[name]
        assert isinstance(func, wasmtime.Func)
        results.append(func(store))

    assert results == [21, 52]
