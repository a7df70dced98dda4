"""
A guest's memory beside its image: reset, difference, restoration.

Two back ends do the same in two ways. *Copy-on-write* (Linux) maps the image's memory file privately over the guest's
memory; the kernel's page map then tells which pages were written. *Portable* copies the image in and compares every
page. Comparing and restoring is done by ``pages.wat`` next to the guest, since it is quick there and keeps the GIL.
"""

from __future__ import annotations

import functools
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from torpor.errors import ConfigurationError, HostError, SnapshotError
from torpor.vm import posix
from torpor.vm.bindings import LinearMemory
from torpor.vm.host import is_scarcity, needs_host
from torpor.vm.image import MemoryImage
from torpor.vm.limits import WASM_PAGE

PAGES_WAT = files("torpor.vm").joinpath("pages.wat").read_text("utf-8")
"""Source of the helper module."""

RESIDENT_PAGES_MAX = 512
"""
Private pages that a reset keeps, having made them equal to the image again; beyond, it gives all of them back.

A kept page costs 4 KiB per pooled VM and saves the next turn a page fault, which is dearer than the copy.
"""

CELLS_BYTES = 4096
"""At the beginning of the scratch memory, for what a guest's own driver wants to keep there."""

_FLAGS_AT = CELLS_BYTES
_FLAG_BYTES = 8
_RECORD_BYTES_MAX = 4 + 64 + posix.PAGE

RECORDS_BYTES_MAX = WASM_PAGE // posix.PAGE * _RECORD_BYTES_MAX
"""Records of one 64 KiB page of memory, when all of it differs."""

BackendName = Literal["cow", "portable"]


def text_at(limit_bytes: int) -> int:
    """Return where the free part of a scratch memory begins, given the limit of the guest's memory."""
    return _FLAGS_AT + limit_bytes // posix.PAGE * _FLAG_BYTES


def scratch_bytes_max(limit_bytes: int, output_bytes: int) -> int:
    """Return how large a scratch memory may become: room for the records of every page, or for a turn's texts."""
    records = limit_bytes // posix.PAGE * _RECORD_BYTES_MAX
    size = text_at(limit_bytes) + max(records, 4 * output_bytes) + WASM_PAGE
    return -(-size // WASM_PAGE) * WASM_PAGE


@dataclass(frozen=True, slots=True)
class Helpers:
    """Exports of ``pages.wat``."""

    diff: Callable[..., int]
    reset: Callable[..., int]
    apply: Callable[..., int]
    grow: Callable[..., int]


class Pages(ABC):
    """
    A guest's memory and the image that it started from.

    Args:
        guest: the guest's memory.
        mirror: where the helpers see the image.
        scratch: where the helpers put what they find.
        helpers: the helpers.
    """

    def __init__(self, guest: LinearMemory, mirror: LinearMemory, scratch: LinearMemory, helpers: Helpers) -> None:
        self._guest, self._mirror, self._scratch, self._helpers = guest, mirror, scratch, helpers
        self._image: MemoryImage | None = None
        self._records_at = text_at(guest.limit)

    @property
    def image(self) -> MemoryImage:
        assert self._image is not None, "adopt() comes first"
        return self._image

    def adopt(self, image: MemoryImage) -> None:
        """
        Make memory equal to *image*, which may be another than before.

        Raises:
            SnapshotError: the image needs more memory than the limit allows.
            HostError: the system has none.
        """
        self._resize(image.size, "image")
        former, self._image = self._image, image
        self._place(image, former)

    def reset(self) -> None:
        """Make memory, which must not have outgrown its image, equal to it again."""
        assert self._guest.size == self.image.size
        self._restore_image()

    def diff(self, dead_bytes: int = 0) -> bytes:
        """
        Return the records of all pages that differ from the image (or, beyond it, from zero).

        Args:
            dead_bytes: beginning of memory whose contents do not matter.

        Raises:
            HostError: the system has no memory for them.
        """
        end = self._find(dead_bytes // posix.PAGE)
        if end == 0:  # its limit has room for the records of every page
            self._scratch.require_host()
            raise MemoryError("no room for the records of a snapshot")
        return self._scratch.read(self._records_at, end - self._records_at)

    def apply(self, body: bytes | memoryview, pages: int) -> None:
        """
        Change memory, which equals the image, by the records of a delta.

        Args:
            body: the records; the scratch memory must have room for them.
            pages: 64 KiB pages that memory had.

        Raises:
            SnapshotError: the records are not well formed or need more memory than the limit allows.
        """
        self._resize(pages * WASM_PAGE, "snapshot")
        end = self._records_at + len(body)
        self._scratch.write(self._records_at, bytes(body))
        if not self._helpers.apply(self._records_at, end):
            raise SnapshotError("the snapshot's page records are not well formed; recover the run from its log")

    def _resize(self, size: int, what: str) -> None:
        missing = size - self._guest.size
        if missing > 0 and self._helpers.grow(missing // WASM_PAGE) < 0:
            self._guest.require_host()
            self._guest.refused = False
            raise SnapshotError(f"the {what} needs {size} bytes of memory, the limit is {self._guest.limit}")

    @abstractmethod
    def _place(self, image: MemoryImage, former: MemoryImage | None) -> None:
        """Lay the image over the guest's memory and the mirror."""

    @abstractmethod
    def _restore_image(self) -> None:
        """Undo every change of a memory that has its image's size."""

    @abstractmethod
    def _find(self, first: int) -> int:
        """Write the records of the pages from *first* on and return where they end."""


class CopyOnWritePages(Pages):
    """Linux: the kernel knows which pages were written."""

    def _place(self, image: MemoryImage, former: MemoryImage | None) -> None:
        if former is not None and former.size > image.size:
            posix.map_zeros(self._mirror.address + image.size, former.size - image.size)
        for at, size, view, fd, offset in image.pieces:
            for address, writable in ((self._guest.address + at, True), (self._mirror.address + at, False)):
                if view is None:
                    posix.map_zeros(address, size)
                else:
                    assert fd is not None
                    posix.map_file(address, size, fd, writable=writable, offset=offset)

    def _restore_image(self) -> None:
        size = self.image.size
        self._read_flags(0, size // posix.PAGE)
        if self._helpers.reset(size // posix.PAGE, _FLAGS_AT) > RESIDENT_PAGES_MAX:
            posix.forget(self._guest.address, size)

    def _find(self, first: int) -> int:
        pages = self._guest.size // posix.PAGE
        self._read_flags(first, pages)
        return self._helpers.diff(first, pages, _FLAGS_AT, self._records_at)

    def _read_flags(self, first: int, end: int) -> None:
        """Read the page map entries of these pages to their places among those of all pages, in the scratch memory."""
        size, skipped = (end - first) * _FLAG_BYTES, first * _FLAG_BYTES
        at = self._guest.address // posix.PAGE * _FLAG_BYTES + skipped
        if posix.read_into(_pagemap(os.getpid()), self._scratch.address + _FLAGS_AT + skipped, size, at) != size:
            raise HostError("/proc/self/pagemap ended early; set TORPOR_VM_BACKEND=portable")


class PortablePages(Pages):
    """Everywhere: copy the image in, compare every page."""

    def _place(self, image: MemoryImage, former: MemoryImage | None) -> None:
        if former is not None and former.size > image.size:
            self._mirror.view[image.size : former.size] = bytes(former.size - image.size)
        for memory in (self._guest, self._mirror):
            for at, size, view, _, _ in image.pieces:
                memory.view[at : at + size] = bytes(size) if view is None else view

    def _restore_image(self) -> None:
        self._guest.view[: self.image.size] = self._mirror.view[: self.image.size]

    def _find(self, first: int) -> int:
        return self._helpers.diff(first, self._guest.size // posix.PAGE, 0, self._records_at)


BACKENDS: dict[BackendName, type[Pages]] = {"cow": CopyOnWritePages, "portable": PortablePages}


@dataclass(frozen=True, slots=True)
class Backend:
    """
    How memory is kept, and why so.

    Attributes:
        name: ``cow`` or ``portable``.
        reason: why this one, for people.
    """

    name: BackendName
    reason: str


def choose_backend(forced: str | None = None) -> Backend:
    """
    Return the memory back end of this process.

    Args:
        forced: ``cow`` or ``portable``; without it the variable TORPOR_VM_BACKEND decides, and without that the system.

    Raises:
        ConfigurationError: there is no such back end, or copy-on-write was asked for where it does not work.
    """
    wanted, by = (forced, "argument") if forced else (os.environ.get("TORPOR_VM_BACKEND"), "TORPOR_VM_BACKEND")
    match wanted:
        case None | "":
            problem = copy_on_write_problem()
            if problem is None:
                return Backend("cow", "memory files and /proc/self/pagemap work here")
            return Backend("portable", problem)
        case "portable":
            return Backend("portable", f"asked for by {by}")
        case "cow":
            if problem := copy_on_write_problem():
                raise ConfigurationError(f"the memory back end cow, asked for by {by}, does not work here: {problem}")
            return Backend("cow", f"asked for by {by}")
    raise ConfigurationError(f"there is no memory back end {wanted!r} ({by}); use cow or portable")


@functools.cache
def copy_on_write_problem() -> str | None:
    """
    Return why copy-on-write does not work on this system, or None when it does; found by trying it.

    Raises:
        HostError: the system lacks memory or descriptors to try it now.
    """
    if not hasattr(os, "memfd_create"):
        return "this system has no memory files (memfd_create)"
    if mmap.PAGESIZE != posix.PAGE:
        return f"this system has pages of {mmap.PAGESIZE} bytes, not {posix.PAGE}"
    try:
        written, read = _try_copy_on_write()
    except HostError as problem:
        if problem.__cause__ is not None and is_scarcity(problem.__cause__):
            raise  # it would work at another time
        return f"trying it failed: {problem}"
    if not (_is_private(written) and not _is_private(read)):
        return f"/proc/self/pagemap does not tell written pages ({written:#x}, {read:#x})"
    return None


def _try_copy_on_write() -> tuple[int, int]:
    """Write one page of a private mapping and read another; return their page map entries."""
    image = MemoryImage(bytes(2 * posix.PAGE), 0)
    if image.fd is None:
        raise HostError("memory files are refused")
    memory = LinearMemory(2 * posix.PAGE, 2 * posix.PAGE, 2 * posix.PAGE)
    try:
        posix.map_file(memory.address, memory.size, image.fd, writable=True)
        memory.view[0] = 1
        _ = memory.view[posix.PAGE]
        flags = LinearMemory(posix.PAGE, posix.PAGE, posix.PAGE)
        try:
            at = memory.address // posix.PAGE * _FLAG_BYTES
            if posix.read_into(_pagemap(os.getpid()), flags.address, 2 * _FLAG_BYTES, at) != 2 * _FLAG_BYTES:
                raise HostError("/proc/self/pagemap cannot be read")
            entries = flags.view[: 2 * _FLAG_BYTES].cast("Q")
            return entries[0], entries[1]
        finally:
            flags.close()
    finally:
        memory.close()


def _is_private(flags: int) -> bool:
    """As ``is_private`` of pages.wat: present or swapped, and not backed by the file."""
    return bool(flags >> 62) and not flags >> 61 & 1


@functools.cache
def _pagemap(_pid: int) -> int:
    """Return the page map of this process; it is opened anew after a fork."""
    with needs_host("looking at which pages a VM has written"):
        return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
