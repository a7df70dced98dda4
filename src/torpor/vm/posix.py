"""
The few memory calls of the operating system that Python does not offer.

What the system refuses is a :class:`~torpor.errors.HostError`, whose cause is the system's own.

They are called with the GIL held (``PyDLL``): each takes microseconds, while getting the GIL back from a busy thread
may take a whole switch interval of 5 ms.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys

from torpor.vm.host import host_error

PAGE = 4096
"""Bytes of one page, the unit of every delta on every system."""

_LINUX = sys.platform == "linux"

PROT_NONE = 0
PROT_READ = mmap.PROT_READ
PROT_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
MAP_FIXED = 0x10
MAP_NORESERVE = 0x4000 if _LINUX else 0x40
MADV_DONTNEED = 4
MADV_NOHUGEPAGE = 15

_libc = ctypes.PyDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.pread.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]
_libc.pread.restype = ctypes.c_ssize_t

_MAP_FAILED = ctypes.c_void_p(-1).value


def reserve(size: int) -> int:
    """Reserve *size* bytes of address space that nothing may touch yet and return its address."""
    return _map(None, size, PROT_NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE, -1)


def release(address: int, size: int) -> None:
    """Give an address range back."""
    _check(_libc.munmap(address, size), "munmap")


def commit(address: int, size: int) -> None:
    """Make a reserved range readable and writable; it reads as zeros."""
    _check(_libc.mprotect(address, size, PROT_READ_WRITE), "mprotect")


def map_file(address: int, size: int, fd: int, *, writable: bool, offset: int = 0) -> None:
    """Lay a private (copy-on-write) mapping of a file, from *offset* on, over a range that is already ours."""
    _map(address, size, PROT_READ_WRITE if writable else PROT_READ, mmap.MAP_PRIVATE | MAP_FIXED, fd, offset)


def map_zeros(address: int, size: int) -> None:
    """Lay fresh zeros over a range that is already ours."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED
    _map(address, size, PROT_READ_WRITE, flags, -1)


def forget(address: int, size: int) -> None:
    """Drop what was written to a private mapping, so that it reads as its file (or as zeros) again. Linux only."""
    _check(_libc.madvise(address, size, MADV_DONTNEED), "madvise")


def avoid_huge_pages(address: int, size: int) -> None:
    """Keep the kernel from giving 2 MiB where 4 KiB are touched."""
    if _LINUX:  # not checked: a kernel without huge pages refuses, which is as good
        _libc.madvise(address, size, MADV_NOHUGEPAGE)


def read_into(fd: int, address: int, size: int, offset: int) -> int:
    """Read from a file straight into memory and return the number of bytes."""
    got: int = _libc.pread(fd, address, size, offset)
    if got < 0:
        _check(-1, "pread")
    return got


def _map(address: int | None, size: int, protection: int, flags: int, fd: int, offset: int = 0) -> int:
    got: int | None = _libc.mmap(address, size, protection, flags, fd, offset)
    if got is None or got == _MAP_FAILED:
        _check(-1, "mmap")
    assert got is not None
    return got


def _check(result: int, call: str) -> None:
    if result != 0:
        refusal = OSError(code := ctypes.get_errno(), os.strerror(code))
        raise host_error(f"{call}, for memory of a VM", refusal) from refusal
